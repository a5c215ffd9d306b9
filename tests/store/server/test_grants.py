"""What the role `app` cannot do with evidence, tried statement by statement on a hub with rows of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import Table

from hub.model.staff.scope import EVERYTHING
from hub.store.server.grants import CHANGING, DELETABLE, READ_ONLY
from hub.store.server.migrate import migrate
from hub.store.tables.columns import metadata
from tests.database import fresh_database
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.signer import completed, signed
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVIDENCE = (
    "hash_tree", "hash_tree_leaf", "hash_tree_receipt", "evidence_renewal", "evidence_renewal_leaf", "legal_hold",
    "evidence_package", "evidence_addendum", "record_entry", "record_head", "document_version",
    "reminder_entry", "identity_check", "page_seen", "poster_scan", "delivery", "delivery_share", "outbox_message",
    "signature_request", "issued_certificate", "attempt", "contract", "signer", "signing_task", "sign_link",
    "phone_change", "app_key", "installation", "alembic_version", "shared_certificate", "text_version",
)  # fmt: skip
FIXED = {
    "delivery": ("id", "key", "purpose", "channel", "to_sealed", "to_hash", "contract", "signer", "task", "link",
                 "created_at", "planned_at", "intent", "rung"),
    "signature_request": ("contract", "task", "session", "field", "base", "prepared", "gap_start", "gap_end",
                          "document_digest", "to_be_signed", "chain", "custody", "custody_claimed", "consent_version",
                          "consent_sha256", "created_at"),
    "issued_certificate": ("serial", "authority", "contract", "signer", "certificate", "issued_at", "not_after"),
    "document_version": ("contract", "kind", "sha256", "size", "created_at"),
    "reminder_entry": ("kind", "step", "at", "due_at", "reason", "delivery", "task"),
    "identity_check": ("provider", "method", "result", "at", "reference", "signer"),
    "contract": ("number", "campus", "template", "template_version", "title", "student_name", "data_sealed", "fields",
                 "created_at", "replaces"),
    "signer": ("name", "person", "role", "order", "field", "id_number_sealed", "id_tail_hash", "contract"),
    "personal_value": ("value_sealed", "name", "commitment", "signer"),
    "shared_certificate": ("sha256", "certificate"),
    "installation": ("kind", "created_at", "installation_id", "master_check", "root_sha256", "seal_sha256"),
}  # fmt: skip
LATER = (
    ("delivery", "state"),
    ("delivery", "provider_reference"),
    ("signature_request", "state"),
    ("signature_request", "key_deleted_at"),
    ("issued_certificate", "revoked_at"),
    ("contract", "state"),
    ("signer", "salt"),
    ("demo_clock", "clock_offset"),
)


@asynccontextmanager
async def as_app(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT set_config('qianda.scope', '*', false)")
        yield connection
    finally:
        await connection.close()


async def _some_of_everything(running: Running) -> None:
    contract = await running.issue_minor()
    await running.worker.due_steps.sweep()
    await signed(running, contract)
    await completed(running, contract)


async def _refused(connection: asyncpg.Connection, statement: str) -> bool:
    """Return whether the role has no right to execute this statement. It is rolled back in any case."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    finally:
        await transaction.rollback()
    return False


async def test_the_role_app_can_neither_delete_evidence_nor_change_what_it_was() -> None:
    async with quiet_hub() as running:
        await _some_of_everything(running)
        async with as_app(running.hub.database.dsn) as app:
            statements = [f"DELETE FROM {table}" for table in EVIDENCE] + [f"TRUNCATE {table}" for table in EVIDENCE]
            statements += [
                f'UPDATE {table} SET "{column}" = "{column}"' for table, columns in FIXED.items() for column in columns
            ]
            statements += ["INSERT INTO record_head VALUES (gen_random_uuid(), 'hq', 1, '')"]
            statements += ["UPDATE record_head SET entries = entries"]
            assert [each for each in statements if not await _refused(app, each)] == []
            allowed = [f'UPDATE {table} SET "{column}" = "{column}"' for table, column in LATER]
            assert [each for each in allowed if await _refused(app, each)] == []


async def test_every_column_that_is_not_named_is_refused_and_every_one_that_is_exists() -> None:
    async with fresh_database() as dsns, as_app(dsns.app) as app:
        for name, changing in CHANGING.items():
            columns = {column.name for column in _table(name).c}
            assert set(changing) <= columns, name
            open_ones = {each for each in columns if not await _refused(app, f'UPDATE {name} SET "{each}" = DEFAULT')}
            assert open_ones == set(changing), name


async def test_rows_end_nowhere_but_where_it_is_said() -> None:
    """This holds for new tables without further work: they are closed by default."""
    async with fresh_database() as dsns, as_app(dsns.app) as app:
        deletable = {name for name in metadata.tables if not await _refused(app, f"DELETE FROM {name}")}
        assert deletable == set(DELETABLE)
        for name in READ_ONLY:
            assert await _refused(app, f"INSERT INTO {name} DEFAULT VALUES"), name


async def test_migrating_again_gives_nothing_back() -> None:
    async with fresh_database() as dsns:
        owner = await asyncpg.connect(dsns.owner)
        await owner.execute("GRANT UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app")
        await owner.close()
        await migrate(dsns.owner)
        async with as_app(dsns.app) as app:
            assert await _refused(app, "DELETE FROM delivery")
            assert await _refused(app, "UPDATE reminder_entry SET kind = kind")


async def test_the_database_refuses_an_entry_that_does_not_follow_the_last() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        copied = "contract, %s, campus, at, kind, actor, facts, %s, sha256('x') FROM record_entry"
        insert = f"INSERT INTO record_entry SELECT {copied} WHERE sequence = 1 AND contract = '{contract.id}'"
        async with running.hub.database.transaction(EVERYTHING) as tx:
            length = len(await tx.record.list_entries(contract.id))
        async with as_app(running.hub.database.dsn) as app:
            for sequence, previous in ((length + 1, "previous"), (length + 2, "previous"), (length + 1, "sha256('y')")):
                with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="does not follow"):
                    await app.execute(insert % (sequence, previous))
            async with running.hub.database.transaction(EVERYTHING) as tx:
                await tx.record.append(contract.id, contract.campus, "viewed-by-staff", "staff:x", {})
            head = await app.fetchval("SELECT entries FROM record_head WHERE contract = $1", contract.id)
            assert head == length + 1


def _table(name: str) -> Table:
    return metadata.tables[name]
