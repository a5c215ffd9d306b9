"""A paused hub begins no message by itself, serves everybody who comes, and goes on where it stood."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.doctor import examine
from hub.lifecycle.messaging.pause_sending import pause_sending, resume_sending
from hub.lifecycle.reminders.bulk_remind import begin_reminding, remind_many
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import MORNING, StandingClock, quiet_hub, round_of_work, sent
from tests.lifecycle.signer import completed, deliver, person, signed
from tests.running import GUARDIAN_PHONE, Running, running_hub
from tests.web.staff_visit import console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOTHER = CopyRecipient(CopyRole.GUARDIAN, "mother@home.example", "王芳")


async def said_by_doctor(running: Running) -> str:
    return next(each.words for each in await examine(running.hub) if each.part == "sending")


async def test_invitations_and_reminders_wait_for_the_end_of_the_pause() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        await running.issue_minor()
        await round_of_work(running)
        assert await pause_sending(running.hub.services, "test")
        assert not await pause_sending(running.hub.services, "test")
        clock.go_to(MORNING + timedelta(days=1))
        await round_of_work(running)
        assert await sent(running, GUARDIAN_PHONE) == [("invitation", "11-25 10:00")]
        clock.advance(timedelta(seconds=1))
        assert (await said_by_doctor(running)).endswith("steps due: 1; `qianda resume` sends on")
        assert await resume_sending(running.hub.services, "test")
        assert not await resume_sending(running.hub.services, "test")
        await round_of_work(running)
        assert await sent(running, GUARDIAN_PHONE) == [("invitation", "11-25 10:00"), ("reminder", "11-26 10:00")]
        assert await said_by_doctor(running) == "goes on"


async def test_a_signer_signs_during_the_pause_and_hears_of_it_afterwards() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        await pause_sending(running.hub.services, "test")
        await signed(running, contract)
        await completed(running, contract)
        await deliver(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "code"]
        clock.advance(timedelta(minutes=5))  # what was written waits however often the hub looks for it
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "code"]
        await resume_sending(running.hub.services, "test")
        clock.advance(timedelta(minutes=5))
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "code", "completed"]


async def test_copies_wait_and_have_a_day_from_the_end_of_the_pause() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(send="none", copies=(MOTHER,))
        await pause_sending(running.hub.services, "test")
        await signed(running, contract)
        await completed(running, contract)
        await deliver(running)
        clock.advance(timedelta(days=2))
        await round_of_work(running)
        assert await sent(running, MOTHER.email) == []
        await resume_sending(running.hub.services, "test")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (copy,) = [each for each in await tx.deliveries.list_of_contract(contract.id) if each.to == MOTHER.email]
            assert copy.check_at == tx.planning_now + timedelta(days=1)
        clock.advance(timedelta(minutes=5))
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, MOTHER.email)] == ["copy"]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert "copy-not-sent" not in [each.kind for each in await tx.record.list_entries(contract.id)]


async def test_many_reminders_at_once_wait_as_well() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        clock.advance(timedelta(hours=5))
        act = await begin_reminding(running.hub.services, EVERYTHING, [contract.id], "test")
        await pause_sending(running.hub.services, "test")
        assert not await remind_many(running.hub.services, act)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.bulk_reminders.list_unfinished(tx.now + timedelta(minutes=1)) == [act]
        await resume_sending(running.hub.services, "test")
        await remind_many(running.hub.services, act)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.bulk_reminders.list_unfinished(tx.now + timedelta(minutes=1)) == []


async def test_a_message_whose_channel_failed_takes_no_other_one_during_the_pause() -> None:
    async with quiet_hub(StandingClock()) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (delivery,) = await tx.deliveries.list_of_contract(contract.id)
            await tx.deliveries.plan_check(delivery.id, tx.planning_now)
            assert await tx.deliveries.list_check_due(tx.planning_now) == [delivery.id]
            await tx.pause.begin(tx.now)
            assert await tx.deliveries.list_check_due(tx.planning_now) == []


async def test_the_pause_stands_in_the_record_and_on_the_board() -> None:
    async with running_hub(with_worker=False) as running:
        await pause_sending(running.hub.services, "test")
        assert "sending-paused" in [each.kind for each in await running.school_record()]
        console = await console_of(running)
        assert "Sending is paused." in (await console.get("/staff")).words
        await resume_sending(running.hub.services, "test")
        assert "Sending is paused." not in (await console.get("/staff")).words


async def test_a_visitor_still_gets_a_code_during_the_pause() -> None:
    async with quiet_hub(StandingClock()) as running:
        contract = await running.issue_minor()
        await pause_sending(running.hub.services, "test")
        visitor = await person(running, contract)
        await visitor.land()
        assert len(await visitor.ask_code()) == 6
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["code"]
