"""Reminder policies of campuses, courses and contracts, and the school's own calendar."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, CTE, Text, and_, any_, bindparam, literal, or_, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.reminders.calendar import SchoolDay
from hub.model.school.course import Campus
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.reminders import REMINDER_POLICY as POLICY
from hub.store.tables.school import CAMPUS, SCHOOL_DAY as DAY

Kind = Literal["campus", "course", "contract"]
_WORDS = ARRAY(Text())
_OF_CONTRACT = and_(
    POLICY.c.kind == "contract",
    POLICY.c.campus == any_(bindparam("campuses", type_=_WORDS)),
    POLICY.c.subject == any_(bindparam("subjects", type_=_WORDS)),
)
_CAN_HOLD = SqlStatement(
    select(CAMPUS, POLICY.c.kind, POLICY.c.subject, POLICY.c.changes).outerjoin(
        POLICY, (POLICY.c.campus == CAMPUS.c.id) & or_(POLICY.c.kind != "contract", _OF_CONTRACT)
    )
)


def _above() -> CTE:
    """Return the campus `campus` (depth 0) and those above it, up to headquarters."""
    here = select(CAMPUS.c.id, CAMPUS.c.parent, literal(0).label("depth")).where(CAMPUS.c.id == bindparam("campus"))
    above = here.cte("above", recursive=True)
    higher = CAMPUS.alias("higher")
    step = select(higher.c.id, higher.c.parent, (above.c.depth + 1).label("depth"))
    return above.union_all(step.join(above, above.c.parent == higher.c.id))


_ABOVE = _above()
_HERE = POLICY.c.campus == bindparam("campus")
_HOLDING = SqlStatement(
    select(POLICY, _ABOVE.c.depth)
    .join(_ABOVE, _ABOVE.c.id == POLICY.c.campus)
    .where(
        or_(
            POLICY.c.kind == "campus",
            and_(_HERE, POLICY.c.kind == "course", POLICY.c.subject == bindparam("course")),
            and_(_HERE, POLICY.c.kind == "contract", POLICY.c.subject == bindparam("contract")),
        )
    )
)
_CALENDAR = SqlStatement(
    select(DAY, _ABOVE.c.depth).join(_ABOVE, _ABOVE.c.id == DAY.c.campus).order_by(_ABOVE.c.depth.desc(), DAY.c.day)
)
_RANK = {"campus": 0, "course": 1, "contract": 2}


@dataclass(frozen=True)
class PolicyPlace:
    """A place that can have a policy: a campus, a course of it, or a contract."""

    campus: str
    course: str | None = None
    contract: UUID | None = None


@dataclass(frozen=True)
class PolicyChange:
    """The keys that a campus, course or contract changes. `subject` is its id."""

    campus: str
    kind: Kind
    subject: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PoliciesAt:
    """The changes that apply at some places, from headquarters down to the contract, and all campuses by id."""

    changes: Mapping[PolicyPlace, Sequence[PolicyChange]]
    campuses: Mapping[str, Campus]


def opening_of_policy(campus: str, course: str | None, contract: UUID | None) -> Opening:
    """Return what `Policies.list_above` reads."""
    return Opening(_HOLDING, {"campus": campus, "course": course or "", "contract": str(contract or "")})


def opening_of_policies(places: Sequence[PolicyPlace]) -> Opening:
    """Return what `Policies.get_at_all` reads."""
    campuses = sorted({each.campus for each in places})
    return Opening(_CAN_HOLD, {"campuses": campuses, "subjects": [str(each.contract) for each in places]})


class Policies(Repository):
    async def get_at_all(self, places: Sequence[PolicyPlace]) -> PoliciesAt:
        """Return for each of these places what `list_above` returns, and the campuses, in one statement."""
        opening = opening_of_policies(places)
        rows: defaultdict[str, list[PolicyChange]] = defaultdict(list)
        found: dict[str, Campus] = {}
        for row in await self._connection.execute(opening.statement, opening.values):
            found[row["id"]] = Campus(**{name: row[name] for name in Campus.__dataclass_fields__})
            if row["kind"] is not None:
                rows[row["id"]].append(PolicyChange(row["id"], row["kind"], row["subject"], row["changes"]))
        parents = {campus.id: campus.parent for campus in found.values()}
        return PoliciesAt({place: _holding(rows, parents, place) for place in places}, found)

    async def list_above(
        self, campus: str, course: str | None = None, contract: UUID | None = None
    ) -> list[PolicyChange]:
        """Return the changes that apply at a place, from headquarters down to the contract. Later ones win."""
        opening = opening_of_policy(campus, course, contract)
        rows = await self._connection.execute(opening.statement, opening.values)
        found = sorted(rows, key=lambda row: (-row["depth"], _RANK[row["kind"]]))
        return [PolicyChange(row["campus"], row["kind"], row["subject"], row["changes"]) for row in found]

    async def list_all(self) -> list[PolicyChange]:
        rows = await self._connection.execute(select(POLICY))
        return [PolicyChange(row["campus"], row["kind"], row["subject"], row["changes"]) for row in rows]

    async def put(self, change: PolicyChange, by: str, at: datetime) -> None:
        """Store a change. A change without keys is deleted, so that the policy above applies."""
        one = (POLICY.c.campus == change.campus) & (POLICY.c.kind == change.kind) & (POLICY.c.subject == change.subject)
        if not change.changes:
            await self._connection.execute(POLICY.delete().where(one))
            return
        values = {"changes": dict(change.changes), "changed_by": by, "changed_at": at}
        key = {"campus": change.campus, "kind": change.kind, "subject": change.subject}
        statement = insert(POLICY).values(**key, **values)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))

    # ---- the school's own calendar

    async def list_days(self, campus: str) -> list[SchoolDay]:
        """Return the days of a campus and of all above it. The campus's own days come last."""
        rows = await self._connection.execute(_CALENDAR, {"campus": campus})
        return [SchoolDay(row["day"], row["open"], row["name"]) for row in rows]

    async def list_own_days(self, campus: str) -> list[SchoolDay]:
        rows = await self._connection.execute(select(DAY).where(DAY.c.campus == campus).order_by(DAY.c.day))
        return [SchoolDay(row["day"], row["open"], row["name"]) for row in rows]

    async def put_calendar(self, campus: str, days: Iterable[SchoolDay]) -> None:
        """Replace the days of a campus."""
        await self._connection.execute(DAY.delete().where(DAY.c.campus == campus))
        rows = [{"campus": campus, "day": each.day, "open": each.open, "name": each.name} for each in days]
        if rows:
            await self._connection.execute_many(insert(DAY), rows)


def _holding(
    rows: Mapping[str, list[PolicyChange]], parents: Mapping[str, str | None], place: PolicyPlace
) -> list[PolicyChange]:
    """Return what `list_above` returns, from rows that were read already, by campus."""
    depths: dict[str, int] = {}
    here: str | None = place.campus
    while here is not None and here not in depths:
        depths[here], here = len(depths), parents.get(here)
    own = {("course", place.course or ""), ("contract", str(place.contract))}
    found = [
        row
        for campus in depths
        for row in rows.get(campus, ())
        if row.kind == "campus" or (campus == place.campus and (row.kind, row.subject) in own)
    ]
    return sorted(found, key=lambda row: (-depths[row.campus], _RANK[row.kind]))
