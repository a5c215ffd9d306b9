"""Which deliveries a receipt, the fallback, a changed number and a circuit breaker are about, and which not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.staff.scope import EVERYTHING
from hub.store.messaging.reported_deliveries import DeliveryUpdate, KnownOutcome, opening_outcomes
from hub.store.transaction import Transaction
from tests.lifecycle.clockwork import StandingClock, quiet_hub, waiting
from tests.running import Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PHONE, OTHER_PHONE = "+8619000000101", "+8619000000102"
SENT, DELIVERED, SENDING = DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.SENDING


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with quiet_hub(StandingClock()) as running:
        yield running


async def add(running: Running, tx: Transaction, state: DeliveryState = SENT, minute: int = 0, **values: Any) -> UUID:
    """Add a message, which was written at this minute."""
    written = running.clock() + minute * MINUTE
    made = Delivery(uuid4(), f"key-{uuid4()}", "help", "sms", PHONE, "Words", state, written, {})
    assert await tx.deliveries.add(replace(made, **{"provider": "one", "provider_reference": str(made.id)} | values))
    return made.id


async def test_a_receipt_that_names_a_number_is_about_the_last_message_to_it_that_awaits_one(running: Running) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        first = await add(running, tx)
        last = await add(running, tx, minute=1)
        done = await add(running, tx, DELIVERED, minute=2)
        other = await add(running, tx, minute=3, to=OTHER_PHONE)
        foreign = await add(running, tx, minute=4, provider="two")

        async def found(provider: str, reference: str, to: str = "") -> UUID | None:
            delivery = await tx.deliveries.find_by_report(provider, reference, to)
            return delivery.id if delivery else None

        assert await found("one", "unknown") is None
        assert await found("one", "unknown", PHONE) == last
        assert await found("one", "unknown", OTHER_PHONE) == other
        assert await found("two", "unknown", PHONE) == foreign
        for known in (first, done):
            assert await found("one", str(known), PHONE) == known
            assert await found("two", str(known)) is None


async def test_the_fallback_takes_no_message_that_a_receipt_is_about_to_change(running: Running) -> None:
    database, now = running.hub.database, running.clock()
    async with database.transaction(EVERYTHING) as tx:
        delivery = await add(running, tx)
        await tx.deliveries.plan_check(delivery, now)
    async with database.transaction(EVERYTHING) as noting, database.transaction(EVERYTHING) as checking:
        await noting.connection.execute(text("SELECT FROM delivery WHERE id = :id FOR UPDATE"), {"id": delivery})
        assert await checking.deliveries.lock_check_due(delivery, now) is None
    async with database.transaction(EVERYTHING) as tx:
        assert await tx.deliveries.lock_check_due(delivery, now - MINUTE) is None
        assert await tx.deliveries.lock_check_due(delivery, now)


async def test_nobody_asks_again_about_a_message_that_was_left_to_the_next_channel(running: Running) -> None:
    now = running.clock()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        left, open_still = [await add(running, tx, SENDING) for _ in range(2)]
        await tx.deliveries.give_up_attempt(left, now)
        assert [each.id for each in await tx.deliveries.list_unsettled(now + DAY, now + DAY)] == [open_still]
        assert await tx.deliveries.list_check_due(now) == [left]


async def test_with_a_number_go_its_messages_that_nobody_has_and_all_codes(running: Running) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        about: dict[str, Any] = {
            "contract": contract.id,
            "signer": signer.id,
            "provider": None,
            "provider_reference": None,
        }
        mine = await add(running, tx, SENDING, **about)
        await add(running, tx, SENDING, **about | {"to": "parent@example.org", "channel": "email"})
        await add(running, tx, SENDING, **about | {"provider": "one"})
        await add(running, tx, SENDING, **about | {"signer": None})
        to_hash = tx.cipher.found_by("phone", PHONE)
        assert await tx.deliveries.withdraw([signer.id], to_hash, running.clock(), "phone-changed") == [mine]


async def test_a_breaker_that_opened_again_while_an_outcome_was_written_stays_open(running: Running) -> None:
    """The call of the message that arrived began between the two."""
    database, now = running.hub.database, running.clock()

    async def open_breaker(tx: Transaction, at: datetime) -> None:
        health = (await tx.providers.lock_health("one", 1.0, at)).close_breaker()
        await tx.providers.put(health.open_breaker("account", at, until_delivered=True))

    async with database.transaction(EVERYTHING) as tx:
        delivery = await add(running, tx, SENDING)
        await open_breaker(tx, now)
    arrived = DeliveryUpdate(delivery, DELIVERED, "reference").with_state(DELIVERED, None, None, None)
    opening = opening_outcomes([KnownOutcome(SENDING, arrived, now + MINUTE)], now + 2 * MINUTE)

    async def note_outcome() -> bool:
        async with database.transaction(EVERYTHING, opening) as tx:
            (row,) = await tx.connection.execute(opening.statement, opening.values)
            return bool(row["closes_breaker"])

    async with database.transaction(EVERYTHING) as tx:
        await open_breaker(tx, now + 2 * MINUTE)
        noting = asyncio.create_task(note_outcome())
        await until(partial(waiting, running, 1))
    assert await noting  # it was to be closed when the outcome was read
    async with database.transaction(EVERYTHING) as tx:
        assert (await tx.providers.get_healths(["one"]))["one"].broken_at == now + 2 * MINUTE
