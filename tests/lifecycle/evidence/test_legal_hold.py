"""A contract that is held stays: nobody erases it, nor a person in it, until the hold ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

import pytest
from sqlalchemy import text

from channels import Inbound
from hub.errors import BadInput, NotFound, Refused
from hub.lifecycle.contract.end import void
from hub.lifecycle.evidence.erase import erase_signer
from hub.lifecycle.evidence.hold import lift_hold, place_hold
from hub.lifecycle.evidence.person import erase_person, find_persons, plan_erasure
from hub.model.contract.contract import ContractState
from hub.model.evidence.person_data import PersonInContract
from hub.model.evidence.retention import Retention
from hub.model.messaging.sms_commands import SmsCommand
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.transaction import Database, Transaction
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.evidence.test_person import about, owner_of
from tests.lifecycle.signer import record_of
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE

ENDED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class KilledMeanwhile:
    """The database of the owner, for one transaction. Then the command is killed."""

    owner: Database
    is_over: bool = False

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncIterator[Transaction]:
        assert not self.is_over, "killed"
        self.is_over = True
        async with self.owner.transaction(scope) as tx:
            yield tx


async def test_nothing_of_a_held_contract_is_erased_until_the_hold_ends() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, contract = running.hub.services, await running.issue_minor()
        await void(services, EVERYTHING, contract.id, "not needed", "staff:x")
        why = ("case 7 of the district court", clock() + timedelta(days=30))
        hold = await place_hold(services, EVERYTHING, contract.id, why, "staff:x")
        plan = await plan_erasure(services, about(GUARDIAN_ID))
        assert dict(plan.kept) == {contract.number: hold.describe("Asia/Shanghai")}
        assert "until 2026-12-25" in hold.describe("Asia/Shanghai")
        with pytest.raises(Refused, match="district court"):
            await erase_signer(services, EVERYTHING, contract.id, "guardian-1", "staff:x")
        async with owner_of(running) as owner:
            async with owner.transaction(EVERYTHING) as tx:
                await tx.inbound.add("sms", Inbound("1", GUARDIAN_PHONE, "not so"), SmsCommand.OTHER, tx.now)
            assert (await plan_erasure(services, about(GUARDIAN_ID))).messages == 0
            assert list((await erase_person(services, owner, about(GUARDIAN_ID))).contracts) == []
            assert (await find_persons(services, about(GUARDIAN_ID)))[0].others["messages_from_them"]
            clock.advance(timedelta(days=30))  # it ends by itself
            await place_hold(services, EVERYTHING, contract.id, ("appeal", None), "staff:x")
            assert contract.number in (await plan_erasure(services, about(GUARDIAN_ID))).kept
            assert await lift_hold(services, EVERYTHING, contract.id, "settled", "staff:y") == 1
            with pytest.raises(NotFound):
                await lift_hold(services, EVERYTHING, contract.id, "settled", "staff:y")
            killed = cast(Database, KilledMeanwhile(owner))
            assert list((await erase_person(services, killed, about(GUARDIAN_ID))).contracts) == [contract.number]
            async with owner.transaction(EVERYTHING) as tx:
                reasons = await tx.connection.scalars(text("SELECT reason FROM legal_hold"))
        assert set(reasons) == {"–"}
        kinds = await record_of(running, contract)
        assert (kinds.count("hold-placed"), kinds.count("hold-lifted")) == (2, 1)
        with pytest.raises(BadInput):
            await place_hold(services, EVERYTHING, contract.id, (" ", None), "staff:x")
        with pytest.raises(BadInput):
            await place_hold(services, EVERYTHING, contract.id, ("late", clock()), "staff:x")
        assert (await find_persons(services, about(GUARDIAN_ID))) == []


async def test_a_hold_that_ends_or_is_erased_leaves_those_of_other_contracts() -> None:
    async with quiet_hub() as running:
        services, (one, other) = running.hub.services, [await running.issue_minor() for _ in range(2)]
        for contract in (one, other):
            await place_hold(services, EVERYTHING, contract.id, ("case 7", None), "staff:x")
        assert await lift_hold(services, EVERYTHING, one.id, "settled", "staff:y") == 1
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.holds.forget_words(one.id, ["case 7"])
            (left,) = await tx.holds.list_active(tx.now)
        assert (left.contract, left.reason) == (other.id, "case 7")


def test_a_template_may_be_kept_for_longer_or_shorter() -> None:
    retention = Retention(contracts_days=10, templates_days={"loan": 100})

    def why(template: str, days: int) -> str:
        part = PersonInContract(
            uuid4(), "QD-1", "hq", ContractState.COMPLETED, "", ENDED, ENDED, ENDED, template=template
        )
        return part.why_kept(retention, ENDED + timedelta(days=days))

    assert "2026-01-11" in why("course", 9) and why("course", 10) == ""
    assert "2026-04-11" in why("loan", 99) and why("loan", 100) == ""
