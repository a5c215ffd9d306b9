"""Transactions: all or nothing, compare-and-set, and two clocks that are kept apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings, strategies as some
from sqlalchemy import text

from hub.errors import (
    BadInput,
    ContractNotFound,
    ContractUnreadable,
    DatabaseUnavailable,
    DiskFull,
    IllegalMove,
    StaleVersion,
)
from hub.model.contract.case import Case
from hub.model.contract.contract import MOVES, Contract, ContractState
from hub.model.school.course import Campus
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import opening_lock
from hub.store.contract.contracts import CONTRACT_DATA
from hub.store.encryption.keys import Keys
from hub.store.encryption.packing import FIRST_BYTE
from hub.store.server.installation import mark
from hub.store.transaction import Database
from tests.database import LOCK_WAITS, Dsns
from tests.running import until

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)


def standing() -> datetime:
    return NOW


@pytest.fixture
async def store(database: Dsns, tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(database.app, Keys.load_or_create(tmp_path / "master.key"), standing)
    async with made.transaction(EVERYTHING) as tx:
        await tx.school.put_campus(Campus("hefei", None, "合肥校区", "Hefei", "Asia/Shanghai"))
    yield made
    await made.close()


async def a_draft(store: Database) -> Contract:
    async with store.transaction(EVERYTHING) as tx:
        number = await tx.contracts.take_number(2026)
        contract = Contract(
            uuid4(), number, "hefei", ContractState.DRAFT, 0, "course", "1", "zh", "合同", NOW + timedelta(days=30), NOW
        )
        await tx.contracts.add(contract, "陈小满")
    return contract


async def test_a_file_that_does_not_fit_is_told_as_a_full_disk_inside_a_transaction_too(store: Database) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(DiskFull):
        async with store.transaction(EVERYTHING):
            full.write(b"x")


async def test_an_exception_takes_everything_back_with_the_queued_work(store: Database) -> None:
    contract = await a_draft(store)

    async def fail_at_the_end() -> None:
        async with store.transaction(EVERYTHING) as tx:
            await tx.jobs.enqueue("complete", {"contract": str(contract.id)}, "k")  # first, and undone as well
            await tx.record.append(contract.id, "hefei", "drawn", "test", {})
            await tx.contracts.move(contract, ContractState.ISSUED)
            raise BadInput("no")

    with pytest.raises(BadInput):
        await fail_at_the_end()
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.contracts.get(contract.id) == contract
        assert await tx.record.list_entries(contract.id) == []
    connection = await asyncpg.connect(store.dsn)
    assert await connection.fetchval("SELECT count(*) FROM pgqueuer") == 0
    await connection.close()


async def test_a_transaction_that_the_server_rolls_back_is_never_taken_for_committed(store: Database) -> None:
    async def hide_an_error() -> None:
        async with store.transaction(EVERYTHING) as tx:
            with suppress(asyncpg.DivisionByZeroError):
                await tx.connection.execute(text("SELECT 1 / 0"))

    with pytest.raises(RuntimeError, match="was not raised"):
        await hide_an_error()


async def test_an_attempt_ends_once(store: Database) -> None:
    """Whoever does not know whether a commit succeeded notes a failure afterwards."""
    contract = await a_draft(store)
    async with store.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("close", contract.id, None, tx.now)
    for failure in (None, "DatabaseUnavailable"):
        async with store.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(attempt, tx.now, failure)
    async with store.transaction(EVERYTHING) as tx:
        (ended,) = await tx.signatures.list_attempts(contract.id)
    assert (ended["state"], ended["failure"]) == ("done", None)


@pytest.mark.parametrize("with_record", [False, True])
async def test_a_case_is_locked_first_and_read_as_it_is_then(store: Database, with_record: bool) -> None:
    contract = await a_draft(store)

    async def lock_later() -> Case:
        async with store.transaction(EVERYTHING, opening_lock(contract.id, with_record=with_record)) as tx:
            case = await tx.cases.lock(contract.id, with_record=with_record)
            await tx.record.append(contract.id, "hefei", "later", "test", {})
            return case

    async with store.transaction(EVERYTHING) as tx:
        await tx.cases.lock(contract.id)
        later = asyncio.create_task(lock_later())

        async def waits() -> bool:
            async with store.transaction(EVERYTHING) as looking:  # a transaction sees one state of who waits
                return bool(await looking.connection.scalar(text(LOCK_WAITS)))

        await until(waits)
        await tx.contracts.move(contract, ContractState.ISSUED)
        await tx.record.append(contract.id, "hefei", "first", "test", {})
    assert (await later).contract.state is ContractState.ISSUED
    async with store.transaction(EVERYTHING) as tx:
        assert [entry.kind for entry in await tx.record.list_entries(contract.id)] == ["first", "later"]


async def test_data_that_cannot_be_unpacked_makes_one_contract_of_a_list_unreadable(
    store: Database, database: Dsns
) -> None:
    good, bad = await a_draft(store), await a_draft(store)
    sealed = store.cipher.encrypt_bytes(FIRST_BYTE + b"cut off", CONTRACT_DATA.at(bad.id))
    owner = await asyncpg.connect(database.owner)
    assert await owner.execute("UPDATE contract SET data_sealed = $1 WHERE id = $2", sealed, bad.id) == "UPDATE 1"
    await owner.close()
    async with store.transaction(EVERYTHING) as tx:
        assert {each.id: each.readable for each in await tx.contracts.list_page()} == {good.id: True, bad.id: False}
        with pytest.raises(ContractUnreadable):
            dict((await tx.contracts.get(bad.id)).data)


async def test_whoever_writes_second_with_old_knowledge_is_refused(store: Database) -> None:
    contract = await a_draft(store)
    async with store.transaction(EVERYTHING) as tx:
        issued = await tx.contracts.move(contract, ContractState.ISSUED)
        assert issued.version == contract.version + 1
    async with store.transaction(EVERYTHING) as tx:
        await tx.contracts.move(issued, ContractState.VOIDED)
    with pytest.raises(StaleVersion):
        async with store.transaction(EVERYTHING) as tx:
            await tx.contracts.move(issued, ContractState.DECLINED)
    async with store.transaction(EVERYTHING) as tx:
        assert (await tx.contracts.get(contract.id)).state is ContractState.VOIDED


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(walk=some.lists(some.sampled_from(ContractState), min_size=1, max_size=6))
async def test_any_walk_follows_the_table_of_moves_and_never_leaves_a_final_state(
    store: Database, walk: list[ContractState]
) -> None:
    contract = await a_draft(store)
    state, version = ContractState.DRAFT, 0
    for wanted in walk:
        async with store.transaction(EVERYTHING) as tx:
            now = await tx.contracts.lock_contract(contract.id)
            assert (now.state, now.version) == (state, version)
            if wanted in MOVES[state]:
                await tx.contracts.move(now, wanted)
                state, version = wanted, version + 1
            else:
                with pytest.raises(IllegalMove):
                    await tx.contracts.move(now, wanted)


async def test_numbers_count_on_by_year(store: Database) -> None:
    async with store.transaction(EVERYTHING) as tx:
        numbers = [await tx.contracts.take_number(year) for year in (2026, 2026, 2027)]
    assert numbers == ["QD-2026-000001", "QD-2026-000002", "QD-2027-000001"]


async def test_only_a_demo_moves_its_planning_clock(store: Database, database: Dsns) -> None:
    await mark(database.owner, "production", NOW)
    async with store.transaction(EVERYTHING) as tx:
        await tx.school.advance_clock(timedelta(days=1))
        assert tx.planning_now == NOW
    assert await mark(database.owner, "demo", NOW) == "production"  # the purpose is written once


async def test_a_demo_moves_planning_alone(store: Database, database: Dsns) -> None:
    await mark(database.owner, "demo", NOW)
    async with store.transaction(EVERYTHING) as tx:
        await tx.school.advance_clock(timedelta(days=21))
        assert tx.planning_now == NOW  # a transaction has one "now" from its beginning to its end
    async with store.transaction(EVERYTHING) as tx:
        assert (tx.planning_now, tx.now) == (NOW + timedelta(days=21), NOW)


async def test_moving_the_clock_wakes_the_workers(store: Database, database: Dsns) -> None:
    await mark(database.owner, "demo", NOW)
    woken = asyncio.Event()
    listener = await asyncpg.connect(store.dsn)
    await listener.add_listener("plan_changed", lambda *_: woken.set())
    async with store.transaction(EVERYTHING) as tx:
        await tx.school.advance_clock(timedelta(days=1))
    await asyncio.wait_for(woken.wait(), 60)
    await listener.close()


async def test_a_server_that_is_away_is_said_so(tmp_path: Path) -> None:
    keys = Keys.load_or_create(tmp_path / "master.key")
    store = Database(f"postgresql://app@/none?host={tmp_path}", keys, standing)
    with pytest.raises(DatabaseUnavailable):
        async with store.transaction(EVERYTHING):
            raise AssertionError("there is no server")
    await store.close()


async def test_a_contract_that_is_not_there_is_not_found(store: Database) -> None:
    async with store.transaction(EVERYTHING) as tx:
        for look in (tx.contracts.get, tx.contracts.lock_contract, tx.contracts.get_signer, tx.tasks.get):
            with pytest.raises(ContractNotFound):
                await look(uuid4())
