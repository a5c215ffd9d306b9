"""A scrape of the metrics reads few rows, however many there are; and says which queue is late."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.model.staff.scope import EVERYTHING
from tests.running import Running, running_hub, until

MANY = 200_000
# Long queues: what a hub has that slept for a day. The rest of the tables is at rest.
LATE = 20_000
# In all tables and indexes together. A scrape of queues that are longer than its bound reads about 10,000.
MAX_ROWS_READ = 15_000
ROWS = f"""
SET session_replication_role = replica;
INSERT INTO contract (id, number, campus, state, version, template, template_version, language, title, student_name,
    data_sealed, pages, fields, revision, deadline, created_at, hub_tries, hub_due_at, stuck_since)
  SELECT gen_random_uuid(), 'N' || n, 'hefei', CASE WHEN n % 4 = 0 THEN 'ISSUED' ELSE 'COMPLETED' END, 0, '', '', '',
    '', '', '', 0, '{{}}', 0, now(), now(), 0,
    CASE WHEN n <= {LATE} THEN now() - interval '1 hour' END, CASE WHEN n <= {LATE} THEN now() END
  FROM generate_series(1, {MANY}) AS n;
INSERT INTO signing_task (id, contract, signer, campus, state, "order", next_step, step_number, next_due_at, paused)
  SELECT gen_random_uuid(), id, id, campus, CASE WHEN state = 'ISSUED' THEN 'OPEN' ELSE 'SIGNED' END, 0, 'reminder', 1,
    now() + CASE WHEN stuck_since IS NULL THEN interval '3 days' ELSE interval '-2 hours' END, false
  FROM contract;
INSERT INTO delivery (id, key, purpose, channel, language, to_sealed, to_hash, text, variables, state, created_at,
    check_at)
  SELECT id, number, 'reminder', 'sms', '', '', '', '', '{{}}',
    CASE WHEN stuck_since IS NULL THEN 'delivered' ELSE 'unknown' END, now() - interval '3 hours',
    CASE WHEN stuck_since IS NOT NULL THEN now() - interval '10 minutes' END
  FROM contract;
INSERT INTO callback (id, provider, received_at, tries, due_at)
  SELECT id, 'sms', now(), 0, CASE WHEN stuck_since IS NOT NULL THEN now() - interval '5 minutes' END FROM contract;
INSERT INTO staff_task (id, kind, text, campus, created_at, done_at)
  SELECT id, 'question', '', campus, now(), CASE WHEN stuck_since IS NULL THEN now() END FROM contract;
INSERT INTO pgqueuer (priority, created, updated, heartbeat, execute_after, status, entrypoint)
  SELECT 0, now(), now(), now(), now() - interval '4 hours', 'queued', 'complete' FROM generate_series(1, {LATE});
SET session_replication_role = origin;
"""
READ = """
SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'app'"


async def scraped(running: Running) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the metrics by name and values of their labels, in the order of the labels' names."""
    async with running.http.get(f"{running.origin}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def count_read(running: Running, superuser: asyncpg.Connection[asyncpg.Record]) -> int:
    """Return how many rows and index entries were read so far. Sessions report that at the latest when they end."""
    await running.hub.database.close()

    async def ended() -> bool:
        return bool(await superuser.fetchval(SESSIONS) == 0)

    await until(ended)
    return int(await superuser.fetchval(READ) or 0)


@pytest.mark.real
async def test_a_scrape_reads_few_rows_of_tables_with_many() -> None:
    async with running_hub(with_worker=False) as running:
        superuser = await asyncpg.connect(running.hub.database.dsn.replace("//app@", "//superuser@"))
        await superuser.execute(ROWS)
        await superuser.execute("VACUUM ANALYZE")
        before = await count_read(running, superuser)
        metrics = await scraped(running)
        after = await count_read(running, superuser)
        assert 0 < after - before < MAX_ROWS_READ
        late = {labels: value for (name, labels), value in metrics.items() if name == "qianda_queue_lag_seconds"}
        hours: dict[tuple[str, ...], float] = {
            ("reminder", "step"): 2,
            ("complete", "job"): 4,
            ("unknown", "delivery"): 3,
            ("finish", "contract"): 1,
            ("sms", "fallback"): 1 / 6,
            ("sms", "callback"): 1 / 12,
        }
        assert late.keys() == hours.keys()
        assert all(value == pytest.approx(hours[labels] * 3600, abs=120) for labels, value in late.items())
        assert metrics["qianda_queue_due", ("reminder", "step")] == 1000  # of a longer queue the oldest

        await running.worker.periodic.count_rows()  # the worker reads all of them, and the scrape what it stored
        assert await count_read(running, superuser) - after >= 2 * MANY
        metrics = await scraped(running)
        assert metrics["qianda_contracts", ("ISSUED",)] == MANY / 4
        assert metrics["qianda_signing_tasks", ("SIGNED",)] == MANY * 3 / 4
        await superuser.close()


async def test_rows_are_counted_again_only_when_it_is_time() -> None:
    async with running_hub(with_worker=False, with_web=False) as running:
        await running.worker.periodic.count_rows()
        await running.issue_minor()
        await running.worker.periodic.count_rows()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            first = (await tx.figures.get_row_counts())["contracts"]
        assert first.counts == {}
        running.clock.advance(timedelta(minutes=2))
        await running.worker.periodic.count_rows()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert (await tx.figures.get_row_counts())["contracts"].counts == {"ISSUED": 1}
