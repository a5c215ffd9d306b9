"""Reminders by hand: who gets one and who does not."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hub.errors import IllegalMove, TooSoon
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff.signer_questions import finish_staff_task
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import StandingClock, quiet_hub, remind_now, round_of_work, waiting
from tests.lifecycle.people import MOTHER_PHONE, father, two_guardians
from tests.lifecycle.signer import person, record_of
from tests.running import GUARDIAN_PHONE, Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = timedelta(minutes=31)


async def by_hand(running: Running, contract: Contract) -> list[str]:
    """Remind by hand. Return the numbers that the reminder goes to."""
    return [each.to for each in await remind_now(running.hub.services, contract.id)]


async def written_by_hand(running: Running, contract: Contract) -> list[str]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [each.to for each in await tx.deliveries.list_of_contract(contract.id) if each.key.startswith("hand-")]


async def not_me(running: Running, contract: Contract) -> None:
    stranger = await person(running, contract)
    await stranger.land()
    await ask(running.hub.services, stranger.secret, "not-me", "")


async def test_a_number_that_said_not_me_is_not_reminded_by_hand_until_that_is_settled() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        clock.advance(LATER)
        await not_me(running, contract)
        with pytest.raises(IllegalMove) as refused:
            await by_hand(running, contract)
        assert refused.value.detail == "Reminders are paused until the question from this number has been answered."
        assert await written_by_hand(running, contract) == []
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (asked,) = await tx.staff_tasks.list_open_tasks(contract.id)
        await finish_staff_task(running.hub.services, EVERYTHING, asked.id, "staff:test")
        assert await by_hand(running, contract) == [GUARDIAN_PHONE]


async def test_the_other_guardian_is_reminded_by_hand_while_one_number_is_silent() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        await round_of_work(running)
        clock.advance(LATER)
        await not_me(running, contract)
        assert await by_hand(running, contract) == [MOTHER_PHONE]
        assert await written_by_hand(running, contract) == [MOTHER_PHONE]


async def test_whoever_was_just_written_to_for_a_sibling_does_not_keep_the_other_from_being_reminded() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        sibling = await running.issue_minor(signers=(father(),))
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        await round_of_work(running)
        clock.advance(LATER)
        assert await by_hand(running, sibling) == [GUARDIAN_PHONE]
        assert await by_hand(running, contract) == [MOTHER_PHONE]
        clock.advance(timedelta(minutes=10))
        with pytest.raises(TooSoon) as refused:
            await by_hand(running, contract)
        assert refused.value.retry_after == timedelta(minutes=20)
        assert await written_by_hand(running, contract) == [MOTHER_PHONE]


async def test_two_contracts_of_one_parent_reminded_of_at_once_are_one_reminder() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contracts = [await running.issue_minor(signers=(father(),)) for _ in range(2)]
        await round_of_work(running)
        clock.advance(LATER)
        guardian = await person(running, contracts[0])
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.sessions.lock_persons(guardian.signer.person)
            both = [asyncio.create_task(by_hand(running, contract)) for contract in contracts]

            async def nobody_has_counted_yet() -> bool:
                """Return whether each call has locked its own contract and waits for the person."""
                return await waiting(running, 2) or all(each.done() for each in both)

            await until(nobody_has_counted_yet)
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert [each for each in outcomes if isinstance(each, list)] == [[GUARDIAN_PHONE]]
        assert sum(isinstance(each, TooSoon) for each in outcomes) == 1
        assert sum([len(await written_by_hand(running, contract)) for contract in contracts]) == 1


async def test_a_reminder_that_no_channel_takes_is_recorded_as_none() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        clock.advance(LATER)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for channel in ("sms", "voice"):
                await tx.opt_outs.add(GUARDIAN_PHONE, channel, tx.now, "inbound")
        assert await by_hand(running, contract) == []
        assert "reminded-by-hand" not in await record_of(running, contract)
