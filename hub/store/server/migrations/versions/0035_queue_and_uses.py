"""Two functions that do in one statement what took several: the queue of jobs, and the beginning of a seal's uses."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from hub.store.server.migrations.rooms import run_files

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
expands_only = True

# A worker of the version before still runs PgQueuer on the same tables while this version begins, so they keep their
# names, their columns and the channel.
_NOTIFY = """
CREATE OR REPLACE FUNCTION fn_pgqueuer_changed() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_notify('ch_pgqueuer', json_build_object(
    'channel', 'ch_pgqueuer', 'operation', lower(TG_OP), 'sent_at', now(), 'table', TG_TABLE_NAME,
    'type', 'table_changed_event'
  )::text);
  RETURN NULL;
END
$$
"""
# Only new jobs wake a worker: each report would wake all others.
_TRIGGER = """
CREATE TRIGGER tg_pgqueuer_changed AFTER INSERT ON pgqueuer FOR EACH STATEMENT EXECUTE FUNCTION fn_pgqueuer_changed()
"""
# `ended`, `failed` and `running`: the caller's jobs. `free`: how many further jobs it takes of each kind.
# A job that others have freed, but nobody has taken, is its worker's again. After an outage all workers report at the
# same time: none waits for a job that another one renews, so there is no deadlock. A `slot`, which PgQueuer gives to a
# job, is unique among those that run, and stays in a job that failed.
_TAKE_JOBS = """
CREATE FUNCTION take_jobs(
  ended bigint[], failed bigint[], running bigint[], kinds text[], free integer[], lease interval
)
RETURNS TABLE (job_id bigint, kind text, body bytea, start integer)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  IF ended <> '{}' THEN
    DELETE FROM pgqueuer WHERE id = ANY (ended);
    DELETE FROM job_start WHERE job = ANY (ended);
  END IF;
  IF failed <> '{}' THEN
    UPDATE pgqueuer SET status = 'failed', updated = clock_timestamp() WHERE id = ANY (failed);
  END IF;
  IF running <> '{}' THEN
    UPDATE pgqueuer SET status = 'picked', heartbeat = clock_timestamp()
    WHERE id = ANY (running) AND status IN ('picked', 'queued');
  END IF;
  UPDATE pgqueuer SET status = 'queued', slot = NULL WHERE id IN (
    SELECT silent.id FROM pgqueuer AS silent
    WHERE silent.status = 'picked' AND silent.heartbeat < clock_timestamp() - lease FOR UPDATE SKIP LOCKED
  );
  RETURN QUERY WITH free_lane AS (
    SELECT lane.entrypoint, lane.places FROM unnest(kinds, free) AS lane (entrypoint, places) WHERE lane.places > 0
  ), next AS (
    SELECT waiting.id FROM free_lane, LATERAL (
      SELECT job.id FROM pgqueuer AS job
      WHERE job.entrypoint = free_lane.entrypoint AND job.status = 'queued'
      ORDER BY job.priority DESC, job.id LIMIT free_lane.places FOR UPDATE SKIP LOCKED
    ) AS waiting
  ), taken AS (
    UPDATE pgqueuer AS job
    SET status = 'picked', slot = NULL, updated = clock_timestamp(), heartbeat = clock_timestamp()
    FROM next WHERE job.id = next.id RETURNING job.id, job.entrypoint, job.payload
  ), counted AS (
    INSERT INTO job_start AS known (job, starts) SELECT taken.id, 1 FROM taken
    ON CONFLICT (job) DO UPDATE SET starts = known.starts + 1 RETURNING known.job, known.starts
  )
  SELECT taken.id, taken.entrypoint, taken.payload, counted.starts FROM taken JOIN counted ON counted.job = taken.id;
END
$$
"""
# The seal, then the grants with a limit: the order in which everybody locks. All is read under the locks.
_LOCK_SEAL = """
CREATE FUNCTION lock_seal_for_use(wanted uuid, grantees text[], place text, uses uuid[])
RETURNS TABLE (its_seal seal, its_grant seal_grant, its_use seal_use, grant_distance integer)
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
  PERFORM FROM seal WHERE id = wanted FOR SHARE;
  PERFORM FROM seal_grant AS own WHERE own.seal = wanted AND own.revoked_at IS NULL
    AND own.grantee_kind || ':' || own.grantee = ANY (grantees) AND own.max_uses IS NOT NULL
    ORDER BY own.id FOR NO KEY UPDATE;
  RETURN QUERY WITH RECURSIVE above (id, parent, steps) AS (
    SELECT campus.id, campus.parent, 0 FROM campus WHERE campus.id = place
    UNION ALL SELECT campus.id, campus.parent, above.steps + 1 FROM campus JOIN above ON campus.id = above.parent
  )
  SELECT seal, NULL::seal_grant, NULL::seal_use, NULL::integer FROM seal WHERE seal.id = wanted
  UNION ALL
  SELECT NULL, own, NULL, above.steps FROM seal_grant AS own LEFT JOIN above ON above.id = own.campus
  WHERE own.seal = wanted AND own.revoked_at IS NULL AND own.grantee_kind || ':' || own.grantee = ANY (grantees)
  UNION ALL
  SELECT NULL, NULL, line, NULL FROM seal_use AS line WHERE line.id = ANY (uses);
END
$$
"""
_UNUSED_INDEXES = ("pgqueuer_priority_id_id1_idx", "pgqueuer_updated_id_id1_idx", "pgqueuer_queue_manager_id_idx")


def upgrade() -> None:
    if not op.get_bind().exec_driver_sql("SELECT to_regclass('pgqueuer')").scalar():
        run_files(Path(__file__).parent / "job_queue")
    op.execute(f"DROP INDEX IF EXISTS {', '.join(_UNUSED_INDEXES)}")
    op.execute(_NOTIFY)
    op.execute("DROP TRIGGER IF EXISTS tg_pgqueuer_changed ON pgqueuer")
    op.execute(_TRIGGER)
    op.execute(_TAKE_JOBS)
    op.execute(_LOCK_SEAL)
