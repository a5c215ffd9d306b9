"""The record: chained, complete, without personal values, and without anything that the role `app` could change."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewSigner
from hub.model.contract.contract import Contract
from hub.model.evidence.record import compute_commitment, find_broken_entry
from hub.model.staff.scope import EVERYTHING
from tests.database import shared_server
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import father, mother, two_guardians
from tests.lifecycle.signer import Person, completed, person, signed
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID, PIN, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORY = [
    "drawn",
    "issued",
    "task-opened",
    "message-sending",
    "message-sending",
    "identity-checked",
    "certificate-issued",
    "signature-accepted",
    "signature-embedded",
    "signed",
    "seal-used",
    "completed",
    "message-sending",
    "evidence-made",
]


async def told(running: Running, signer: NewSigner | None = None) -> tuple[Contract, Person]:
    contract = await running.issue_minor(signers=(signer or father(),))
    await running.worker.due_steps.sweep()
    guardian = await signed(running, contract)
    await completed(running, contract)
    return contract, guardian


@asynccontextmanager
async def superuser(running: Running) -> AsyncIterator[asyncpg.Connection]:
    name = urlsplit(running.hub.database.dsn).path.lstrip("/")
    connection = await asyncpg.connect(shared_server().dsn("superuser", name))
    try:
        await connection.execute("SET session_replication_role = replica")  # no trigger is in the way
        yield connection
    finally:
        await connection.close()


async def dumped(running: Running) -> dict[str, list[str]]:
    """Return every row of every table as JSON, those of the job queue included. Bytes are in hexadecimal, and also as
    text if they are text."""
    async with superuser(running) as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = {each["tablename"]: await connection.fetch(f'SELECT * FROM "{each["tablename"]}"') for each in tables}
    return {table: [_plain(dict(row)) for row in found] for table, found in rows.items()}


def _plain(row: dict[str, object]) -> str:
    def form(value: object) -> str:
        return value.hex() + value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    return json.dumps(row, default=form, ensure_ascii=False)


async def test_the_whole_story_stands_in_one_unbroken_chain() -> None:
    async with quiet_hub() as running:
        contract, guardian = await told(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            entries = await tx.record.list_entries(contract.id)
        assert [entry.kind for entry in entries] == STORY
        assert find_broken_entry(entries) is None
        assert {entry.actor for entry in entries} == {"test", "hub", f"signer:{guardian.signer.id}"}
        final = await running.completed(contract)
        assert entries[-3].facts["document_sha256"] == hashlib.sha256(final).hexdigest()


async def test_two_people_who_act_at_once_make_one_chain() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        people = [await person(running, contract, number) for number in (0, 1)]
        for each in people:
            await each.enter()
        await asyncio.gather(*(each.certify() for each in people))
        await void(running.hub.services, EVERYTHING, contract.id, "enough", "staff:test")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            entries = await tx.record.list_entries(contract.id)
        assert find_broken_entry(entries) is None
        assert entries[-1].sequence == len(entries)


async def test_commitments_stand_for_values_that_can_be_shown_and_erased() -> None:
    async with quiet_hub() as running:
        contract, guardian = await told(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            drawn = (await tx.record.list_entries(contract.id))[0].facts["signers"][0]
            salt = await tx.contracts.find_salt(guardian.signer.id)
            values = await tx.record.get_values(contract.id)
        assert salt is not None
        for name, value in (("name", "陈建国"), ("phone", GUARDIAN_PHONE), ("id_number", GUARDIAN_ID)):
            assert drawn[name] == compute_commitment(salt, value)
            assert values[drawn[name]] == (name, value)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.record.erase(guardian.signer.id)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.record.get_values(contract.id) == {}
            assert await tx.contracts.find_salt(guardian.signer.id) is None
            assert find_broken_entry(await tx.record.list_entries(contract.id)) is None


async def test_personal_values_stand_only_where_they_may() -> None:
    async with quiet_hub() as running:
        await told(running)
        tables = await dumped(running)
    with_certificates = {"issued_certificate", "signature_request", "signing_session"}  # they name the person
    allowed_in = {"陈建国": {"signer", *with_certificates}, "陈小满": {"contract"}}
    for value in ("陈建国", "陈小满", GUARDIAN_PHONE, GUARDIAN_PHONE[3:], GUARDIAN_ID, MINOR_ID):
        found = {table for table, rows in tables.items() if any(value in row for row in rows)}
        assert found <= allowed_in.get(value, set()), value


async def test_no_ticket_code_pin_or_id_number_rests_in_database_queue_or_log(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with quiet_hub() as running:
        people = [(await told(running, signer))[1] for signer in (father(), mother())]
        texts = [each["text"] for who in people for each in await running.messages(who.signer.phone)]
        codes = [await who.last_code() for who in people]
        tickets = {found for text in texts for found in re.findall(r"/s/([0-9A-Z]{13})", text)}
        assert len(tickets) >= 2
        keys = {value for who in people for value in (who.secret, who.signer.id_number)}
        tables = await dumped(running)
        for numbered in ("alembic_version", "schema_compatibility"):  # 0019 is also the end of the father's document
            del tables[numbered]
        logged = "".join(capfd.readouterr())
    assert "delivery" in logged
    assert tables["pgqueuer"]
    places = tables | {"the log": logged.splitlines()}
    for secret in {*tickets, *keys, MINOR_ID, f'"{PIN}"'}:
        assert [place for place, rows in places.items() if any(secret in row for row in rows)] == []

    def places_of(number: str) -> set[str]:
        word = re.compile(rf"(?<![0-9A-Za-z.+-]){number}(?![0-9A-Za-z.+-])")
        return {place for place, rows in places.items() if any(word.search(row) for row in rows)}

    # So short that a file's size or a ciphertext has one of them by chance. What rests somewhere rests there for both.
    for one, other in (codes, [who.signer.id_number[-4:] for who in people]):
        assert places_of(one) & places_of(other) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE record_entry SET kind = 'x'",
        "DELETE FROM record_entry",
        "TRUNCATE record_entry",
        "ALTER TABLE record_entry DISABLE ROW LEVEL SECURITY",
        "DROP POLICY campus_scope ON record_entry",
        "UPDATE alembic_version SET version_num = '0'",
        "DELETE FROM installation",
    ],
)
async def test_the_role_app_cannot_touch_what_is_recorded(statement: str) -> None:
    async with quiet_hub() as running:
        await running.issue_minor()
        connection = await asyncpg.connect(running.hub.database.dsn)
        try:
            await connection.execute("SELECT set_config('qianda.scope', '*', false)")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        finally:
            await connection.close()


async def test_the_role_app_is_no_superuser_and_bound_by_row_level_security() -> None:
    async with quiet_hub() as running, superuser(running) as connection:
        powers = "rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
        role = await connection.fetchrow(f"SELECT {powers} FROM pg_roles WHERE rolname = 'app'")
        assert role is not None and not any(role.values())


@pytest.mark.parametrize(
    ("forgery", "found_at"),
    [
        ("UPDATE record_entry SET facts = facts || '{\"x\": 1}' WHERE sequence = 2", 2),
        ("UPDATE record_entry SET at = at + interval '1 second' WHERE sequence = 3", 3),
        ("UPDATE record_entry SET actor = 'staff:x' WHERE sequence = 1", 1),
        ("DELETE FROM record_entry WHERE sequence = 2", 3),
    ],
)
async def test_a_forgery_by_the_databases_own_administrator_is_found(forgery: str, found_at: int) -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        async with superuser(running) as connection:
            await connection.execute(forgery)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert find_broken_entry(await tx.record.list_entries(contract.id)) == found_at
