"""Counts that many share: budgets in one order, and what a person has had counted by intents."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub.lifecycle.converse import settle_stops
from hub.lifecycle.dispatch import write_message
from hub.model.budget import BudgetLimits
from hub.model.contract import Contract
from hub.model.delivery import PLANNED
from hub.model.message import Purpose
from hub.model.staff import EVERYTHING
from hub.store.unit import Unit
from tests.channels.doubles import Trouble
from tests.router.routed import Routed, routed
from tests.router.test_ladder import with_more
from tests.router.test_limits import kinds_of_alerts, limited, opted_out, stops, unsigned


async def news(hub: Routed, unit: Unit, contract: Contract, about: Contract) -> None:
    """A message to the signer of `about`, on the account of `contract`."""
    (signer,) = await unit.contracts.signers(about.id)
    key = f"{contract.id}-{uuid4()}"
    assert await write_message(hub.running.hub.parts, unit, contract, signer, Purpose.COMPLETED, key)


async def test_one_that_writes_to_two_and_one_that_writes_to_the_second_do_not_wait_for_each_other() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(per_campus_day=500))  # few enough to be counted in one place
        first = await hub.issue(phone="+12025550141", send="none")
        second = await hub.issue(phone="+12025550142", send="none")
        database = hub.running.hub.database

        async def another() -> None:
            async with database.unit(EVERYTHING) as unit:
                await news(hub, unit, second, second)

        async with database.unit(EVERYTHING) as unit:
            await news(hub, unit, first, first)
            other = asyncio.create_task(another())
            while not await waits(unit):
                await asyncio.sleep(0.01)
            await news(hub, unit, first, second)
        await other


async def waits(unit: Unit) -> bool:
    found = await unit.connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
    return bool(found)


async def test_many_acts_at_once_whose_news_find_the_budget_used_up_do_not_fail() -> None:
    """Each of them holds a connection already: an alarm must not need another one."""
    async with routed() as hub:
        limited(hub, BudgetLimits(per_campus_day=1))
        contracts = [await hub.issue(phone=f"+12025{number}0143", send="none") for number in range(50, 62)]
        database = hub.running.hub.database
        async with database.unit(EVERYTHING) as unit:
            await news(hub, unit, contracts[0], contracts[0])
        together = asyncio.Barrier(len(contracts))

        async def act(contract: Contract) -> None:
            async with database.unit(EVERYTHING) as unit:
                await together.wait()
                (signer,) = await unit.contracts.signers(contract.id)
                key = f"again-{contract.id}"
                assert not await write_message(hub.running.hub.parts, unit, contract, signer, Purpose.COMPLETED, key)

        async with asyncio.timeout(20):
            await asyncio.gather(*(act(contract) for contract in contracts))
        assert await kinds_of_alerts(hub) == ["budget-spent"]


async def test_a_message_that_reached_its_person_by_the_second_way_counts_once() -> None:
    async with routed(trouble=[Trouble.BAD_NUMBER]) as hub:
        with_more(hub, "email")
        contract = await hub.invited(channels=("sms", "email"))
        await hub.look_after()
        assert [each.state.value for each in await hub.deliveries(contract)] == ["refused", "delivered"]
        async with hub.running.hub.database.unit(EVERYTHING) as unit:
            (signer,) = await unit.contracts.signers(contract.id)
            since = unit.now - timedelta(days=1)
            assert len(await unit.deliveries.sent_to_person(signer.person, since, PLANNED)) == 1


async def test_a_start_that_follows_an_unsigned_stop_is_the_last_word() -> None:
    async with routed() as hub, unsigned(hub) as kannel:
        number = "+12025550444"
        await stops(hub, kannel, [number])
        hub.clock.advance(timedelta(seconds=20))
        await stops(hub, kannel, [number], words="START")
        hub.clock.advance(timedelta(minutes=2))
        await settle_stops(hub.running.hub.parts)
        assert await opted_out(hub, [number]) == []


async def test_an_error_of_the_database_tells_its_statement_and_no_value() -> None:
    async with routed() as hub:
        async with hub.running.hub.database.unit(EVERYTHING) as unit:
            with pytest.raises(DBAPIError) as failed:
                async with unit.connection.begin_nested():
                    await unit.connection.execute(text("SELECT CAST(:value AS text), 1 / 0"), {"value": "telltale"})
        assert "telltale" not in str(failed.value)
