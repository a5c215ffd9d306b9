"""Jobs that failed and were kept: why, and what an operator does with them. Workers try them again by themselves."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from hub.errors import QiandaError
from hub.settings import PACKED
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.operation.jobs import MAX_STARTS

# The most failed jobs that are listed: the oldest.
MAX_LISTED: Final = 1000
# `headers` was PgQueuer's; it holds the reason.
_NOTE = """
UPDATE pgqueuer SET headers = jsonb_build_object('reason', given.reason)
FROM unnest($1::bigint[], $2::text[]) AS given (id, reason) WHERE pgqueuer.id = given.id
"""
_LIST = SqlStatement(f"""
SELECT id, entrypoint, payload, created, updated, coalesce(headers ->> 'reason', '') FROM pgqueuer
WHERE status = 'failed' ORDER BY id LIMIT {MAX_LISTED}
""")  # noqa: S608 - a number of ours
_LOCK = SqlStatement("""
SELECT EXISTS (
  SELECT FROM pgqueuer AS live WHERE live.status IN ('queued', 'picked')
    AND live.entrypoint = job.entrypoint AND live.payload = job.payload
) FROM pgqueuer AS job WHERE id = :job AND status = 'failed' FOR UPDATE
""")
# As in `take_up_again`, it counts as started once, so that a message is asked about before it is sent.
_RETRY = SqlStatement(f"""
UPDATE pgqueuer SET status = 'queued',
  attempts = CASE WHEN attempts > {MAX_STARTS} THEN {MAX_STARTS - 1} ELSE 1 END WHERE id = :job
""")  # noqa: S608 - numbers of ours
_DROP = SqlStatement("DELETE FROM pgqueuer WHERE id = :job")


@dataclass(frozen=True)
class FailedJob:
    """`payload`: ids of rows. `reason`: empty if its worker was of an earlier version."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    created: datetime
    failed_at: datetime
    reason: str


def describe_reason(error: Exception) -> str:
    """Return why a job failed, without personal data: the detail of an error of ours; of others only kind and place in
    the hub's code, because their texts may quote values."""
    if isinstance(error, QiandaError):
        return f"{type(error).__name__}: {error}"
    places = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(PACKED)]
    where = f" ({Path(places[-1].filename).name}:{places[-1].lineno})" if places else ""
    return f"{type(error).__name__}{where}"


async def note_reasons(connection: asyncpg.Connection[asyncpg.Record], reasons: Mapping[int, str]) -> None:
    """Write down why these running jobs failed. One statement, which is committed at once."""
    await connection.execute(_NOTE, list(reasons), list(reasons.values()))


class FailedJobs(Repository):
    async def list_all(self) -> list[FailedJob]:
        """Return the failed jobs, the oldest first, MAX_LISTED at most."""
        rows = await self._connection.execute(_LIST)
        return [FailedJob(each[0], each[1], json.loads(each[2] or b"{}"), *each[3:6]) for each in rows]

    async def lock(self, job: int) -> bool | None:
        """Lock a failed job. Return whether another job, which waits or runs, does the same work; None if no failed job
        has this id."""
        row = (await self._connection.execute(_LOCK, {"job": job})).first()
        return None if row is None else bool(row[0])

    async def retry(self, job: int) -> None:
        """Queue a job that is locked."""
        await self._connection.write(_RETRY, {"job": job})

    async def drop(self, job: int) -> None:
        """Delete a job that is locked."""
        await self._connection.write(_DROP, {"job": job})
