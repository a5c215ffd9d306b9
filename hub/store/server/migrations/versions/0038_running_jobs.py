"""Jobs end in the transaction that does the last of their work, and count their starts in their own row."""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# `slot` and its index were PgQueuer's. Nothing is read by the other index.
_UNUSED_INDEXES = ("pgqueuer_picked_slot_idx", "pgqueuer_ep_ea_idx")
# An INSERT of a queued job never changes this view, so that both may be parts of one statement. What a worker ends may
# have been parked meanwhile, by one that had it before.
_RUNNING_JOB = "CREATE VIEW running_job AS SELECT id FROM pgqueuer WHERE status IN ('picked', 'failed')"
_NOTIFY = """
CREATE OR REPLACE FUNCTION fn_pgqueuer_changed() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_notify('ch_pgqueuer', '');
  RETURN NULL;
END
$$
"""
# `ended`, `failed` and `running`: the caller's jobs. `free`: how many further jobs it takes of each kind.
# A job that others have freed, but nobody has taken, is its worker's again. After an outage all workers report at the
# same time: none waits for a job that another one renews, nor for one that a transaction is about to end: there is no
# deadlock. A lease is renewed once a quarter of it is over, however often the worker takes jobs meanwhile.
_TAKE_JOBS = """
CREATE OR REPLACE FUNCTION take_jobs(
  ended bigint[], failed bigint[], running bigint[], kinds text[], free integer[], lease interval
)
RETURNS TABLE (job_id bigint, kind text, body bytea, start integer)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
  at CONSTANT timestamptz := clock_timestamp();
BEGIN
  IF ended <> '{}' THEN
    DELETE FROM pgqueuer WHERE id = ANY (ended);
  END IF;
  IF failed <> '{}' THEN
    UPDATE pgqueuer SET status = 'failed', updated = at WHERE id = ANY (failed);
  END IF;
  IF running <> '{}' THEN
    UPDATE pgqueuer SET status = 'picked', heartbeat = at WHERE id = ANY (ARRAY (
      SELECT own.id FROM pgqueuer AS own WHERE own.id = ANY (running)
        AND (own.status = 'queued' OR own.status = 'picked' AND own.heartbeat < at - lease / 4) FOR UPDATE SKIP LOCKED
    ));
  END IF;
  IF EXISTS (SELECT FROM pgqueuer WHERE status = 'picked' AND heartbeat < at - lease) THEN
    UPDATE pgqueuer SET status = 'queued' WHERE id = ANY (ARRAY (
      SELECT silent.id FROM pgqueuer AS silent
      WHERE silent.status = 'picked' AND silent.heartbeat < at - lease FOR UPDATE SKIP LOCKED
    ));
  END IF;
  RETURN QUERY UPDATE pgqueuer AS job
  SET status = 'picked', attempts = job.attempts + 1, updated = at, heartbeat = at
  WHERE job.id = ANY (ARRAY (
    SELECT waiting.id FROM unnest(kinds, free) AS lane (entrypoint, places), LATERAL (
      SELECT next.id FROM pgqueuer AS next
      WHERE next.entrypoint = lane.entrypoint AND next.status = 'queued'
      ORDER BY next.priority DESC, next.id LIMIT lane.places FOR UPDATE SKIP LOCKED
    ) AS waiting
  )) RETURNING job.id, job.entrypoint, job.payload, job.attempts;
END
$$
"""


def upgrade() -> None:
    op.execute("UPDATE pgqueuer SET attempts = coalesce((SELECT starts FROM job_start WHERE job = pgqueuer.id), 0)")
    op.execute("DROP TABLE job_start")
    op.execute(f"DROP INDEX IF EXISTS {', '.join(_UNUSED_INDEXES)}")
    op.execute(_RUNNING_JOB)
    op.execute(_NOTIFY)
    op.execute(_TAKE_JOBS)
