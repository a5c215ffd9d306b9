"""The hub's clock falls back after a certificate was issued: the signature waits until the certificate has begun."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.authorities import CLOCK_TOLERANCE
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.sealing.seals.grant_seal import NewGrant, grant_seal
from hub.model.contract.contract import ContractState
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.sealing.test_seal_management import CAI, active_seal, the_seal_on
from tests.lifecycle.signer import contract_now, ready_to_sign, record_of, signed, staff_tasks
from tests.lifecycle.trouble import hub_rounds, work_off

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize("back", [HOUR, pytest.param(DAY, marks=pytest.mark.real)])
async def test_a_signature_waits_until_its_certificate_has_begun(back: timedelta) -> None:
    clock = StandingClock(moment=datetime.now(UTC))
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        clock.moment -= back
        await guardian.accept(await guardian.prepare())
        await work_off(running)
        now = await contract_now(running, contract)
        assert (now.state, now.stuck_reason) == (ContractState.ISSUED, "certificate-not-begun")
        assert await staff_tasks(running, contract.id) == ["stuck"]  # at once: somebody has to look at the clock
        await hub_rounds(running, clock, clock() + back + 2 * HOUR)
        now = await contract_now(running, contract)
        assert (now.state, now.stuck_since) == (ContractState.COMPLETED, None)
        assert "signature-lapsed" not in await record_of(running, contract)


async def test_a_few_minutes_are_waited_for_and_nobody_is_told() -> None:
    clock = StandingClock(moment=datetime.now(UTC))
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        clock.moment -= CLOCK_TOLERANCE + timedelta(minutes=3)
        await guardian.accept(await guardian.prepare())
        await work_off(running)
        assert (await contract_now(running, contract)).stuck_reason == "certificate-not-begun"
        await hub_rounds(running, clock, clock() + HOUR)
        assert (await contract_now(running, contract)).state is ContractState.COMPLETED
        assert await staff_tasks(running, contract.id) == []


@pytest.mark.parametrize("back", [HOUR, pytest.param(DAY, marks=pytest.mark.real)])
async def test_a_seal_waits_until_its_certificate_has_begun(back: timedelta) -> None:
    clock = StandingClock(moment=datetime.now(UTC))
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        clock.advance(2 * DAY)
        seal = await active_seal(running)
        await grant_seal(running.hub.services, CAI, seal.id, NewGrant("contracts", "", "hefei"))
        clock.moment -= back
        await signed(running, contract)
        await work_off(running)
        assert (await contract_now(running, contract)).state is ContractState.SIGNED
        await hub_rounds(running, clock, clock() + back + 2 * HOUR)
        assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED
        assert (await the_seal_on(running, contract)).chain == seal.chain
        assert (await record_of(running, contract)).count("seal-used") == 1
