"""Show the school's record to those who may read it: who changed accounts, keys, campuses, the seal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from hub.model.evidence.record import RecordEntry, find_broken_entry
from hub.model.evidence.record_facts import list_commitments
from hub.model.evidence.school_record import SCHOOL_KINDS
from hub.web.staff.actors import names_of
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

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
        names = await names_of(tx, [each.actor for each in shown])
    whole = visit.shown.campuses is None
    return await show(
        visit,
        "staff/staff/school_record.html",
        acts=[_act(each, values, names) for each in shown],
        count=len(entries),
        kinds=SCHOOL_KINDS,
        whole=whole,
        broken_at=find_broken_entry(entries) if whole else None,
    )


def _act(entry: RecordEntry, values: Mapping[str, tuple[str, str]], names: Mapping[str, str]) -> SchoolAct:
    words = [values[commitment][1] if commitment in values else None for _, commitment in list_commitments(entry.facts)]
    facts = entry.facts
    role, campus = str(facts.get("staff_role", "")), str(facts.get("campus", ""))
    return SchoolAct(entry.sequence, entry.at, entry.kind, names.get(entry.actor, ""), entry.actor, campus, role, words)
