"""Several contracts of one person in one message: a parent of two siblings gets one text and one code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewStudent
from hub.lifecycle.reminders.extend_deadline import extend
from hub.lifecycle.reminders.run_due import run_step
from hub.model.contract.contract import Contract
from hub.model.contract.signer import SigningTask
from hub.model.messaging.delivery import Delivery
from hub.model.reminders.due_step import HOLD
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import MORNING, NIGHT, StandingClock, follow, quiet_hub, round_of_work, sent
from tests.lifecycle.reminders.test_policies import change
from tests.lifecycle.reminders.test_reminders import ledger
from tests.lifecycle.signer import person, signed, tasks_of
from tests.poster_visits import cn_id
from tests.router.routed import routed
from tests.router.test_ladder import with_more
from tests.running import GUARDIAN_PHONE, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SISTER = NewStudent("陈小雨", "cn-id", cn_id("20140901", 21))


async def siblings(running: Running, **changes: Any) -> list[Contract]:
    return [
        await running.issue_minor(**changes, hold=True),
        await running.issue_minor(**changes, student=SISTER, course="english-b"),
    ]


async def texts(running: Running, purpose: str) -> list[str]:
    return [each["text"] for each in await running.messages() if each["purpose"] == purpose]


async def deliveries(running: Running, contract: Contract) -> list[Delivery]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.deliveries.list_of_contract(contract.id)


async def steps(running: Running, contracts: Sequence[Contract]) -> list[tuple[str, int]]:
    tasks: list[SigningTask] = [task for each in contracts for task in await tasks_of(running, each)]
    return [(task.step.kind.value, task.step.number) for task in tasks if task.step]


async def test_two_siblings_issued_together_are_one_text_one_code_two_contracts() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        both = await siblings(running)
        await round_of_work(running)
        (text,) = await texts(running, "invitation")
        assert "签署2份合同" in text
        shown = [await deliveries(running, each) for each in both]
        assert shown[0][0].id == shown[1][0].id
        for contract, (delivery,) in zip(both, shown, strict=True):
            (task,) = await tasks_of(running, contract)
            assert (delivery.task, delivery.contract, delivery.signer) == (task.id, contract.id, task.signer)
            kinds = [kind for kind, step, _ in await ledger(running, contract.id) if step == "invitation"]
            assert kinds == ["planned", "sent"]
        assert await steps(running, both) == [("reminder", 1)] * 2
        clock.advance(HOLD)
        await round_of_work(running)
        guardian = await person(running, both[0])
        await guardian.enter()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            session = await tx.sessions.find_by_secret(guardian.secret)
        assert session and set(session.contracts) == {each.id for each in both}
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "code"]


async def test_they_are_reminded_together_to_the_end_and_each_keeps_its_own_plan() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        both = await siblings(running, deadline=MORNING + timedelta(days=10))
        await extend(running.hub.services, EVERYTHING, both[1].id, MORNING + timedelta(days=20), "staff:test")
        await follow(running, clock, MORNING + timedelta(days=22))
        assert sorted(await sent(running, GUARDIAN_PHONE), key=lambda each: each[1]) == [
            ("invitation", "11-25 10:00"),
            ("reminder", "11-26 10:00"),
            ("reminder", "11-28 10:00"),
            ("reminder", "12-02 10:00"),
            ("last-call", "12-03 10:00"),
            ("expired", "12-05 10:00"),
            ("reminder", "12-09 10:00"),
            ("last-call", "12-13 10:00"),
            ("expired", "12-15 10:00"),
        ]
        assert [("2份" in text) for text in await texts(running, "reminder")] == [True, True, True, False]
        assert [("2份" in text) for text in await texts(running, "last-call")] == [False, False]
        assert all("12月5日" in text for text in (await texts(running, "reminder"))[:3])  # the earlier one


async def test_what_is_due_later_today_goes_with_it_and_what_is_due_tomorrow_does_not() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        first = await running.issue_minor()
        await round_of_work(running)
        clock.advance(timedelta(hours=6))
        second = await running.issue_minor(student=SISTER)
        await round_of_work(running)  # the invitation cannot wait for tomorrow's reminder
        await follow(running, clock, MORNING + timedelta(days=1, hours=8))
        assert await sent(running, GUARDIAN_PHONE) == [
            ("invitation", "11-25 10:00"),
            ("invitation", "11-25 16:00"),
            ("reminder", "11-26 10:00"),
        ]
        assert "2份" in (await texts(running, "reminder"))[0]
        assert await steps(running, [first, second]) == [("reminder", 2)] * 2


@pytest.mark.parametrize("where", ["sms", "policy"])
async def test_whoever_does_not_want_it_gets_one_for_each(where: str) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        if where == "policy":
            await change(running, "hefei", "course", "english-b", {"bundle": False})
            await siblings(running)
        else:
            await running.issue_minor(hold=True)
            other = await running.issue_minor(student=SISTER)
            async with running.hub.database.transaction(EVERYTHING) as tx:
                (signer,) = await tx.contracts.list_signers(other.id)
                await tx.contracts.put_phone([signer.id], "+8619000000105")
        clock.advance(HOLD)
        await round_of_work(running)
        everything = await running.messages(GUARDIAN_PHONE) + await running.messages("+8619000000105")
        assert [each["purpose"] for each in everything] == ["invitation"] * 2
        assert not [each for each in everything if "2份" in each["text"]]


async def test_at_night_only_what_answers_an_act_is_told() -> None:
    clock = StandingClock(moment=NIGHT)
    async with quiet_hub(clock) as running:
        await running.issue_minor(send="policy")
        await running.issue_minor(student=SISTER)
        await round_of_work(running)
        (text,) = await texts(running, "invitation")
        assert "2份" not in text
        await follow(running, clock, NIGHT + timedelta(hours=22))
        assert len(await texts(running, "invitation")) == 2


async def test_one_that_is_signed_between_claim_and_step_is_not_told_of() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        both = await siblings(running)
        await round_of_work(running)
        clock.advance(timedelta(days=1, hours=1))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            claimed = await tx.tasks.claim_due(clock(), timedelta(minutes=1), 5)
        await signed(running, both[0])
        for each in claimed:
            if delivery := await run_step(running.hub.services, each):
                await running.hub.services.messaging.router.send_delivery(delivery, fresh=True)
        (text,) = await texts(running, "reminder")
        assert "2份" not in text and "签署合同" in text
        assert [each[0] for each in await ledger(running, both[0].id)][-1] == "stopped"


async def test_two_workers_with_both_claims_send_one_message() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        both = await siblings(running)
        for wait in (HOLD, *[timedelta(days=7)] * 3, timedelta(days=8)):
            clock.advance(wait)
            async with running.hub.database.transaction(EVERYTHING) as tx:
                claimed = await tx.tasks.claim_due(clock(), timedelta(minutes=1), 5)
            assert len(claimed) == 2
            done = await asyncio.gather(*(run_step(running.hub.services, each) for each in (*claimed, *claimed)))
            (delivery,) = [each for each in done if each]
            await running.hub.services.messaging.router.send_delivery(delivery, fresh=True)
        counts = [len(await deliveries(running, each)) for each in both]
        assert counts == [5, 5] and len(await running.messages()) == 5


@pytest.mark.parametrize("ended", [1, 2])
async def test_what_ends_while_the_message_waits_is_not_spoken_of(ended: int) -> None:
    async with routed() as hub:
        both = [await hub.issue(hold=True), await hub.issue(student=SISTER)]
        hub.clock.advance(timedelta(days=2))
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            claimed = await tx.tasks.claim_due(hub.clock(), timedelta(minutes=1), 5)
        (written,) = [each for claim in claimed if (each := await run_step(hub.running.hub.services, claim))]
        for contract in both[:ended]:
            await void(hub.running.hub.services, EVERYTHING, contract.id, "wrong course", "staff:test")
        await hub.run_round(timedelta(minutes=2))  # the worker that was to send the message died
        told = [each.text for each in hub.twilio.accepted if "前签署" in each.text]
        assert [("2份" in text, "签署合同" in text) for text in told] == [(False, True)] * (2 - ended)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            delivery = await tx.deliveries.get(written)
        assert delivery and (delivery.state.value == "withdrawn") == (ended == 2)


async def test_the_next_way_speaks_of_all_and_stops_when_one_is_opened() -> None:
    async with routed() as hub:
        voice, email = with_more(hub, "voice", "email")
        ways: dict[str, Any] = {"channels": ("sms", "voice", "email")}
        first, second = await hub.issue(**ways, hold=True), await hub.issue(**ways, student=SISTER)
        third = await hub.issue(**ways, student=NewStudent("陈小禾", "cn-id", cn_id("20150901", 23)))
        await hub.sweep()
        assert len(hub.twilio.accepted) == 1 and "3份合同" in hub.twilio.accepted[0].text
        await void(hub.running.hub.services, EVERYTHING, first.id, "wrong course", "staff:test")
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round()
        (said,) = voice.texts
        assert "2份合同" in said.text
        for contract in (second, third):
            assert [each.channel for each in await hub.deliveries(contract)] == ["sms", "voice"]
            assert ("sent", None, "sms-transient") in await ledger(hub.running, contract.id)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(third.id)
            await tx.tasks.note_opened(task.id, "sms", tx.now)
        await hub.run_round(timedelta(hours=25))
        assert [each.purpose for each in email.texts] == ["withdrawn"]  # of the ended contract; no further channel
