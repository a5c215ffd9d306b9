"""The queue of jobs: work to do soon after a commit, enqueued in the transaction that causes it.

The table is that of PgQueuer, which ran the jobs before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import asyncpg

from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement

COMPLETE = "complete"
DELIVER = "deliver"
DELIVER_CODE = "deliver-code"
ALERT = "alert"
REMIND_MANY = "remind-many"
ISSUE_MANY = "issue-many"
BULK_ACT = "bulk-act"
REPLAN = "replan"
REVOKE = "revoke"
EVIDENCE = "evidence"
SEAL_FILES = "seal-files"
# The kinds of jobs. A worker has places for each kind, so that codes, for which somebody is waiting, wait for no other
# jobs. Within a kind, the oldest goes first: all have the same priority, a column of PgQueuer.
JOB_KINDS = (
    DELIVER_CODE,
    DELIVER,
    ALERT,
    REVOKE,
    COMPLETE,
    EVIDENCE,
    SEAL_FILES,
    REMIND_MANY,
    ISSUE_MANY,
    BULK_ACT,
    REPLAN,
)

# The channel of the NOTIFY that each new job sends.
JOB_CHANNEL: Final = "ch_pgqueuer"
# How long `take_jobs` may take, in seconds.
TAKE_TIMEOUT: Final = 10.0
# A repeated dedupe key must not abort the transaction.
_ENQUEUE = SqlStatement(
    """
INSERT INTO pgqueuer (priority, entrypoint, payload, dedupe_key, status)
SELECT 0, given.*, 'queued' FROM unnest(
  CAST(:kinds AS text[]), CAST(:payloads AS bytea[]), CAST(:keys AS text[])
) AS given
ON CONFLICT (dedupe_key) WHERE status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status])
  AND dedupe_key IS NOT NULL DO NOTHING
""",
    takes_arrays=True,
)
_TAKE = "SELECT * FROM take_jobs($1, $2, $3, $4, $5, $6)"
# Several failed jobs for the same work are one: the first, so that it rests for as long as the work was tried.
_FORGET_REPEATED = SqlStatement("""
DELETE FROM pgqueuer AS later USING pgqueuer AS first
WHERE later.status = 'failed' AND first.status = 'failed' AND first.id < later.id
  AND first.entrypoint = later.entrypoint AND first.payload = later.payload
""")
# It counts as started once, because a first start of a delivery does not ask the provider whether it has the message.
# While another job does the same work, none is taken up: it would do it twice.
_TAKE_UP_AGAIN = SqlStatement("""
UPDATE pgqueuer AS job
SET status = 'queued', attempts = CASE WHEN attempts > :most_starts THEN :most_starts - 1 ELSE 1 END
WHERE status = 'failed' AND updated + CASE WHEN attempts > :most_starts THEN CAST(:deadly_rest AS interval)
    ELSE least(updated - created, CAST(:most_rest AS interval)) END <= clock_timestamp()
  AND NOT EXISTS (
    SELECT FROM pgqueuer AS live WHERE live.status IN ('queued', 'picked')
      AND live.entrypoint = job.entrypoint AND live.payload = job.payload
  )
""")
_END = SqlStatement("DELETE FROM running_job WHERE id = :job")
# Part of a transaction whose rows, called `opening`, may name the jobs that end with it.
END_NAMED = "DELETE FROM running_job USING opening WHERE running_job.id = opening.job"

# A job that was started this often without ending is not started again, because it probably crashes its process.
MAX_STARTS = 3
# A failed job rests for as long as it was tried before it failed, but no longer than this: there may be an outage.
MAX_FAILED_REST = timedelta(minutes=10)
# One that was started too often is started once more after this rest. If it does crash its process, it does so daily.
DEADLY_REST = timedelta(days=1)


@dataclass(eq=False)
class Job:
    """A job that a worker has taken. `payload`: ids of rows. `start`: how often it was taken, this time included.
    `has_ended`: a transaction has ended it, so that nobody has to report its end."""

    id: int
    kind: str
    payload: Mapping[str, str]
    start: int
    has_ended: bool = False


# The job that this task runs; None outside of the queue.
RUNNING_JOB: ContextVar[Job | None] = ContextVar("running_job", default=None)


class StartedTooOften(RuntimeError):
    """A job was started MAX_STARTS times without ending: it probably crashes its process."""


async def take_jobs(
    connection: asyncpg.Connection[asyncpg.Record],
    running: Collection[int],
    ended: Mapping[int, bool],
    free: Mapping[str, int],
    lease: timedelta,
) -> list[Job]:
    """Take jobs, at most `free` of each kind, and count their starts. One statement, which is committed at once.

    It also removes the jobs in `ended`, or parks those that failed (False), and renews the leases of those in
    `running`. A job whose lease was not renewed for `lease` may be taken by any worker.
    """
    done, failed = ([job for job, is_done in ended.items() if is_done is which] for which in (True, False))
    values = (done, failed, list(running), list(free), list(free.values()), lease)
    rows = await connection.fetch(_TAKE, *values, timeout=TAKE_TIMEOUT)
    return [Job(row["job_id"], row["kind"], json.loads(row["body"] or b"{}"), row["start"]) for row in rows]


class Jobs(Repository):
    async def enqueue(self, kind: str, payload: dict[str, Any], dedupe_key: str) -> None:
        """Add a job in this transaction, unless one with this key is waiting or running. Raises ValueError for a kind
        that no worker takes: such a job would wait unseen."""
        if kind not in JOB_KINDS:
            raise ValueError(f"there are no jobs of the kind {kind}")
        values = {"kinds": [kind], "payloads": [json.dumps(payload).encode()], "keys": [dedupe_key]}
        await self._connection.write(_ENQUEUE, values)

    async def end_running(self) -> None:
        """End the job that this task runs, if it runs one, in this transaction, which does the last of its work.

        If the transaction fails, the caller has to raise, or to end the job in another one.
        """
        if (job := RUNNING_JOB.get()) is not None:
            await self._connection.write(_END, {"job": job.id})
            job.has_ended = True

    async def take_up_again(self) -> None:
        """Queue failed (parked) jobs again, each after a rest. Each looks first at what is left to do: if others have
        done its work meanwhile, it ends."""
        await self._connection.execute(_FORGET_REPEATED, {})
        values = {"most_starts": MAX_STARTS, "most_rest": MAX_FAILED_REST, "deadly_rest": DEADLY_REST}
        await self._connection.execute(_TAKE_UP_AGAIN, values)
