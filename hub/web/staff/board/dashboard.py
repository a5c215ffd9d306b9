"""The board: a table of contracts with their state, the last event and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from hub.errors import BadInput
from hub.model.contract.contract import ContractState
from hub.model.staff.roles import Permission
from hub.store.board.board_filter import BoardFilter, BoardSort
from hub.web.http.cursors import read_cursor, read_moment, read_name, write_cursor
from hub.web.staff import labels
from hub.web.staff.board.board_counts import COUNTS
from hub.web.staff.forms import Entered, link_to
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff"
PAGE = 50
# Choices of the filters `age` and `silent`, in days.
AGES = ("1", "3", "7", "30")
VIEWS = {
    "pending": "to be signed",
    "reached": "reached",
    "opened": "opened",
    "unreached": "not delivered",
    "overdue": "past the deadline",
    "stuck": "stuck",
}
_COUNTS = {name: name for name in VIEWS} | {"opened": "read"}
# These states are shown even if no contract has them, because clerks look for them.
_STATES = [state for state in ContractState if state not in (ContractState.DRAFT, ContractState.ISSUED)]
FUNNEL = ("issued", "delivered", "opened", "signed", "completed")
DEADLINES = {"past": "has passed", "1": "within a day", "3": "within 3 days", "7": "within a week"}
FILTERS = ("campus", "view", "state", "course", "age", "deadline", "channel", "receipt", "silent", "q", "sort")
# The allowed values of these filters. A link on another site may put anything into the URL.
KNOWN = {"view": VIEWS, "age": AGES, "deadline": DEADLINES, "silent": AGES, "sort": [each.value for each in BoardSort]}
# An account with one of these permissions can choose contracts on the board.
BULK_PERMISSIONS = (
    Permission.REMIND,
    Permission.EXTEND,
    Permission.ISSUE,
    Permission.VOID,
    Permission.HAND_OUT_LINK,
    Permission.EXPORT,
)
# How long acts on many contracts are shown on the board.
ACTS_SHOWN_FOR = timedelta(days=1)
# Filters that most people never need. They are shown under "More filters".
RARE = ("age", "channel", "receipt", "silent")


@dataclass(frozen=True)
class Bar:
    word: str
    count: int
    percent: float


async def board(visit: StaffVisit) -> web.Response:
    query = visit.request.query
    sort = read_sort(visit)
    read = read_name if sort is BoardSort.NAME else read_moment
    after: tuple[Any, UUID] | None = read_cursor(query["cursor"], read) if query.get("cursor") else None
    counted = await visit.request.app[COUNTS].get_or_count(visit.services.database, visit.shown)
    async with visit.services.database.transaction(visit.shown) as tx:
        wanted = wanted_of(visit, tx.planning_now)
        rows = await tx.board.list_rows(wanted, sort=sort, after=after, limit=PAGE + 1)
        courses = await tx.school.list_courses(visit.campus.id if visit.campus else None)
        waiting = await tx.school.count_open_enrolments()
        pause = await tx.pause.get()
        acts = await tx.bulk_acts.list_recent(tx.now - ACTS_SHOWN_FOR) if not query.get("part") else []
        limits = await tx.alerts.list_limits_reached(visit.shown, tx.now)
    kept = Entered(_keep_filters(query))
    more = write_cursor(rows[PAGE - 1].get_sorted_by(sort), rows[PAGE - 1].id) if len(rows) > PAGE else None
    return await show(
        visit,
        "staff/board/live.html" if query.get("part") == "live" else "staff/board/board.html",
        rows=rows[:PAGE],
        numbers=[(view, word, counted.named[_COUNTS[view]]) for view, word in VIEWS.items()],
        ended=[(state.value, counted.states.get(state.value, 0)) for state in _STATES],
        bars=_bars(counted.named),
        filters=kept,
        sort=sort.value,
        rare=any(kept[name] for name in RARE),
        deadlines=DEADLINES,
        channels=list(labels.CHANNELS),
        receipts=list(labels.DELIVERIES),
        act_on=lambda path: link_to(path, kept, {}),
        may_pick=any(visit.may(permission) for permission in BULK_PERMISSIONS),
        acts=acts,
        courses=courses,
        waiting=waiting,
        limits=limits,
        pause=pause,
        states=list(ContractState),
        ages=AGES,
        link=lambda **changes: link_to(HERE, kept, changes),
        next_page=link_to(HERE, kept, {"cursor": more}) if more else None,
        live_from=link_to(HERE, kept, {"part": "live", "cursor": query.get("cursor", "")}),
    )


def link_with_filters(visit: StaffVisit, path: str) -> str:
    """Return the path with the board's filters of this request."""
    return link_to(path, _keep_filters(visit.request.query), {})


def read_sort(visit: StaffVisit) -> BoardSort:
    wanted = visit.request.query.get("sort")
    return BoardSort(wanted) if wanted in set(BoardSort) else BoardSort.NEWEST


def _keep_filters(query: Mapping[str, str]) -> dict[str, str]:
    """Return the filters in a query, without unknown values, which filter nothing."""
    found = {name: query[name] for name in FILTERS if query.get(name)}
    return {name: value for name, value in found.items() if name not in KNOWN or value in KNOWN[name]}


def wanted_of(visit: StaffVisit, now: datetime) -> BoardFilter:
    """Return the filters in the URL, without the campus, which is the scope. Raises BadInput."""
    asked = {name: visit.request.query.get(name, "") for name in FILTERS}
    for name, known in (("state", ContractState), ("channel", labels.CHANNELS), ("receipt", labels.DELIVERIES)):
        if asked[name] and asked[name] not in set(known):
            raise BadInput(f"unknown {name}", field=name)
    if any(not character.isprintable() for value in asked.values() for character in value):
        raise BadInput("it contains characters that cannot be typed", field="q")
    return BoardFilter(
        view=asked["view"] or None,
        state=asked["state"] or None,
        course=asked["course"] or None,
        search=asked["q"].strip()[:100] or None,
        created_before=_days(now, asked["age"], -1),
        deadline_before=now if asked["deadline"] == "past" else _days(now, asked["deadline"], 1),
        silent_since=_days(now, asked["silent"], -1),
        channel=asked["channel"] or None,
        receipt=asked["receipt"] or None,
        now=now,
    )


def _days(now: datetime, days: str, sign: int) -> datetime | None:
    return now + sign * timedelta(days=int(days)) if days in AGES else None


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    whole = max(counts["issued"], 1)
    return [Bar(name, counts[name], round(100 * counts[name] / whole, 1)) for name in FUNNEL]
