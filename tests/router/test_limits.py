"""Budgets, floods, outages and signatures in between: what must not be sent is not sent."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from channels import ChannelContext, sms_kannel
from hub.lifecycle.inbound.inbound_sms import process_stops
from hub.lifecycle.inbound.process_callbacks import process_callback
from hub.lifecycle.messaging.send import NewMessage, send_at_once
from hub.lifecycle.reminders.run_due import run_step
from hub.model.contract.contract import Contract
from hub.model.contract.signer import TaskState
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.messaging.provider import ProviderSettings
from hub.model.reminders.calendar import SchoolDay
from hub.model.reminders.schedule import NextStep, StepKind
from hub.model.staff.scope import EVERYTHING
from hub.store.reminders.policies import PolicyChange
from hub.worker.worker import Worker
from tests.changed_services import change_services
from tests.channels.doubles.outbox import Ledger
from tests.channels.doubles.sms_kannel import Double as Kannel
from tests.lifecycle.clockwork import MORNING, SHANGHAI, StandingClock
from tests.router.routed import Routed, routed, written

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENING = MORNING.astimezone(SHANGHAI).replace(hour=20, minute=30).astimezone(UTC)


def limited(hub: Routed, limits: BudgetLimits) -> None:
    services = change_services(hub.running.hub.services, "messaging", budgets=limits)
    hub.running.hub = replace(hub.running.hub, services=services)
    hub.running.worker = Worker(hub.running.hub)


async def kinds_of_alerts(hub: Routed) -> list[str]:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        return [str(kind) for (kind,) in await tx.connection.fetch("SELECT kind FROM alert")]


async def test_a_pumped_prefix_stops_at_its_limit_and_goes_on_an_hour_later() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(per_prefix_hour=3))
        contracts = [await hub.issue(phone=f"+1202555{number:04}") for number in range(110, 116)]
        await hub.sweep()
        assert len(hub.twilio.accepted) == 3
        assert await kinds_of_alerts(hub) == ["budget-spent"]
        ledger = []
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            for contract in contracts:
                ledger += [each["reason"] for each in await tx.reminders.list_of_contract(contract.id)]
        assert ledger.count("budget") == 3
        hub.clock.advance(timedelta(hours=1))
        await hub.sweep()
        assert len(hub.twilio.accepted) == 6


async def test_a_last_call_for_which_there_is_no_room_waits_for_the_next_hour_on_a_closed_day_too() -> None:
    async with routed() as hub:
        contract = await hub.invited(deadline=MORNING + timedelta(days=4))
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            closes = PolicyChange("hefei", "campus", "hefei", {"skip_holidays": True})
            await tx.policies.put(closes, "test", tx.now)
            days = [SchoolDay(MORNING.date() + timedelta(days=day), False, "exams") for day in range(7)]
            await tx.policies.put_calendar("hefei", days)
        hub.clock.go_to(MORNING + timedelta(days=1))
        await hub.sweep()
        hub.clock.go_to(MORNING + timedelta(days=2))
        limited(hub, BudgetLimits(per_number_hour=1))
        assert await write(hub, contract, Purpose.COMPLETED, "news")
        await hub.sweep()
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            assert [each["reason"] for each in await tx.reminders.list_of_contract(contract.id)].count("budget") == 1
        assert task.step == NextStep(StepKind.LAST_CALL, 0, hub.clock() + timedelta(hours=1))


async def write(hub: Routed, contract: Contract, purpose: Purpose, key: str) -> Delivery | None:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        return await send_at_once(hub.running.hub.services, tx, contract, signer, NewMessage(purpose, key))


async def test_news_of_a_contract_waits_for_room_and_what_anybody_may_ask_for_is_left_out() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(per_number_hour=1, codes_per_number_hour=1))
        contract = await hub.issue(send="none")
        hub.clock.advance(timedelta(minutes=60 - hub.clock().minute))
        news = [await write(hub, contract, Purpose.COMPLETED, f"news-{number}") for number in range(3)]
        began = hub.clock()
        waits = [each.not_before - began if each and each.not_before else None for each in news]
        assert waits == [None, timedelta(hours=1), timedelta(hours=2)]
        assert await write(hub, contract, Purpose.NEW_LINK, "link")
        assert await write(hub, contract, Purpose.NEW_LINK, "another") is None
        for sent in (2, 2, 3, 3, 4):
            await hub.run_round(timedelta(minutes=30) if hub.clock() > began else timedelta(seconds=30))
            assert len(hub.twilio.accepted) == sent
        assert await hub.staff_tasks(contract) == []


async def test_that_a_deadline_has_passed_is_told_by_day_also_where_it_waited_for_room() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(per_number_hour=1))
        contract = await hub.issue(send="none")
        hub.clock.go_to(EVENING)
        for number in range(2):
            assert await write(hub, contract, Purpose.EXPIRED, f"news-{number}")
        await hub.run_round(timedelta(seconds=30))
        assert len(hub.twilio.accepted) == 1
        while len(hub.twilio.accepted) == 1:  # the next hour has budget, but it is at night
            await hub.run_round(timedelta(minutes=30))
            assert hub.clock() < EVENING + timedelta(days=1)
        assert 9 <= hub.clock().astimezone(SHANGHAI).hour < 21


async def test_news_for_which_there_is_no_room_for_days_is_told_to_staff() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(per_number_day=1))
        contract = await hub.issue(send="none")
        written = [await write(hub, contract, Purpose.WITHDRAWN, f"news-{number}") for number in range(4)]
        assert [each is not None for each in written] == [True, True, True, False]
        assert await hub.staff_tasks(contract) == ["failed"]


async def test_a_campus_has_a_budget_and_a_country_that_is_not_allowed_gets_nothing() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(per_campus_day=2))
        for number in range(3):
            await hub.issue(phone=f"+120255{number}0111")
        await hub.sweep()
        assert len(hub.twilio.accepted) == 2
        limited(hub, BudgetLimits(countries=("+86",)))
        hub.clock.advance(timedelta(days=1))
        contract = await hub.issue(phone="+12025550999")
        await hub.sweep()
        assert await hub.deliveries(contract) == []
        assert await hub.staff_tasks(contract) == ["unreachable"]


@contextlib.asynccontextmanager
async def unsigned(hub: Routed) -> AsyncIterator[Kannel]:
    """Run Kannel as a further provider. Its calls come on a secret path, and are not signed."""
    kannel = Kannel()
    async with kannel.serving():
        place = ChannelContext(
            "kannel", f"{hub.running.origin}/callbacks/kannel", hub.running.http, Ledger([]), hub.clock
        )
        channel = sms_kannel.connect(kannel.options(), place)
        hub.providers((ProviderSettings("kannel", "sms_kannel", "sms", weight=0.001, rate=1000), channel))
        yield kannel


async def stops(hub: Routed, kannel: Kannel, numbers: list[str], words: str = "STOP") -> None:
    channel = hub.running.hub.services.messaging.router.providers["kannel"].channel
    for number in numbers:
        call = kannel.written(
            number,
            words,
            ChannelContext("kannel", f"{hub.running.origin}/callbacks/kannel", hub.running.http, Ledger([]), hub.clock),
        )
        assert call
        heard = channel.read(call)  # type: ignore[attr-defined]
        await process_callback(hub.running.hub.services, await hub.told("kannel", heard))


async def opted_out(hub: Routed, numbers: list[str]) -> list[str]:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        return [number for number in numbers if await tx.opt_outs.list_channels(number)]


async def test_a_flood_of_stops_that_nobody_signed_opts_nobody_out_and_a_few_do() -> None:
    async with routed() as hub, unsigned(hub) as kannel:
        flood = [f"+1202555{number:04}" for number in range(400, 421)]
        await stops(hub, kannel, flood)
        hub.clock.advance(timedelta(minutes=2))
        await process_stops(hub.running.hub.services)
        assert await opted_out(hub, flood) == []
        assert await kinds_of_alerts(hub) == ["stop-flood"]
        hub.clock.advance(timedelta(minutes=5))
        await stops(hub, kannel, flood[:2])
        await process_stops(hub.running.hub.services)
        assert await opted_out(hub, flood) == []  # the minute is not over
        hub.clock.advance(timedelta(minutes=2))
        await process_stops(hub.running.hub.services)
        assert await opted_out(hub, flood) == flood[:2]


async def test_signed_while_the_reminder_is_in_flight() -> None:
    """The attempt was committed while the task was open, so the message may leave; but it may not be sent a second
    time."""
    async with routed() as hub:
        contract = await hub.issue()
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (claimed,) = await tx.tasks.claim_due(tx.planning_now, timedelta(minutes=1), 5)
        delivery = await run_step(hub.running.hub.services, claimed)
        assert delivery
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.lock_contract(contract.id)
            await tx.tasks.end(claimed.task.id, TaskState.SIGNED, tx.now)
        await hub.run_round()  # the worker died; the next one finds the attempt
        found = await hub.one(contract)
        assert (found.state, found.failure) == (DeliveryState.WITHDRAWN, "signed-meanwhile")
        assert hub.twilio.accepted == []


@pytest.mark.real
async def test_two_hours_without_a_provider_are_made_up_for_at_its_rate_and_not_at_night() -> None:
    clock = StandingClock(moment=EVENING)
    async with routed(clock) as hub:
        contracts = [await hub.issue(phone=f"+12025550{number + 100}", send="policy") for number in range(12)]
        address, hub.twilio.url = hub.twilio.url, "http://127.0.0.1:1"
        hub.providers(rate=40.0)
        await hub.sweep()
        for _ in range(24):
            await hub.run_round(timedelta(minutes=5))
        assert hub.clock().astimezone(SHANGHAI).hour == 22
        hub.twilio.url = address
        hub.providers(rate=40.0)
        await hub.run_round(timedelta(minutes=5))
        assert hub.twilio.accepted == []  # the provider is available again, but people sleep
        await _through_the_morning(hub)
        assert len(hub.twilio.accepted) == 12
        for contract in contracts:
            (delivery, *_) = await hub.deliveries(contract)
            assert delivery.state_at and 9 <= delivery.state_at.astimezone(SHANGHAI).hour < 21


async def _through_the_morning(hub: Routed) -> None:
    """Let time pass until the messages are sent or the window closes, with few rounds of the worker."""
    for _ in range(69):
        await hub.run_round(timedelta(minutes=20))
        if len(hub.twilio.accepted) == 12:
            return


async def test_codes_have_a_lane_of_their_own() -> None:
    """However many invitations wait for the provider, a code does not wait with them."""
    async with routed() as hub:
        hub.providers(rate=2.0)
        providers = hub.running.hub.services.messaging.router.providers
        invitation, code = await written(hub, purpose="invitation"), await written(hub, purpose="code")
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            now = tx.now
            lane = timedelta(seconds=1 / 1.5)
            booked = [await providers.book(tx, invitation, ()) for _ in range(20)]
            first = await providers.book(tx, code, ())
        assert first and first.at == now
        given = [each.at - now for each in booked if each]
        assert given == [lane * number for number in range(8)]
        assert providers["sms_twilio"].settings.lane_rate("code") == 0.5
