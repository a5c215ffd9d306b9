"""Figures of reports: contracts that were issued in a period, and the messages written in it.

Each statement walks one index of its period, and groups at once. Times to sign are grouped in steps (see
`hub.model.reports.report`), since PostgreSQL would sort all of them for a percentile. Contracts can be counted in two
halves, each in a transaction of its own, since a statement takes one core.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, Boolean, DateTime, Text, bindparam, text
from sqlalchemy.types import TypeEngine

from hub.model.messaging.message import COPIES, Purpose
from hub.model.reports.report import STEPS_PER_E, CountedContracts, CountedMessages, ReportGroup, ReportPeriod
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement

# A person who asks for a code has already opened the link. Copies go to people who are not signers.
_NOT_COUNTED = ", ".join(f"'{purpose}'" for purpose in sorted({Purpose.CODE} | COPIES))
_TO_SIGNERS = f"delivery.purpose NOT IN ({_NOT_COUNTED})"


def _half(column: str) -> str:
    """Return the condition that a contract is in the half asked for, by its random id."""
    return f"(CAST(:lower AS boolean) IS NULL OR ({column} < '80000000-0000-0000-0000-000000000000') = :lower)"


# The row of a message about several contracts names the first; `delivery_share` names all. A signer who signed was
# reached.
_REACHED = f"""
  state IN ('SIGNED', 'COMPLETED')
  OR id IN (SELECT contract FROM delivery WHERE created_at >= :begin AND state = 'delivered' AND {_TO_SIGNERS}
    AND contract IS NOT NULL AND {_half("contract")})
  OR id IN (SELECT delivery_share.contract FROM delivery_share JOIN delivery ON delivery.id = delivery_share.delivery
    WHERE created_at >= :begin AND state = 'delivered')
"""  # noqa: S608 - constants of this file
# Contracts signed before `signed_at` was written have only the moment of their completion. Without either there is no
# step: `greatest` ignores NULL.
_STEP = f"""
  CASE WHEN coalesce(signed_at, completed_at) IS NOT NULL THEN
    CAST(floor(ln(greatest(date_part('epoch', coalesce(signed_at, completed_at) - issued_at), 1)) * {STEPS_PER_E})
      AS integer) END
"""
_IN_PERIOD = f"""
  issued_at >= :begin AND issued_at < :end AND {_half("contract.id")}
  AND (CAST(:course AS text) IS NULL OR course = CAST(:course AS text))
"""
_KEYS = {
    # The number of the day in the period, from 1. It takes a third of the time of a date in a time zone.
    ReportGroup.DAY: "width_bucket(issued_at, :days)",
    ReportGroup.CAMPUS: "campus",
    ReportGroup.COURSE: "coalesce(course, '')",
}


def _contracts(key: str) -> str:
    return f"""
SELECT CAST(key AS text) AS key, state, is_reached, step, count(*) AS number FROM (
  SELECT {key} AS key, state, {_REACHED} AS is_reached, {_STEP} AS step FROM contract WHERE {_IN_PERIOD}
) AS counted GROUP BY counted.key, state, is_reached, step
"""  # noqa: S608 - constants of this file


_BY_CHANNEL = f"""
SELECT told.channel AS key, state, told.is_reached OR state IN ('SIGNED', 'COMPLETED') AS is_reached, {_STEP} AS step,
  count(*) AS number FROM (
  SELECT contract, channel, bool_or(message_state = 'delivered') AS is_reached FROM (
    SELECT contract, channel, state AS message_state FROM delivery
    WHERE created_at >= :begin AND {_TO_SIGNERS} AND state <> 'withdrawn' AND {_half("contract")}
    UNION ALL
    SELECT delivery_share.contract, channel, state FROM delivery
    JOIN delivery_share ON delivery_share.delivery = delivery.id AND delivery_share.contract <> delivery.contract
    WHERE created_at >= :begin AND {_TO_SIGNERS} AND state <> 'withdrawn'
      AND {_half("delivery_share.contract")}
  ) AS message GROUP BY contract, channel
) AS told JOIN contract ON contract.id = told.contract WHERE {_IN_PERIOD} GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - constants of this file
_MOMENT = DateTime(timezone=True)
_TYPES: dict[str, TypeEngine[Any]] = {
    "begin": _MOMENT,
    "end": _MOMENT,
    "course": Text(),
    "days": ARRAY(_MOMENT),
    "lower": Boolean(),
}


def _statement(sql: str) -> SqlStatement:
    used = (bindparam(name, type_=_TYPES[name]) for name in _TYPES if f":{name}" in sql)
    return SqlStatement(text(sql).bindparams(*used), plans_for_values=True)


# For the rest of the transaction: memory for 200,000 groups, and the real cost of reading small indexes. Row-level
# security hides from the planner how many rows there are: it would look up each contract on its own, and sort all of
# them to group them. Both take twice as long as hashing.
_FOR_MANY_ROWS = SqlStatement(
    "SELECT set_config('work_mem', '64MB', true), set_config('random_page_cost', '1.1', true),"
    " set_config('enable_nestloop', 'off', true), set_config('enable_sort', 'off', true)"
)
_BY_GROUP = {group: _statement(_contracts(key)) for group, key in _KEYS.items()}
_BY_GROUP[ReportGroup.CHANNEL] = _statement(_BY_CHANNEL)
_MESSAGES = _statement("""
SELECT channel, provider, state, failure_kind AS reason, count(*) AS number,
  coalesce(sum(coalesce(segments, 1)), 0) AS segments, count(*) FILTER (WHERE segments IS NULL) AS unmeasured
FROM delivery WHERE created_at >= :begin AND created_at < :end GROUP BY channel, provider, state, failure_kind
""")


class ReportFigures(Repository):
    async def count_contracts(
        self, group: ReportGroup, period: ReportPeriod, course: str | None = None, lower: bool | None = None
    ) -> list[CountedContracts]:
        """Return the contracts issued in the period, counted by group and by their present state.

        `course`: only contracts of this course. `lower`: count only one half of the contracts; the other value counts
        the other half.
        """
        await self._connection.execute(_FOR_MANY_ROWS)
        values: dict[str, Any] = {"begin": period.begin, "end": period.end, "course": course, "lower": lower}
        names: dict[str, str] = {}
        if group is ReportGroup.DAY:
            values["days"] = [period.begin_of(day) for day in period.days]
            names = {str(number): day.isoformat() for number, day in enumerate(period.days, 1)}
        rows = await self._connection.execute(_BY_GROUP[group], values)
        return [
            CountedContracts(
                names.get(row["key"], row["key"]), row["state"], row["is_reached"], row["step"], row["number"]
            )
            for row in rows
        ]

    async def count_messages(self, period: ReportPeriod) -> list[CountedMessages]:
        """Return the messages written in the period, codes included, counted by provider and outcome."""
        await self._connection.execute(_FOR_MANY_ROWS)
        rows = await self._connection.execute(_MESSAGES, {"begin": period.begin, "end": period.end})
        return [CountedMessages(**{name: row[name] for name in CountedMessages.__dataclass_fields__}) for row in rows]
