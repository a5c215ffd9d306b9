"""Eight signers at once with a single token, and two workers at each contract."""

from __future__ import annotations

import asyncio

import pytest
from stdnum.cn import ric

from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Role
from hub.model.evidence.record import find_broken_entry
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.signer import signed
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNERS = 8


def guardian(number: int) -> NewSigner:
    base = f"34010419850101{number:03d}"
    return NewSigner(
        Role.GUARDIAN, "陈建国", f"+86190000003{number:02d}", base + ric.calc_check_digit(base + "0"), relation="父亲"
    )


async def from_issue_to_the_end(running: Running, number: int) -> Contract:
    contract = await running.issue_minor(signers=(guardian(number),))
    await signed(running, contract)
    await asyncio.gather(*(advance(running.hub.services, contract.id) for _ in range(2)))
    return contract


async def one_round(running: Running) -> None:
    contracts = await asyncio.gather(*(from_issue_to_the_end(running, number) for number in range(SIGNERS)))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for contract in contracts:
            now = await tx.contracts.get(contract.id)
            assert (now.state, now.stuck_reason) == (ContractState.COMPLETED, None)
            kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
            assert [kinds.count(kind) for kind in ("seal-used", "signed", "completed")] == [1, 1, 1]
            assert find_broken_entry(await tx.record.list_entries(contract.id)) is None


@pytest.mark.real
async def test_eight_at_once_and_each_is_sealed_once() -> None:
    async with quiet_hub() as running:
        await one_round(running)


@pytest.mark.real
async def test_eight_at_once_twenty_times_over() -> None:
    for _ in range(20):  # a new hub each time: codes have a budget per person
        async with quiet_hub() as running:
            await one_round(running)
