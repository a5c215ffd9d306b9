"""A hub that is lent again shows nothing of the test that had it before."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from hub.errors import DatabaseUnavailable
from hub.lifecycle.school.edit_texts import TextPlace, begin_text
from hub.model.messaging.message import Purpose
from hub.model.school.text_version import TextKind, TextState
from hub.model.staff.scope import EVERYTHING, Actor
from hub.store.transaction import Database
from tests.connected_providers import carried_by
from tests.database import tamper
from tests.everything_stored import fingerprint
from tests.lent_hubs import MAX_IDLE, Lender, lent_hub
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.signer import completed, signed
from tests.running import MovableClock, Running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.real]
END_CONNECTIONS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = 'superuser' AND pid <> pg_backend_pid()"""


def files_of(running: Running) -> dict[Path, bytes]:
    return {each: each.read_bytes() for each in running.hub.settings.data.rglob("*") if each.is_file()}


async def last_numbers(running: Running) -> list[tuple[str, int | None]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.connection.execute(text("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"))
        return [(each.sequencename, each.last_value) for each in found]


async def as_superuser(database: Database, statement: str) -> None:
    connection = await asyncpg.connect(database.dsn.replace("//app@", "//superuser@"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def is_gone(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="InvalidCatalogName"):
        async with database.transaction(EVERYTHING):
            pass


async def test_a_hub_that_is_lent_again_looks_as_new() -> None:
    async with quiet_hub() as running:
        new, files, worker = await fingerprint(running.hub.database), files_of(running), running.worker
        numbers = await last_numbers(running)
        database, providers = running.hub.database, running.hub.services.messaging.router.providers
        running.clock.advance(timedelta(days=400))
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        running.hub.services.messaging.router.providers = carried_by()
        assert await fingerprint(database) != new and files_of(running) != files
        assert await last_numbers(running) != numbers
    async with quiet_hub() as running, quiet_hub() as other:
        assert running.hub.database is database and other.hub.database is not database
        assert await fingerprint(database) == new and files_of(running) == files
        assert running.clock.offset == timedelta(0) and running.worker is not worker
        assert running.hub.services.messaging.router.providers is providers
        assert await last_numbers(running) == numbers


async def test_pages_and_worker_are_new_each_time_and_other_settings_have_another_hub() -> None:
    lent = []
    for workers in (1, 1, 2, 2):
        async with lent_hub(configured={"workers": workers}) as running:
            await running.issue_minor()
            await running.message("invitation")
            async with running.http.get(f"{running.origin}/healthz") as answer:
                assert (answer.status, running.hub.settings.workers) == (200, workers)
            lent.append(running)
    one, again, two, two_again = (running.hub.database for running in lent)
    assert one is again is not two and two is two_again
    assert len({id(running.app) for running in lent}) == len({id(running.worker) for running in lent}) == 4


async def test_two_who_borrow_at_once_get_two_hubs_that_are_lent_again() -> None:
    async with quiet_hub() as running, quiet_hub() as other:
        first = {running.hub.database, other.hub.database}
    async with quiet_hub() as running, quiet_hub() as other:
        assert {running.hub.database, other.hub.database} == first and len(first) == 2


async def test_the_hub_that_nobody_borrowed_for_long_is_closed() -> None:
    async def borrow(workers: int) -> Database:
        async with lent_hub(configured={"workers": workers}, with_web=False, with_worker=False) as running:
            return running.hub.database

    first, second = await borrow(11), await borrow(12)
    assert await borrow(11) is first
    for workers in range(13, 13 + MAX_IDLE):
        await borrow(workers)
    async with lent_hub(configured={"workers": 11}, with_web=False, with_worker=False) as running:
        assert running.hub.database is first
    assert await borrow(12) is not second
    await is_gone(second)


async def test_texts_that_staff_approved_are_gone_with_their_rows() -> None:
    approved = TextPlace(TextKind.MESSAGE, Purpose.REMINDER.value)
    async with quiet_hub() as running:
        services, texts = running.hub.services, running.hub.services.messaging.texts
        new = texts.current.get(Purpose.REMINDER, "sms", "zh").text
        draft = await begin_text(services, Actor("staff:ann", EVERYTHING), approved)
        changed = {key: f"{words}!" for key, words in draft.texts.items()}
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.text_versions.save(replace(draft, texts=changed, state=TextState.IN_FORCE))
            await texts.refresh(tx, at_once=True)
        assert texts.current.get(Purpose.REMINDER, "sms", "zh").text == f"{new}!"
    async with quiet_hub() as running:
        assert running.hub.services.messaging.texts is texts
        assert texts.current.get(Purpose.REMINDER, "sms", "zh").text == new


async def test_a_hub_that_cannot_be_put_back_is_not_lent_again() -> None:
    async with quiet_hub() as running:
        broken = running.hub.database
        shutil.rmtree(running.hub.settings.data)
    with pytest.raises(FileNotFoundError):
        async with quiet_hub():
            pass
    await is_gone(broken)
    async with quiet_hub() as running:
        assert running.hub.database is not broken


@pytest.mark.parametrize(
    "change",
    [
        "GRANT DELETE ON record_entry TO app",
        "ALTER TABLE record_entry DISABLE TRIGGER keep_evidence",
        "ALTER TABLE record_entry DISABLE ROW LEVEL SECURITY",
        "DROP POLICY campus_scope ON record_entry",
        "CREATE TABLE copied AS SELECT * FROM campus",
        "ALTER TABLE contract ADD CONSTRAINT further CHECK (true)",
        "ALTER TABLE contract ADD COLUMN colour text",
        "ALTER TABLE contract ALTER COLUMN campus DROP NOT NULL",
        "GRANT UPDATE (kind) ON record_entry TO app",
        "CREATE FUNCTION further() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "REVOKE EXECUTE ON FUNCTION lock_records FROM app",
    ],
)
async def test_a_hub_with_another_schema_is_not_lent_again(change: str) -> None:
    lent = []

    async def change_schema() -> None:
        async with quiet_hub() as running:
            lent.append(running.hub.database)
            await tamper(running.hub.database.dsn, change)

    with pytest.raises(AssertionError, match="has changed the schema"):
        await change_schema()
    await is_gone(lent[0])
    async with quiet_hub() as running:
        assert running.hub.database is not lent[0]


@pytest.mark.parametrize(
    "harm", ["ALTER TABLE contract ADD COLUMN colour text", END_CONNECTIONS], ids=["schema", "connection"]
)
async def test_the_error_of_a_test_is_shown_although_its_hub_cannot_be_lent_again(harm: str) -> None:
    lent = []

    async def fail() -> None:
        async with quiet_hub() as running:
            lent.append(running.hub.database)
            await as_superuser(running.hub.database, harm)
            raise LookupError("what the test found")

    with pytest.raises(LookupError, match="what the test found") as caught:
        await fail()
    assert len(caught.value.__notes__) == 1
    await is_gone(lent[0])
    async with quiet_hub() as running:
        assert running.hub.database is not lent[0]


async def test_a_hub_that_cannot_be_closed_keeps_no_other_open(tmp_path: Path) -> None:
    lender, clock, databases = Lender(), MovableClock(), []
    for hub in [await lender.get(clock, {}, "127.0.0.1") for _ in range(2)]:
        async with hub.lend(clock, with_web=False, with_worker=False) as running:
            databases.append(running.hub.database)
        hub.closing.callback((tmp_path / "missing").unlink)
    with pytest.raises(FileNotFoundError):
        await lender.close()
    for each in databases:
        await is_gone(each)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_tests_of_all_modules_run_in_the_one_loop_in_which_hubs_are_lent() -> None:
    """Those of a module too, or no other test of this module passes."""
    assert list(Lender.of) == [asyncio.get_running_loop()]
