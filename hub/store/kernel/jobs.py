"""Enqueue PgQueuer jobs: work to do soon after a commit, enqueued in the transaction that causes it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder

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
# Priorities: first codes, for which somebody is waiting; then other answers to an act; then the rest.
LANES = {
    DELIVER_CODE: 20,
    DELIVER: 10,
    ALERT: 5,
    REVOKE: 5,
    COMPLETE: 0,
    EVIDENCE: 0,
    SEAL_FILES: 0,
    REMIND_MANY: 0,
    ISSUE_MANY: 0,
    BULK_ACT: 0,
    REPLAN: 0,
}

# "skip": a repeated dedupe key must not abort the transaction.
_ENQUEUE = QueryQueueBuilder().build_enqueue_query("skip")
_AGAIN = QueryQueueBuilder().build_requeue_jobs_query()
_PARKED = SqlStatement("""
SELECT id FROM pgqueuer LEFT JOIN job_start ON job_start.job = pgqueuer.id
WHERE entrypoint = :entrypoint AND status = 'failed' AND coalesce(starts, 0) < :most_starts
""")
_COUNT_START = SqlStatement("""
INSERT INTO job_start (job, starts) VALUES (:job, 1)
ON CONFLICT (job) DO UPDATE SET starts = job_start.starts + 1 RETURNING starts
""")
_FORGET_STARTS = SqlStatement("DELETE FROM job_start WHERE job = :job")

# A job that was started this often without ending is not started again, because it probably crashes its process.
MAX_STARTS = 3


class StartedTooOften(RuntimeError):
    """A job was started MAX_STARTS times without ending: it probably crashes its process."""


class Jobs(Repository):
    async def enqueue(self, entrypoint: str, payload: dict[str, Any], dedupe_key: str) -> bool:
        """Add a job in this transaction. Return False if a job with this key is already waiting.

        The job is written by the transaction's own connection: by another one, it would survive a rollback.
        """
        body = json.dumps(payload).encode()
        values = ([LANES[entrypoint]], [entrypoint], [body], [timedelta(0)], [dedupe_key], ["{}"])
        return bool(await self._connection.write_text_now(_ENQUEUE, *values))

    async def count_start(self, job: int) -> int:
        """Count a start of this job. Return the number of starts so far. Raises StartedTooOften.

        PgQueuer does not count the starts of a job whose process died, and would start such a job forever.
        """
        starts = int(await self._connection.scalar(_COUNT_START, {"job": job}) or 0)
        if starts > MAX_STARTS:
            raise StartedTooOften(f"started {MAX_STARTS} times and never finished")
        return starts

    async def count_start_after(self, job: int, starts: int) -> None:
        """Count a start of this job as `count_start` does, when so many were read before. Raises StartedTooOften."""
        if starts >= MAX_STARTS:
            raise StartedTooOften(f"started {MAX_STARTS} times and never finished")
        await self._connection.write(_COUNT_START, {"job": job})

    async def forget_starts(self, job: int) -> None:
        """Forget the starts of this job, so that they do not count against it."""
        await self._connection.execute(_FORGET_STARTS, {"job": job})

    async def take_up_again(self, entrypoint: str) -> None:
        """Start failed jobs again, except those that were started MAX_STARTS times. PgQueuer only parks failed jobs."""
        values = {"entrypoint": entrypoint, "most_starts": MAX_STARTS}
        if parked := list(await self._connection.scalars(_PARKED, values)):
            await self._connection.fetch(_AGAIN, parked)
