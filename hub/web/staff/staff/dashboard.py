"""The dashboard: contracts with their state, last event and next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from hub.errors import BadInput
from hub.model.contract.contract import ContractState
from hub.store.staff.dashboard import BoardFilter, BoardRow
from hub.web.api.contracts import cursor, read_cursor
from hub.web.staff.render import Entered, show
from hub.web.staff.staff.access import DeskVisit

PAGE = 30
AGES = ("1", "3", "7", "30")
VIEWS = {
    "pending": "to be signed",
    "reached": "reached",
    "opened": "read",
    "unreached": "not delivered",
    "stuck": "stuck",
}
_COUNTS = {"pending": "pending", "reached": "reached", "opened": "read", "unreached": "unreached", "stuck": "stuck"}
FUNNEL = ("issued", "sent", "delivered", "opened", "signed", "completed")
FUNNEL_WORDS = {
    "issued": "issued",
    "sent": "sent",
    "delivered": "delivered",
    "opened": "opened",
    "signed": "signed",
    "completed": "completed",
}
FILTERS = ("campus", "view", "state", "course", "age", "q")


@dataclass(frozen=True)
class Bar:
    word: str
    count: int
    percent: float


async def board(visit: DeskVisit) -> web.Response:
    query = visit.request.query
    after = read_cursor(query["cursor"]) if query.get("cursor") else None
    async with visit.services.database.transaction(visit.shown) as tx:
        wanted = wanted_of(visit, tx.planning_now)
        counts = await tx.board.counts()
        rows = await tx.board.rows(wanted, after=after, limit=PAGE + 1)
        courses = await tx.school.courses(visit.campus.id if visit.campus else None)
        waiting = await tx.school.count_open_enrolments()
        pause = await tx.pause.get()
        limits = await tx.alerts.limits_reached(visit.shown, tx.now)
    kept = Entered({name: query[name] for name in FILTERS if query.get(name)})
    more = cursor(rows[PAGE - 1].created_at, rows[PAGE - 1].id) if len(rows) > PAGE else None
    return await show(
        visit,
        "staff/live.html" if query.get("part") == "live" else "staff/board.html",
        rows=rows[:PAGE],
        numbers=[(view, word, counts[_COUNTS[view]]) for view, word in VIEWS.items()],
        bars=_bars(counts),
        filters=kept,
        preview=_link(kept, {}, "/staff/remind/preview"),
        pending=_pending(rows[:PAGE]),
        courses=courses,
        waiting=waiting,
        limits=limits,
        pause=pause,
        zones={each.id: each.zone for each in visit.campuses},
        states=list(ContractState),
        ages=AGES,
        link=lambda **changes: _link(kept, changes),
        next_page=_link(kept, {"cursor": more}) if more else None,
        live_from=_link(kept, {"part": "live", "cursor": query.get("cursor", "")}),
    )


def _pending(rows: Sequence[BoardRow]) -> int:
    return sum(row.upcoming is not None for row in rows)


def wanted_of(visit: DeskVisit, now: datetime) -> BoardFilter:
    """Return the filters in the URL, without the campus, which is the scope. Raises BadInput."""
    asked = {name: visit.request.query.get(name, "") for name in FILTERS}
    if asked["state"] and asked["state"] not in set(ContractState):
        raise BadInput("unknown state", field="state")
    if any(not character.isprintable() for value in asked.values() for character in value):
        raise BadInput("it contains characters that cannot be typed", field="q")
    search = asked["q"].strip()[:100]
    return BoardFilter(
        view=asked["view"] or None,
        state=asked["state"] or None,
        course=asked["course"] or None,
        search=search or None,
        created_before=now - timedelta(days=int(asked["age"])) if asked["age"] in AGES else None,
    )


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    whole = max(counts["issued"], 1)
    return [Bar(FUNNEL_WORDS[name], counts[name], round(100 * counts[name] / whole, 1)) for name in FUNNEL]


def _link(kept: Mapping[str, str], changes: Mapping[str, object], path: str = "/staff") -> str:
    """Return the dashboard's URL, or another one, with changed filters; empty filters are left out."""
    values = {name: str(value) for name, value in {**kept, **changes}.items() if value}
    return path + (f"?{urlencode(values)}" if values else "")
