"""When and how people are reminded: edited by campus and course, with a preview; and the school's own calendar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.errors import BadInput, QiandaError
from hub.lifecycle.change_policy import (
    LARGEST_CALENDAR,
    Policies,
    change_calendar,
    change_policy,
    plan_of,
    policies_at,
)
from hub.web.staff import words
from hub.web.staff.access import LONGEST_INPUT, Visit
from hub.web.staff.show import Entered, show

GROUPS: dict[str, tuple[str, ...]] = {
    "When": ("reminders_after", "repeat_every", "last_call_before"),
    "On which days and at what hours": ("window_opens", "window_closes", "skip_holidays", "holidays_of"),
    "Through which channel": ("invitation_through", "reminders_through", "last_call_through"),
    "How often at most": ("messages_per_day", "bundle", "manual_after_message", "manual_apart", "manual_per_day"),
    "When nobody answers": ("escalate_after", "escalate_to", "escalate_within", "climbs_after", "digest_at"),
}
LISTS = ("reminders_after", "invitation_through", "reminders_through", "last_call_through")
SWITCHES = ("skip_holidays", "bundle")
NUMBERS = ("messages_per_day", "manual_per_day", "escalate_after")


async def policies(visit: Visit) -> web.Response:
    return await _page(visit, visit.request.query.get("at", ""))


async def _page(
    visit: Visit, at: str, entered: Mapping[str, str] | None = None, problem: QiandaError | None = None
) -> web.Response:
    campus_id, course = _place(visit, at)
    async with visit.parts.database.unit(visit.scope) as unit:
        campus = await unit.school.campus(campus_id)
        if course:
            await unit.school.course(campus_id, course)
        courses = [each for each in await unit.school.courses() if visit.scope.covers(each.campus)]
        found, problem = await _found(visit, unit, campus_id, course, entered, problem)
        days = await unit.policies.own_days(campus_id)
        now = await unit.planning_now()
    return await show(
        visit, "staff/policies.html", at=f"{campus_id}/{course or ''}", campus=campus, course=course, courses=courses,
        groups=GROUPS, labels=words.POLICY_KEYS, switches=SWITCHES, hints=words.POLICY_HINTS,
        nothing=words.POLICY_NOTHING,
        entered=Entered(entered if entered is not None else _own(found)),
        above={key: _shown(value) for key, value in found.above.to_dict().items()}, days=days, policy=found.here,
        plan=plan_of(found.here, now, ZoneInfo(campus.zone)), previewed=entered is not None, problem=problem,
    )  # fmt: skip


async def _found(
    visit: Visit, unit: Any, campus: str, course: str | None, entered: Mapping[str, str] | None,
    problem: QiandaError | None,
) -> tuple[Policies, QiandaError | None]:  # fmt: skip
    """What does not fit is not previewed: what holds is shown, and why the other does not."""
    try:
        changes = None if entered is None or problem else _changes(entered)
        return await policies_at(visit.parts, unit, campus, course, changes), problem
    except BadInput as error:
        try:
            return await policies_at(visit.parts, unit, campus, course), error
        except BadInput:  # saved under another configuration: it is left out where reminders are planned, too
            return await policies_at(visit.parts, unit, campus, course, {}), error


async def change(visit: Visit) -> web.StreamResponse:
    form = await visit.request.post()
    at = str(form.get("at", ""))
    entered = {key: _printable(str(form.get(key, ""))) for key in words.POLICY_KEYS}
    if "preview" in form:
        return await _page(visit, at, entered)
    campus, course = _place(visit, at)
    try:
        await change_policy(visit.parts, visit.scope, campus, course, _changes(entered), visit.actor)
    except BadInput as error:
        return await _page(visit, at, entered, error)
    raise web.HTTPSeeOther(f"/staff/policies?at={at}&said=policy-changed")


async def calendar(visit: Visit) -> web.StreamResponse:
    form = await visit.request.post()
    at, upload = str(form.get("at", "")), form.get("calendar")
    campus, _ = _place(visit, at)
    try:
        if not isinstance(upload, web.FileField):
            raise BadInput("choose a file first", field="calendar")
        await change_calendar(visit.parts, visit.scope, campus, upload.file.read(LARGEST_CALENDAR + 1))
    except BadInput as error:
        return await _page(visit, at, problem=error)
    raise web.HTTPSeeOther(f"/staff/policies?at={at}&said=calendar-changed")


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:LONGEST_INPUT]


def _place(visit: Visit, at: str) -> tuple[str, str | None]:
    """`campus/course`, the course empty for the whole campus; nothing: where this member of staff works."""
    campus, _, course = at.partition("/")
    campus = campus or visit.staff.campus
    if not visit.scope.covers(campus) or not at.isprintable():
        raise BadInput("this campus is not yours", field="campus")
    return campus, course or None


def _changes(entered: Mapping[str, str]) -> dict[str, Any]:
    """What was entered, as configuration writes it; an empty field changes nothing."""
    changes: dict[str, Any] = {}
    for key, text in entered.items():
        if not text.strip():
            continue
        listed = [word.strip() for word in text.replace("，", ",").split(",") if word.strip()]
        whole = text.strip().isdecimal() and len(text) < 6
        changes[key] = (
            listed if key in LISTS
            else int(text) if key in NUMBERS and whole
            else text == "yes" if key in SWITCHES
            else text.strip()
        )  # fmt: skip
    return changes


def _own(found: Policies) -> dict[str, str]:
    return {key: _shown(value) for key, value in found.own.items()}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
