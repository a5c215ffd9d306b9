"""A step that raises an error each time: its retries come ever later, and staff see it on the first day."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from hub.lifecycle.contract.end import void
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.store.board.board_filter import BoardFilter
from tests.channels.doubles import Trouble
from tests.database import tamper
from tests.lifecycle.clockwork import MORNING, StandingClock, quiet_hub, round_of_work, sent
from tests.lifecycle.people import MOTHER_PHONE, mother
from tests.lifecycle.signer import contract_now
from tests.lifecycle.trouble import minutes_between
from tests.router.routed import Routed, routed
from tests.router.test_ladder import with_more
from tests.running import GUARDIAN_PHONE, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIVE_DAYS = timedelta(days=5)
WAITS = [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]


async def put_zone(running: Running, contract: Contract, zone: str) -> None:
    """Set the zone of the contract's signers. A zone that does not exist breaks everything that needs the local
    time."""
    statement = "UPDATE signer SET zone = $1 WHERE contract = $2"
    await tamper(running.hub.database.dsn, statement, zone, contract.id)


async def failures(running: Running, contract: Contract) -> list[datetime]:
    """Return when the step failed, by the ledger."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        ledger = await tx.reminders.list_of_contract(contract.id)
    return [line["at"] for line in ledger if line["kind"] == "failed" and line["reason"] == "step-failed"]


async def seen_by_staff(running: Running, contract: Contract) -> tuple[list[str], int, int]:
    """Return the kinds of open staff tasks, the number of alerts so far, and the number of contracts on the list of
    stuck ones."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        tasks = [each.kind for each in await tx.staff_tasks.list_open_tasks(contract.id)]
        alerts = await tx.connection.scalar(text("SELECT count(*) FROM alert WHERE kind = 'step-failed'"))
        stuck = await tx.board.list_ids(BoardFilter(view="stuck"), 10)
    assert set(stuck) <= {contract.id}
    return tasks, int(alerts or 0), len(stuck)


async def live(running: Running, clock: StandingClock, until: datetime) -> None:
    """Move the clock from one due step to the next and take each."""
    while clock() < until:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            due = await tx.tasks.find_earliest_due()
        clock.go_to(min(due or until, until))
        while await running.worker.due_steps.sweep():
            pass


async def test_a_reminder_that_raises_is_seen_on_the_first_day_and_goes_on_when_it_is_mended() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await put_zone(running, contract, "Mars/Olympus")
        await running.worker.due_steps.sweep()
        assert await seen_by_staff(running, contract) == ([], 0, 0)  # one failure may be an accident
        await live(running, clock, MORNING + timedelta(hours=1))
        assert await seen_by_staff(running, contract) == (["stuck"], 1, 1)
        assert (await contract_now(running, contract)).stuck_reason == "step-failed"
        await live(running, clock, MORNING + FIVE_DAYS)
        waits = minutes_between(await failures(running, contract))
        assert waits[: len(WAITS)] == WAITS and set(waits[len(WAITS) :]) == {60.0}
        assert len(waits) < 5 * 24 + 20
        tasks, alerts, stuck = await seen_by_staff(running, contract)
        assert (tasks, stuck) == (["stuck"], 1) and 5 <= alerts <= 6
        await put_zone(running, contract, "Asia/Shanghai")
        await live(running, clock, clock() + timedelta(hours=2))
        assert len(await sent(running, GUARDIAN_PHONE)) == 1
        tasks, _, stuck = await seen_by_staff(running, contract)
        assert (tasks, stuck) == ([], 0)


async def test_others_do_not_wait_for_a_step_that_raises() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        broken = await running.issue_minor()
        await put_zone(running, broken, "Mars/Olympus")
        await round_of_work(running)
        await running.issue_minor(signers=(mother(),))
        await round_of_work(running)
        assert len(await sent(running, MOTHER_PHONE)) == 1


async def test_a_contract_that_ends_is_stuck_no_longer() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await put_zone(running, contract, "Mars/Olympus")
        await live(running, clock, MORNING + timedelta(hours=1))
        await put_zone(running, contract, "Asia/Shanghai")
        await void(running.hub.services, EVERYTHING, contract.id, "wrong course", "staff:test")
        assert (await contract_now(running, contract)).stuck_since is None


async def hours(hub: Routed, number: float) -> None:
    for _ in range(int(number * 30)):
        await hub.run_round(timedelta(minutes=2))


async def test_a_next_way_that_raises_is_seen_too_and_goes_on_when_it_is_mended() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await put_zone(hub.running, contract, "Mars/Olympus")
        await hours(hub, 2)
        waits = minutes_between(await failures(hub.running, contract))
        assert waits == sorted(waits) and waits[-1] >= 30  # ever later
        assert await seen_by_staff(hub.running, contract) == (["stuck"], 1, 1)
        await put_zone(hub.running, contract, "Asia/Shanghai")
        await hours(hub, 1.1)
        assert len(voice.texts) == 1
        assert (await seen_by_staff(hub.running, contract))[::2] == ([], 0)


async def test_a_message_that_raises_while_it_waits_is_seen_too() -> None:
    async with routed(trouble=[Trouble.BUSY]) as hub:
        contract = await hub.invited(channels=("sms",))
        written = (await hub.one(contract)).text
        await put_text(hub, contract, "{nothing that anybody knows}")
        await hours(hub, 0.5)
        assert await seen_by_staff(hub.running, contract) == (["stuck"], 1, 1)
        assert hub.twilio.accepted == []
        await put_text(hub, contract, written)
        await hours(hub, 1.1)
        assert len(hub.twilio.accepted) == 1
        assert (await seen_by_staff(hub.running, contract))[::2] == ([], 0)


async def put_text(hub: Routed, contract: Contract, written: str) -> None:
    statement = "UPDATE delivery SET text = $1 WHERE contract = $2"
    await tamper(hub.running.hub.database.dsn, statement, written, contract.id)
