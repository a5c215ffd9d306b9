"""Read figures for operators without scanning a whole table: each statement uses an index and stops at BOUND rows.

Only the numbers of rows by state are counted in full. A worker does this now and then, and stores the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.model.staff.operator_figures import QueueLag, RowCounts
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.operation.jobs import JOB_KINDS

# The most rows of one queue that are counted. In a longer queue, only the oldest rows are counted.
BOUND = 1000
_QUEUES = {
    "step": ("next_step", "claimable_at", "signing_task WHERE state = 'OPEN' AND claimable_at <= :planning_now"),
    "callback": ("provider", "due_at", "callback WHERE due_at <= :now"),
    "contract": ("'finish'", "hub_due_at", "contract WHERE hub_due_at <= :now"),
    "fallback": ("channel", "check_at", "delivery WHERE check_at <= :planning_now"),
    "alert": ("kind", "due_at", "alert WHERE due_at <= :now"),
    "revocation": ("'certificates'", "certificates_due_at", "app_key WHERE certificates_due_at <= :now"),
}
# The index of unsettled deliveries is ordered by creation. BOUND is applied in this order, and those that are not yet
# due are left out afterwards.
_UNSETTLED = f"""
SELECT 'delivery', state, count(*), min(due) FROM (
  SELECT state, greatest(created_at, not_before) AS due FROM delivery
  WHERE state IN ('sending', 'unknown') ORDER BY created_at LIMIT {BOUND}
) AS oldest WHERE due <= :planning_now GROUP BY state
"""  # noqa: S608 - a number of ours
_WAITING_JOBS = f"""
SELECT 'job', kind, count(*), min(execute_after) FROM unnest(CAST(:kinds AS text[])) AS kind, LATERAL (
  SELECT execute_after FROM pgqueuer WHERE status = 'queued' AND entrypoint = kind
  ORDER BY priority DESC, id LIMIT {BOUND}
) AS waiting WHERE execute_after <= :now GROUP BY kind
"""  # noqa: S608 - a number of ours


def _lag_of(queue: str, kind: str, due: str, rows: str) -> str:
    return f"""
SELECT '{queue}', kind, count(*), min(due) FROM (
  SELECT {kind} AS kind, {due} AS due FROM {rows} ORDER BY {due} LIMIT {BOUND}
) AS oldest GROUP BY kind
"""  # noqa: S608 - names of ours


_LAGS = SqlStatement(
    "UNION ALL".join([*(_lag_of(queue, *parts) for queue, parts in _QUEUES.items()), _UNSETTLED, _WAITING_JOBS]),
    plans_for_values=True,
)
# Figures that are counted when they are read: their rows are few, and counted up to BOUND.
_COUNTS = {
    "jobs": SqlStatement(f"""
SELECT entrypoint || ' ' || status, count(*)
FROM (SELECT entrypoint, status FROM pgqueuer ORDER BY id LIMIT {BOUND}) AS oldest GROUP BY 1
"""),  # noqa: S608
    "staff_tasks": SqlStatement(f"""
SELECT kind, count(*) FROM (
  SELECT kind FROM staff_task WHERE done_at IS NULL ORDER BY campus, created_at LIMIT {BOUND}
) AS open GROUP BY kind
"""),  # noqa: S608
    "stuck": SqlStatement(f"""
SELECT coalesce(stuck_reason, ''), count(*) FROM (
  SELECT stuck_reason FROM contract WHERE stuck_since IS NOT NULL ORDER BY campus, stuck_since LIMIT {BOUND}
) AS stuck GROUP BY 1
"""),  # noqa: S608
}
# Figures that a worker counts in full.
COUNTED = ("contracts", "signing_tasks")
_TABLES = {"contracts": "contract", "signing_tasks": "signing_task"}
_COUNT_ALL = {
    figure: SqlStatement(f"""
WITH counted AS MATERIALIZED (
  SELECT coalesce(jsonb_object_agg(state, number), '{{}}') AS counts
  FROM (SELECT state, count(*) AS number FROM {table} GROUP BY state) AS by_state
)
INSERT INTO row_count (figure, counts, counted_at, seconds)
SELECT '{figure}', counts, CAST(:now AS timestamptz),
  extract(epoch FROM clock_timestamp() - statement_timestamp())
FROM counted
ON CONFLICT (figure) DO UPDATE
SET counts = excluded.counts, counted_at = excluded.counted_at, seconds = excluded.seconds
""")  # noqa: S608 - names of ours
    for figure, table in _TABLES.items()
}
_COUNTED = SqlStatement("SELECT figure, counts, counted_at, seconds FROM row_count")


class OperatorFigures(Repository):
    async def list_lags(self, now: datetime, planning_now: datetime) -> list[QueueLag]:
        """Return the queues in which something is due, by kind. `planning_now`: the time for entries that are planned
        on the planning clock."""
        values = {"now": now, "planning_now": planning_now, "kinds": list(JOB_KINDS)}
        return [QueueLag(*row) for row in await self._connection.execute(_LAGS, values)]

    async def count_some(self) -> Mapping[str, Mapping[str, int]]:
        """Return the numbers of jobs by kind and status, of open staff tasks by kind, and of stuck contracts by reason.
        Each figure is counted up to BOUND rows."""
        return {
            name: {str(state): int(count) for state, count in await self._connection.execute(statement)}
            for name, statement in _COUNTS.items()
        }

    async def get_row_counts(self) -> dict[str, RowCounts]:
        """Return the results that `count_rows` stored, by figure."""
        rows = await self._connection.execute(_COUNTED)
        return {row["figure"]: RowCounts(**row) for row in rows}

    async def count_rows(self, figure: str, now: datetime) -> None:
        """Count all rows of a table of COUNTED by state, and store the result. Its time grows with the table."""
        await self._connection.execute(_COUNT_ALL[figure], {"now": now})
