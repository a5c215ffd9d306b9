"""Looking for due steps reads few rows, however many tasks sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from asyncpg import connect

from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.reminders.due_steps import opening_due
from hub.store.transaction import Database
from tests.database import fresh_database

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
ASLEEP, MAX_TASKS, MAX_ENTRIES_READ = 2000, 50, 100
SLEEPERS = f"""
SET session_replication_role = replica;
INSERT INTO contract (id, number, campus, state, version, template, template_version, language, title, student_name,
    data_sealed, pages, fields, revision, deadline, created_at, hub_tries)
  SELECT gen_random_uuid(), 'N' || n, 'hefei', 'ISSUED', 0, '', '', 'zh', '', '', '', 0, '{{}}', 0, now(), now(), 0
  FROM generate_series(1, {ASLEEP}) AS n;
INSERT INTO signing_task (id, contract, signer, campus, state, "order", next_step, step_number, next_due_at, paused)
  SELECT gen_random_uuid(), id, id, campus, 'OPEN', 0, 'reminder', 1, '{NOW + timedelta(days=3)}', false FROM contract;
SET session_replication_role = origin;
VACUUM ANALYZE contract, signing_task;
"""
READ = """
SELECT idx_tup_read + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'signing_task')
FROM pg_stat_user_indexes WHERE indexrelname = 'ix_signing_task_claimable'
"""


async def test_of_many_tasks_that_sleep_none_is_read() -> None:
    async with fresh_database() as dsns:
        database, superuser = (
            Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW),
            await connect(dsns.superuser),
        )
        try:
            for statement in filter(str.strip, SLEEPERS.split(";")):
                await superuser.execute(statement)
            before = await superuser.fetchval(READ)
            due = opening_due(NOW, timedelta(hours=1), MAX_TASKS)
            async with database.transaction(EVERYTHING, due) as tx:
                assert await tx.due_steps.lock_due(due) == []
                await tx.connection.fetch("SELECT pg_stat_force_next_flush()")
            async with database.transaction(EVERYTHING):
                pass  # the server has counted what the first one read
            assert await superuser.fetchval(READ) - before <= MAX_ENTRIES_READ
        finally:
            await database.close()
            await superuser.close()
