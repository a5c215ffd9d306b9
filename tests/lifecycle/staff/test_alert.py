"""Alerts reach the configured addresses: once each, repeated where an address did not accept them, and never in
storms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hub.lifecycle.messaging.service_alerts import warn
from hub.lifecycle.staff.send_alerts import alert_staff
from hub.model.staff.alert import BUNDLED_WITHIN, MAX_TRIES, RETRIES_AFTER, Alert
from hub.model.staff.scope import EVERYTHING, Scope
from tests.alerts.hook import Hook, dead_address, hook
from tests.running import Running, running_hub, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there() -> AsyncIterator[Hook]:
    async with hook() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(there: Hook) -> AsyncIterator[Running]:
    configured = {"alerts": [there.url, dead_address()]}
    async with running_hub(with_worker=False, with_web=False, configured=configured) as hub:
        yield hub


async def raised(running: Running, kind: str, text: str = "something", campus: str | None = None) -> UUID:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.alerts.add(kind, {"what": text}, tx.now, campus)


async def told(running: Running, *alerts: UUID) -> None:
    for alert in alerts:
        await alert_staff(running.hub.services, alert)


async def recent(running: Running) -> list[Alert]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.alerts.list_recent(EVERYTHING, tx.now, 500)


async def known(running: Running, alert: UUID) -> Alert:
    (found,) = [each for each in await recent(running) if each.id == alert]
    return found


async def due(running: Running) -> list[UUID]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.alerts.list_due(tx.now)


def messages(there: Hook, kind: str) -> list[str]:
    return [each["message"] for each in there.accepted if each["title"].endswith(kind)]


async def test_an_alert_says_what_it_is_and_leads_to_the_console(running: Running, there: Hook) -> None:
    await told(running, await raised(running, "provider-broken", "sms_twilio: 20003", campus="hefei"))
    (message,) = [each for each in there.accepted if "sms_twilio" in each["message"]]
    assert message["title"] == "签达告警 · Qianda alert: 服务商已停用 · A provider is out of use"
    assert message["message"] == f"sms_twilio: 20003\n{running.origin}/staff/tasks?campus=hefei"


async def test_an_alert_says_it_in_both_languages(running: Running, there: Hook) -> None:
    await warn(running.hub.database, "identity-away", "aliyun")
    (alert,) = [each for each in await recent(running) if each.kind == "identity-away"]
    await told(running, alert.id)
    (message,) = [each for each in there.accepted if "aliyun" in each["message"]]
    assert message["message"].splitlines() == [
        "实名核验服务 aliyun 没有应答，签署人被提示稍后再试",
        "The identity provider aliyun does not respond; signers are asked to try again later",
        f"{running.origin}/staff/tasks",
    ]


async def test_a_dead_address_is_tried_again_and_the_living_one_is_told_once(running: Running, there: Hook) -> None:
    with capture_logs() as logs:
        alert = await raised(running, "tried")
        for attempt in range(MAX_TRIES):
            assert alert in await due(running)
            await told(running, alert)
            await told(running, alert)  # not due yet: nothing happens
            running.clock.advance(RETRIES_AFTER[min(attempt, len(RETRIES_AFTER) - 1)] + timedelta(seconds=1))
        assert alert not in await due(running)
    found = await known(running, alert)
    assert messages(there, "tried") == [f"something\n{running.origin}/staff/tasks"]
    assert found.sent_at is not None and found.failure == "1/2 — json: not taken"
    assert [each["tries"] for each in logs if each["event"] == "alert not delivered to every address"] == [1, 2, 3, 4]
    assert "s3cr3t" not in json.dumps(logs, default=str)


async def test_a_storm_becomes_two_messages(running: Running, there: Hook) -> None:
    first = await raised(running, "storm", "number 0")
    await told(running, first)
    others = [await raised(running, "storm", f"number {number}", "hefei") for number in range(1, 31)]
    await told(running, *others)
    assert len(messages(there, "storm")) == 1 and not set(others) & set(await due(running))
    running.clock.advance(BUNDLED_WITHIN + timedelta(seconds=1))
    waiting = set(await due(running)) & set(others)
    assert waiting  # they are due together, and the first one to be sent includes the others
    await told(running, *others)
    _, bundle = messages(there, "storm")
    lines = bundle.splitlines()
    assert lines[:3] == ["number 1", "number 2", "number 3"] and lines[-2] == "共 30 条 · 30 in all"
    assert lines[-1] == f"{running.origin}/staff/tasks?campus=hefei" and len(lines) == 10
    assert all([(await known(running, each)).sent_at for each in others])
    running.clock.advance(timedelta(minutes=2))
    await told(running, *others)
    assert len(messages(there, "storm")) == 2


async def test_the_same_text_is_said_once(running: Running, there: Hook) -> None:
    first, *others = [await raised(running, "same", "the very same") for _ in range(5)]
    await told(running, first, *others)
    assert messages(there, "same") == [f"the very same\n共 5 条 · 5 in all\n{running.origin}/staff/tasks"]


async def test_kinds_do_not_hold_each_other_back(running: Running, there: Hook) -> None:
    await told(running, await raised(running, "this-kind"), await raised(running, "that-kind"))
    assert len(messages(there, "this-kind")) == len(messages(there, "that-kind")) == 1


async def test_an_attempt_whose_process_died_is_made_again(running: Running, there: Hook) -> None:
    alert = await raised(running, "died")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.alerts.begin(alert, tx.now)
    await told(running, alert)
    assert messages(there, "died") == []  # it may still be under way
    running.clock.advance(RETRIES_AFTER[0] + timedelta(seconds=1))
    assert alert in await due(running)
    await told(running, alert)
    assert len(messages(there, "died")) == 1


async def test_two_that_begin_at_once_become_one_message(running: Running, there: Hook) -> None:
    alerts = [await raised(running, "at-once", f"number {number}") for number in range(6)]
    await asyncio.gather(*(alert_staff(running.hub.services, each) for each in alerts))
    (message,) = messages(there, "at-once")
    assert [f"number {number}" in message for number in range(6)] == [True] * 6


async def test_old_alerts_are_no_news(running: Running, there: Hook) -> None:
    alert = await raised(running, "old")
    running.clock.advance(timedelta(days=1, minutes=1))
    assert alert not in await due(running)


async def test_a_campus_sees_its_own(running: Running) -> None:
    everywhere, here = await raised(running, "seen"), await raised(running, "seen", campus="hefei")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        of_all = [each.id for each in await tx.alerts.list_recent(EVERYTHING, tx.now)]
        of_hefei = [each.id for each in await tx.alerts.list_recent(Scope(frozenset({"hefei"})), tx.now)]
        of_beijing = [each.id for each in await tx.alerts.list_recent(Scope(frozenset({"beijing"})), tx.now)]
    assert {everywhere, here} <= set(of_all) and here in of_hefei
    assert everywhere not in of_hefei and not {everywhere, here} & set(of_beijing)


async def test_the_worker_tells_by_itself_and_again_when_it_is_due() -> None:
    async with hook() as there:
        there.status = 500
        async with running_hub(with_web=False, configured={"alerts": [there.url]}) as running:
            alert = await raised(running, "by-worker")

            async def refused() -> bool:
                return (await known(running, alert)).failure == "1/1 — json: not taken"

            await until(refused)
            assert (await known(running, alert)).sent_at is None
            there.status = 200
            running.clock.advance(RETRIES_AFTER[0] + timedelta(seconds=1))
            await running.worker.periodic.run_round()

            async def sent() -> bool:
                return (await known(running, alert)).sent_at is not None

            await until(sent)
            assert len(messages(there, "by-worker")) == 1 and (await known(running, alert)).failure is None


async def test_without_addresses_nothing_leaves_and_nothing_is_lost() -> None:
    async with running_hub(with_web=False) as running:
        alert = await raised(running, "alone")
        await alert_staff(running.hub.services, alert)
        await running.worker.periodic.run_round()
        found = await known(running, alert)
        assert found.sent_at is None and found.failure is None
