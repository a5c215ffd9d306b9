"""Jobs that seal files of other systems, and their files.

A worker claims some files at a time by a lease. The exact end of the lease identifies its holder. A worker that has
lost its lease writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import SealJobNotFound
from hub.model.sealing.seal_fault import SealFault
from hub.model.sealing.seal_job import (
    ClientLoad,
    ItemOutcome,
    NewItem,
    SealClient,
    SealItem,
    SealItemState,
    SealJob,
    SealJobState,
    SealLevel,
    SealTerms,
    StorePrefix,
)
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.sealing import SEAL_JOB as JOB, SEAL_JOB_ITEM as ITEM

_COLUMNS = ("job", "number", "campus", "name", "source", "sha256", "state", "detail")
_ADD_ITEMS = insert_many(ITEM, _COLUMNS)
_GET = SqlStatement(select(JOB).where(JOB.c.id == bindparam("job")))
_GET_LOCKED = SqlStatement(select(JOB).where(JOB.c.id == bindparam("job")).with_for_update())
_GET_HELD = SqlStatement(select(JOB).where(JOB.c.id == bindparam("job")).with_for_update(read=True))
# MATERIALIZED, because a join might run the inner SELECT several times, and so claim more rows than LIMIT allows.
_CLAIM = SqlStatement(
    """
WITH chosen AS MATERIALIZED (SELECT number FROM seal_job_item WHERE job = :job AND state = 'waiting'
  AND (leased_until IS NULL OR leased_until <= :now)
  AND EXISTS (SELECT FROM seal_job WHERE id = :job AND ended_at IS NULL)
  ORDER BY number LIMIT :most FOR UPDATE SKIP LOCKED)
UPDATE seal_job_item AS item SET leased_until = :until, tries = item.tries + 1 FROM chosen
WHERE item.job = :job AND item.number = chosen.number RETURNING item.*
""",
    plans_for_values=True,
)
_RENEW = SqlStatement("""
UPDATE seal_job_item SET leased_until = :until WHERE job = :job AND state = 'waiting' AND leased_until = :held
""")
_RELEASED = """
UPDATE seal_job_item SET leased_until = :until, tries = greatest(0, tries - 1)
WHERE job = :job AND state = 'waiting' AND leased_until = :held
"""
_RELEASE = SqlStatement(_RELEASED)
_PUT_BACK = SqlStatement(f"{_RELEASED} AND number = ANY(CAST(:numbers AS integer[]))")
# Jobs on which no worker is working.
_IDLE = """
SELECT id FROM seal_job WHERE ended_at IS NULL AND asked_at < :before AND NOT EXISTS (SELECT FROM seal_job_item AS item
  WHERE item.job = seal_job.id AND item.state = 'waiting' AND item.leased_until > :now)
"""
_STALLED = SqlStatement(f"{_IDLE} ORDER BY asked_at LIMIT 20", plans_for_values=True)
_OVERDUE = SqlStatement(
    f"""
{_IDLE} AND NOT EXISTS (SELECT FROM seal_use AS use WHERE use.seal = seal_job.seal AND use.begun_at > :since
  AND use.outcome IN ('sealed', 'failed') AND starts_with(use.about, 'seal-job:' || seal_job.id || '/'))
ORDER BY asked_at LIMIT 20
""",
    plans_for_values=True,
)
_TELL = SqlStatement("""
SELECT * FROM seal_job WHERE tell_at <= :now ORDER BY tell_at LIMIT 20 FOR UPDATE SKIP LOCKED
""")
_END = SqlStatement("""
WITH running AS MATERIALIZED (SELECT id FROM seal_job WHERE id = :job AND ended_at IS NULL FOR UPDATE)
UPDATE seal_job_item AS item SET state = given.state, leased_until = NULL, sha256 = given.sha256,
  result_sha256 = given.result,
  result_size = given.size, fault = given.fault, detail = given.detail
FROM running, unnest(CAST(:numbers AS integer[]), CAST(:states AS text[]), CAST(:hashes AS text[]),
  CAST(:results AS text[]), CAST(:sizes AS bigint[]), CAST(:faults AS text[]), CAST(:details AS text[]))
  AS given (number, state, sha256, result, size, fault, detail)
WHERE item.job = running.id AND item.number = given.number AND item.state = 'waiting' AND item.leased_until = :held
RETURNING item.number
""")
_COUNT = SqlStatement("""
UPDATE seal_job SET sealed = seal_job.sealed + given.sealed, failed = seal_job.failed + given.failed,
  state = CASE WHEN given.is_last THEN 'done' ELSE state END,
  ended_at = CASE WHEN given.is_last THEN given.now ELSE ended_at END,
  tell_at = CASE WHEN given.is_last AND webhook IS NOT NULL THEN given.now ELSE tell_at END
FROM (SELECT CAST(:sealed AS integer) AS sealed, CAST(:failed AS integer) AS failed, CAST(:now AS timestamptz) AS now,
  job.sealed + job.failed + CAST(:sealed AS integer) + CAST(:failed AS integer) = job.total AS is_last
  FROM seal_job AS job WHERE job.id = :job FOR UPDATE) AS given
WHERE id = :job AND state = 'running'
""")
_BEGIN = SqlStatement("""
UPDATE seal_job SET total = given.total, state = CASE WHEN given.total = 0 THEN 'stopped' ELSE 'running' END,
  reason = CASE WHEN given.total = 0 THEN 'no-files' ELSE '' END,
  ended_at = CASE WHEN given.total = 0 THEN given.now END,
  tell_at = CASE WHEN given.total = 0 AND webhook IS NOT NULL THEN given.now END
FROM (SELECT CAST(:total AS integer) AS total, CAST(:now AS timestamptz) AS now) AS given
WHERE id = :job AND state = 'listing'
""")
_STOP = SqlStatement("""
UPDATE seal_job SET state = 'stopped', reason = :reason, ended_at = given.now,
  tell_at = CASE WHEN webhook IS NOT NULL THEN given.now END
FROM (SELECT CAST(:now AS timestamptz) AS now) AS given WHERE id = :job AND ended_at IS NULL
""")
_LOAD = SqlStatement(
    """
SELECT count(*) FILTER (WHERE ended_at IS NULL) AS open_jobs,
  coalesce(sum(total) FILTER (WHERE asked_at > :since), 0) AS files,
  min(asked_at) FILTER (WHERE asked_at > :since) AS oldest
FROM seal_job WHERE client = :client AND (ended_at IS NULL OR asked_at > :since)
""",
    plans_for_values=True,
)
_ANALYZE = SqlStatement("SELECT analyze_seal_job_items()")
_FORGET_ITEMS = SqlStatement(
    """
DELETE FROM seal_job_item WHERE job IN (SELECT id FROM seal_job WHERE ended_at < :before ORDER BY ended_at LIMIT :most)
""",
    plans_for_values=True,
)
_FORGET = SqlStatement("""
DELETE FROM seal_job WHERE ended_at < :before AND NOT EXISTS (SELECT FROM seal_job_item WHERE job = seal_job.id)
""")


class SealJobs(Repository):
    async def add(self, job: SealJob) -> None:
        client, terms = job.client, job.terms
        values = {
            "id": job.id,
            "client": client.key,
            "client_name": client.name,
            "campus": client.campus,
            "seal": terms.seal,
            "place": terms.place,
            "level": terms.level.value,
            "source": _place(terms.source),
            "target": _place(terms.target),
            "webhook": terms.webhook,
            "state": job.state.value,
            "asked_at": job.asked_at,
            "reason": "",
        }
        await self._connection.execute(insert(JOB).values(values))

    async def add_items(self, job: SealJob, first: int, items: Sequence[NewItem]) -> None:
        """Add files, numbered from `first` on. The caller counts them."""
        same = {"job": job.id, "campus": job.client.campus, "state": SealItemState.WAITING.value, "detail": ""}
        rows = [vars(item) | same | {"number": number} for number, item in enumerate(items, first)]
        await self._connection.execute(_ADD_ITEMS, arrays_of(_COLUMNS, rows))

    async def analyze(self) -> None:
        """Gather statistics about the files, including those added by this transaction, so that the database finds a
        few of many new ones quickly."""
        await self._connection.execute(_ANALYZE)

    async def begin(self, job: UUID, total: int, now: datetime) -> bool:
        """Set a job with `total` files to running, or to stopped if it has none. Return False if it had begun."""
        return (await self._connection.execute(_BEGIN, {"job": job, "total": total, "now": now})).rowcount == 1

    async def stop(self, job: UUID, reason: str, now: datetime) -> None:
        """End a job that cannot continue."""
        await self._connection.execute(_STOP, {"job": job, "reason": reason, "now": now})

    async def get(self, job: UUID, *, lock: bool = False, hold: bool = False) -> SealJob:
        """Return a job. `hold`: with a shared lock, so that it is not stopped before this transaction ends. Raises
        SealJobNotFound, also outside the scope."""
        statement = _GET_LOCKED if lock else _GET_HELD if hold else _GET
        row = (await self._connection.execute(statement, {"job": job})).first()
        if row is None:
            raise SealJobNotFound
        return _job(row)

    async def get_load(self, client: UUID, since: datetime) -> ClientLoad:
        row = (await self._connection.execute(_LOAD, {"client": client, "since": since})).one()
        return ClientLoad(row["open_jobs"], int(row["files"]), row["oldest"])

    async def list_items(self, job: UUID, state: SealItemState | None, after: int, limit: int) -> list[SealItem]:
        """Return files of a job with numbers after `after`, in order."""
        mine = (ITEM.c.job == job) & (ITEM.c.number > after)
        wanted = mine if state is None else mine & (ITEM.c.state == state.value)
        rows = await self._connection.execute(select(ITEM).where(wanted).order_by(ITEM.c.number).limit(limit))
        return [_item(row) for row in rows]

    async def get_item(self, job: UUID, number: int) -> SealItem:
        """Return one file of a job. Raises SealJobNotFound."""
        statement = select(ITEM).where(ITEM.c.job == job, ITEM.c.number == number)
        row = (await self._connection.execute(statement)).first()
        if row is None:
            raise SealJobNotFound
        return _item(row)

    # ---- work

    async def claim(self, job: UUID, most: int, now: datetime, until: datetime) -> list[SealItem]:
        """Lease the next files of a job, unless it has ended."""
        values = {"job": job, "most": most, "now": now, "until": until}
        return sorted(
            (_item(row) for row in await self._connection.execute(_CLAIM, values)), key=lambda item: item.number
        )

    async def renew(self, job: UUID, held: datetime, until: datetime) -> int:
        """Extend the lease that ends at `held` until `until`. Return how many files it still has."""
        return (await self._connection.execute(_RENEW, {"job": job, "held": held, "until": until})).rowcount

    async def release(self, job: UUID, held: datetime, until: datetime) -> None:
        """Release the files of a lease until `until`: a service that all need is unavailable. The try does not
        count."""
        await self._connection.execute(_RELEASE, {"job": job, "held": held, "until": until})

    async def put_back(self, job: UUID, held: datetime, numbers: Collection[int], until: datetime) -> None:
        """Release some files of a lease until `until`. The try does not count."""
        values = {"job": job, "held": held, "numbers": sorted(numbers), "until": until}
        await self._connection.execute(_PUT_BACK, values)

    async def list_overdue(self, before: datetime, since: datetime, now: datetime) -> list[UUID]:
        """Return unfinished jobs that were requested before `before`, on which no worker is working, and in which no
        file begun after `since` was sealed or has failed."""
        values = {"before": before, "since": since, "now": now}
        return await self._connection.scalars(_OVERDUE, values)

    async def end_items(self, job: UUID, held: datetime, outcomes: Sequence[ItemOutcome], now: datetime) -> set[int]:
        """Lock the job, and write the outcomes of files unless it has ended. Return the numbers of the files whose
        lease was still valid."""
        values: dict[str, Any] = {"job": job, "held": held}
        values["numbers"] = [outcome.item.number for outcome in outcomes]
        values["states"] = [(SealItemState.FAILED if each.fault else SealItemState.SEALED).value for each in outcomes]
        values["hashes"] = [outcome.item.sha256 for outcome in outcomes]
        values["results"] = [outcome.result_sha256 for outcome in outcomes]
        values["sizes"] = [outcome.result_size for outcome in outcomes]
        values["faults"] = [outcome.fault.value if outcome.fault else None for outcome in outcomes]
        values["details"] = [outcome.detail for outcome in outcomes]
        ended = {int(row["number"]) for row in await self._connection.execute(_END, values)}
        failed = sum(1 for outcome in outcomes if outcome.fault and outcome.item.number in ended)
        counted = {"job": job, "sealed": len(ended) - failed, "failed": failed, "now": now}
        await self._connection.execute(_COUNT, counted)
        return ended

    async def list_stalled(self, before: datetime, now: datetime) -> list[UUID]:
        """Return jobs that were requested before `before`, are not done, and on which no worker is working."""
        return await self._connection.scalars(_STALLED, {"before": before, "now": now})

    async def lock_untold(self, now: datetime) -> list[tuple[SealJob, int]]:
        """Lock and return ended jobs whose webhook is due, and how often it was called. Locked jobs are skipped."""
        return [(_job(row), row["tell_tries"]) for row in await self._connection.execute(_TELL, {"now": now})]

    async def plan_notice(self, job: UUID, tries: int, at: datetime | None) -> None:
        """Count a call, and plan the next one. `at`: None for no further call."""
        await self._connection.execute(JOB.update().where(JOB.c.id == job).values(tell_tries=tries, tell_at=at))

    async def note_told(self, job: UUID, at: datetime) -> None:
        await self._connection.execute(JOB.update().where(JOB.c.id == job).values(told_at=at, tell_at=None))

    async def list_done_with(self, before: datetime, limit: int) -> list[UUID]:
        """Return jobs that ended before `before` and whose files still exist."""
        old = (JOB.c.ended_at < before) & JOB.c.files_deleted_at.is_(None)
        return await self._connection.scalars(select(JOB.c.id).where(old).order_by(JOB.c.ended_at).limit(limit))

    async def list_known(self, jobs: Sequence[UUID]) -> set[UUID]:
        """Return the jobs that exist."""
        return set(await self._connection.scalars(select(JOB.c.id).where(JOB.c.id.in_(jobs))))

    async def forget(self, before: datetime, most: int) -> None:
        """Delete the rows of up to `most` jobs that ended before `before`."""
        await self._connection.execute(_FORGET_ITEMS, {"before": before, "most": most})
        await self._connection.execute(_FORGET, {"before": before})

    async def note_files_deleted(self, job: UUID, at: datetime) -> None:
        await self._connection.execute(JOB.update().where(JOB.c.id == job).values(files_deleted_at=at))


def _place(place: StorePrefix | None) -> dict[str, str]:
    return {"store": place.store, "prefix": place.prefix} if place else {}


def _read_place(value: Mapping[str, str]) -> StorePrefix | None:
    return StorePrefix(**value) if value else None


def _job(row: Row) -> SealJob:
    source, target = _read_place(row["source"]), _read_place(row["target"])
    terms = SealTerms(row["seal"], row["place"], SealLevel(row["level"]), source, target, row["webhook"])
    plain = ("id", "asked_at", "total", "sealed", "failed", "reason", "ended_at")
    return SealJob(
        client=SealClient(row["client"], row["client_name"], row["campus"]),
        terms=terms,
        state=SealJobState(row["state"]),
        **{name: row[name] for name in plain},
    )


def _item(row: Row) -> SealItem:
    names = ("job", "number", "name", "source", "sha256", "tries", "result_sha256", "result_size", "detail")
    fault = SealFault(row["fault"]) if row["fault"] else None
    return SealItem(**{name: row[name] for name in names}, state=SealItemState(row["state"]), fault=fault)
