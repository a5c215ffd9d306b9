"""Shared counts: budgets are locked in one order, and a person's messages are counted by intents."""

from __future__ import annotations

import asyncio
import traceback
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from hub.lifecycle.inbound.inbound_sms import process_stops
from hub.lifecycle.messaging.send import NewMessage, write_message
from hub.model.contract.contract import Contract
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.delivery import PLANNED
from hub.model.messaging.message import Purpose
from hub.model.messaging.provider import ProviderSettings
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider, ProviderSet
from hub.store.transaction import Transaction
from tests.channels.doubles import Trouble
from tests.database import LOCK_WAITS
from tests.router.routed import Routed, routed, written
from tests.router.test_ladder import Second, with_more
from tests.router.test_limits import kinds_of_alerts, limited, opted_out, stops, unsigned

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def news(hub: Routed, tx: Transaction, contract: Contract, about: Contract) -> None:
    """Write a message to the signer of `about` that counts against the budget of `contract`."""
    (signer,) = await tx.contracts.list_signers(about.id)
    key = f"{contract.id}-{uuid4()}"
    assert await write_message(hub.running.hub.services, tx, contract, signer, NewMessage(Purpose.COMPLETED, key))


async def test_one_that_writes_to_two_and_one_that_writes_to_the_second_do_not_wait_for_each_other() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(per_campus_day=500))  # few enough to be counted in a single row
        first = await hub.issue(phone="+12025550141", send="none")
        second = await hub.issue(phone="+12025550142", send="none")
        database = hub.running.hub.database

        async def another() -> None:
            async with database.transaction(EVERYTHING) as tx:
                await news(hub, tx, second, second)

        async with database.transaction(EVERYTHING) as tx:
            await news(hub, tx, first, first)
            other = asyncio.create_task(another())
            while not await waits(tx):
                await asyncio.sleep(0.01)
            await news(hub, tx, first, second)
        await other


def either(hub: Routed, *draws: float) -> ProviderSet:
    """Return two providers of texts. The first one is tried first if the first of two draws is larger."""
    numbers, voice = iter(draws), Second("voice")
    both = [Provider(ProviderSettings(name, "outbox", "sms", rate=1000), voice) for name in ("one", "two")]
    return ProviderSet(both, lambda: next(numbers))


async def test_two_who_book_at_several_providers_in_another_order_do_not_wait_for_each_other() -> None:
    async with routed() as hub:
        database, made = hub.running.hub.database, await written(hub)
        mine, theirs = either(hub, 0.9, 0.1, 0.1, 0.9), either(hub, 0.1, 0.9, 0.9, 0.1)

        async def another() -> None:
            async with database.transaction(EVERYTHING) as tx:
                for name in ("two", "one"):
                    booked = await theirs.book(tx, made, ())
                    assert booked and booked.provider.name == name

        async with database.transaction(EVERYTHING) as tx:
            first = await mine.book(tx, made, ())
            other = asyncio.create_task(another())
            while not await waits(tx):
                await asyncio.sleep(0.01)
            second = await mine.book(tx, made, ())
        await other
        assert first and second and (first.provider.name, second.provider.name) == ("one", "two")


async def test_steps_that_run_together_book_by_several_channels_in_any_order() -> None:
    async with routed() as hub:
        with_more(hub, "email")
        database, router = hub.running.hub.database, hub.running.hub.services.messaging.router
        texts, mails = [[await written(hub, "Words", "completed", each) for _ in range(2)] for each in ("sms", "email")]

        async def another() -> None:
            async with database.transaction(EVERYTHING) as tx:
                for each in (mails[1], texts[1]):
                    ((_, begun),) = await router.prepare_calls(tx, [(each, None)])
                    assert begun

        async with database.transaction(EVERYTHING) as tx:
            ((_, begun),) = await router.prepare_calls(tx, [(texts[0], None)])
            assert begun
            other = asyncio.create_task(another())
            while not await waits(tx):
                await asyncio.sleep(0.01)
            ((_, begun),) = await router.prepare_calls(tx, [(mails[0], None)])
            assert begun
        await other


async def waits(tx: Transaction) -> bool:
    found = await tx.connection.scalar(text(LOCK_WAITS))
    return bool(found)


@pytest.mark.parametrize("purpose", [Purpose.NEW_LINK, Purpose.COMPLETED])
async def test_many_acts_at_once_whose_messages_find_the_budget_used_up_do_not_fail(purpose: Purpose) -> None:
    """Each request holds a connection already, so an alert must not need another one."""
    async with routed() as hub:
        limited(hub, BudgetLimits(per_campus_day=1, codes_per_prefix_hour=1))
        contracts = [await hub.issue(phone=f"+1202555{number:04}", send="none") for number in range(150, 162)]
        database = hub.running.hub.database
        async with database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contracts[0].id)
            assert await write_message(hub.running.hub.services, tx, contracts[0], signer, NewMessage(purpose, "first"))
        together = asyncio.Barrier(len(contracts))

        async def act(contract: Contract) -> None:
            async with database.transaction(EVERYTHING) as tx:
                await together.wait()
                (signer,) = await tx.contracts.list_signers(contract.id)
                key = f"again-{contract.id}"
                made = await write_message(hub.running.hub.services, tx, contract, signer, NewMessage(purpose, key))
                assert made is None or made.not_before

        async with asyncio.timeout(20):
            await asyncio.gather(*(act(contract) for contract in contracts))
        assert await kinds_of_alerts(hub) == ["budget-spent"]


async def test_a_message_that_reached_its_person_by_the_second_way_counts_once() -> None:
    async with routed(trouble=[Trouble.BAD_NUMBER]) as hub:
        with_more(hub, "email")
        contract = await hub.invited(channels=("sms", "email"))
        await hub.run_round()
        assert [each.state.value for each in await hub.deliveries(contract)] == ["refused", "delivered"]
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
            since = tx.now - timedelta(days=1)
            assert len(await tx.deliveries.list_sent_to_person(signer.person, since, PLANNED)) == 1


async def test_a_start_that_follows_an_unsigned_stop_is_the_last_word() -> None:
    async with routed() as hub, unsigned(hub) as kannel:
        number = "+12025550444"
        await stops(hub, kannel, [number])
        hub.clock.advance(timedelta(seconds=20))
        await stops(hub, kannel, [number], words="START")
        hub.clock.advance(timedelta(minutes=2))
        await process_stops(hub.running.hub.services)
        assert await opted_out(hub, [number]) == []


async def test_an_error_of_the_database_tells_its_statement_and_no_value() -> None:
    twice, value = text("INSERT INTO outbox_message (key) VALUES (:key), (:key)"), str(uuid4())
    async with routed() as hub:
        with pytest.raises(asyncpg.UniqueViolationError) as failed:
            async with hub.running.hub.database.transaction(EVERYTHING) as tx:
                await tx.connection.execute(twice, {"key": value})
    told = "".join(traceback.format_exception(failed.value))
    assert "INSERT INTO outbox_message" in told and value not in told
