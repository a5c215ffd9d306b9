"""Show the school's record to those who may read it: who changed accounts, keys, campuses, the seal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiohttp import web

from hub.model.evidence.record import RecordEntry, find_broken_entry
from hub.model.evidence.record_facts import list_commitments
from hub.model.evidence.school_record import SCHOOL_KINDS
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

STAFF = "staff:"
# Only the newest entries are shown. `qianda school record` prints all of them.
MAX_SHOWN = 300


@dataclass(frozen=True)
class SchoolAct:
    """One entry. `by`: name of the account; empty for a command. `words`: what it is about; None if it was erased."""

    number: int
    at: datetime
    kind: str
    by: str
    actor: str
    campus: str
    role: str
    words: Sequence[str | None]


async def record(visit: StaffVisit) -> web.Response:
    """Show the entries about the campuses that this member of staff may see. If they may see all, check the chain."""
    async with visit.services.database.transaction(visit.shown) as tx:
        installation = await tx.school.find_installation()
        assert installation is not None  # a hub does not start without an installation
        entries = await tx.record.list_entries(installation)
        values = await tx.record.get_values(installation)
        shown = entries[: -MAX_SHOWN - 1 : -1]
        names = await tx.accounts.get_names([staff for each in shown if (staff := _staff_of(each.actor))])
    whole = visit.shown.campuses is None
    return await show(
        visit,
        "staff/school_record.html",
        acts=[_act(each, values, names) for each in shown],
        count=len(entries),
        kinds=SCHOOL_KINDS,
        campus_of={each.id: each for each in visit.campuses},
        whole=whole,
        broken_at=find_broken_entry(entries) if whole else None,
    )


def _act(entry: RecordEntry, values: Mapping[str, tuple[str, str]], names: Mapping[UUID, str]) -> SchoolAct:
    words = [values[commitment][1] if commitment in values else None for _, commitment in list_commitments(entry.facts)]
    staff, facts = _staff_of(entry.actor), entry.facts
    by = names.get(staff, "") if staff else ""
    role, campus = str(facts.get("staff_role", "")), str(facts.get("campus", ""))
    return SchoolAct(entry.sequence, entry.at, entry.kind, by, entry.actor, campus, role, words)


def _staff_of(actor: str) -> UUID | None:
    try:
        return UUID(actor.removeprefix(STAFF)) if actor.startswith(STAFF) else None
    except ValueError:
        return None
