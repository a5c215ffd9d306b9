"""Edit reminder policies by campus and course, with a preview, and the school's calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.errors import BadInput, ContractNotFound, IllegalMove, QiandaError
from hub.lifecycle.reminders.change_policy import (
    MAX_CALENDAR_BYTES,
    PolicyLevels,
    change_calendar,
    change_policy,
    change_policy_of,
    get_policies_at,
    list_plans,
    preview_plan,
)
from hub.model.contract.contract import Contract
from hub.model.reminders.policy import THROUGH
from hub.store.reminders.policies import PolicyPlace
from hub.store.transaction import Transaction
from hub.web.staff import policy_labels
from hub.web.staff.forms import Entered, without_unprintable
from hub.web.staff.reminders import policy_words
from hub.web.staff.reminders.policy_words import DURATIONS, NUMBERS, SWITCHES, UNIT, UNITS, write_durations
from hub.web.staff.render import show, speech
from hub.web.staff.staff.access import MAX_INPUT_LENGTH, StaffVisit

LISTS = ("reminders_after", *THROUGH)


async def policies(visit: StaffVisit) -> web.Response:
    return await _page(visit, visit.request.query.get("at", ""))


async def _page(
    visit: StaffVisit, at: str, entered: Mapping[str, str] | None = None, problem: QiandaError | None = None
) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        place = await _place(visit, tx, at)
        campus = await tx.school.get_campus(place.campus)
        if place.course:
            await tx.school.get_course(place.campus, place.course)
        courses = [each for each in await tx.school.list_courses() if visit.scope.covers(each.campus)]
        found, problem = await _found(visit, tx, place, entered, problem)
        days = await tx.policies.list_own_days(place.campus)
        usual = [("", preview_plan(found.here, tx.planning_now, ZoneInfo(campus.zone)))]
        theirs = await list_plans(tx, found.here, place.contract) if place.contract else []
        colleagues = await tx.owners.list_at([place.campus])
    say = await speech(visit)
    written = Entered(entered if entered is not None else {key: _shown(value) for key, value in found.own.items()})
    above = {key: _shown(value) for key, value in found.above.to_dict().items()}
    owner = next((each.name for each in colleagues if each.login == found.here.escalate_to), found.here.escalate_to)
    return await show(
        visit,
        "staff/reminders/policies.html",
        at=place.at,
        campus=campus,
        contract=place.contract,
        courses=courses,
        groups=policy_labels.POLICY_GROUPS,
        labels=policy_labels.POLICY_KEYS,
        switches=SWITCHES,
        hints=policy_labels.POLICY_HINTS,
        nothing=policy_labels.POLICY_NOTHING,
        entered=written,
        above=above,
        parts=_parts(written, above),
        durations=DURATIONS,
        units=UNITS,
        ladders=policy_words.list_ladders(say),
        countries=policy_words.list_countries(say, written["holidays_of"], above["holidays_of"]),
        colleagues=colleagues,
        sentences=policy_words.describe_policy(say, found.here, owner),
        policy_words=policy_words,
        days=days,
        policy=found.here,
        plans=[(signer.name, steps) for signer, steps in theirs] if place.contract else usual,
        previewed=entered is not None,
        problem=problem,
    )


async def _found(
    visit: StaffVisit, tx: Transaction, place: _Place, entered: Mapping[str, str] | None, problem: QiandaError | None
) -> tuple[PolicyLevels, QiandaError | None]:
    """Return the policy to preview. If the input is not valid, return the policy in force, and the error."""
    there = PolicyPlace(place.campus, place.course, place.contract.id if place.contract else None)
    at = partial(get_policies_at, visit.services, tx, there)
    try:
        return await at(None if entered is None or problem else _changes(entered)), problem
    except BadInput as error:
        try:
            return await at(), error
        except BadInput:  # saved under another configuration; reminders are also planned without it
            return await at({}), error


async def change(visit: StaffVisit) -> web.StreamResponse:
    form = await visit.request.post()
    at = str(form.get("at", ""))
    names = (*policy_labels.POLICY_KEYS, *(key + UNIT for key in DURATIONS))
    entered = write_durations({name: without_unprintable(str(form.get(name, "")))[:MAX_INPUT_LENGTH] for name in names})
    if "preview" in form:
        return await _page(visit, at, entered)
    async with visit.services.database.transaction(visit.scope) as tx:
        place = await _place(visit, tx, at)
    try:
        if place.contract:
            await change_policy_of(visit.services, visit.scope, place.contract.id, _changes(entered), visit.actor)
        else:
            there = PolicyPlace(place.campus, place.course)
            await change_policy(visit.services, visit.scope, there, _changes(entered), visit.actor)
    except (BadInput, IllegalMove) as error:
        return await _page(visit, at, entered, error)
    raise web.HTTPSeeOther(f"/staff/policies?at={at}&said=policy-changed")


async def calendar(visit: StaffVisit) -> web.StreamResponse:
    form = await visit.request.post()
    at, upload = str(form.get("at", "")), form.get("calendar")
    async with visit.services.database.transaction(visit.scope) as tx:
        campus = (await _place(visit, tx, at)).campus
    try:
        if not isinstance(upload, web.FileField):
            raise BadInput("choose a file first", field="calendar")
        await change_calendar(
            visit.services, visit.scope, campus, upload.file.read(MAX_CALENDAR_BYTES + 1), visit.actor
        )
    except BadInput as error:
        return await _page(visit, at, problem=error)
    raise web.HTTPSeeOther(f"/staff/policies?at={at}&said=calendar-changed")


@dataclass(frozen=True)
class _Place:
    campus: str
    course: str | None
    contract: Contract | None

    @property
    def at(self) -> str:
        return f"{self.campus}/{self.course or ''}" + (f"/{self.contract.id}" if self.contract else "")


async def _place(visit: StaffVisit, tx: Transaction, at: str) -> _Place:
    """Parse `campus/course/contract`. Course and contract may be missing; without a course, the whole campus is meant.

    An empty `at` means the campus of this member of staff. Raises BadInput, ContractNotFound.
    """
    campus, _, rest = at.partition("/")
    course, _, contract = rest.partition("/")
    campus = campus or visit.staff.campus
    if not visit.scope.covers(campus) or not at.isprintable():
        raise BadInput("you have no access to this campus", field="campus")
    await tx.school.get_campus(campus)
    if not contract:
        return _Place(campus, course or None, None)
    try:
        found = await tx.contracts.get(UUID(contract))
    except ValueError:
        raise ContractNotFound from None
    return _Place(found.campus, found.course, found)


def _changes(entered: Mapping[str, str]) -> dict[str, Any]:
    """Return the input in the form of the configuration. An empty field changes nothing."""
    changes: dict[str, Any] = {}
    for key, text in entered.items():
        if not text.strip():
            continue
        listed = [word.strip() for word in text.replace("，", ",").split(",") if word.strip()]
        whole = text.strip().isdecimal() and len(text) < 6
        changes[key] = (
            listed
            if key in LISTS
            else int(text)
            if key in NUMBERS and whole
            else text == "yes"
            if key in SWITCHES
            else text.strip()
        )
    return changes


def _parts(entered: Mapping[str, str], above: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return number and unit of each duration; if none was entered, the unit of the inherited duration."""
    usual = {key: policy_words.split_duration(above[key], "d")[1] for key in DURATIONS}
    return {key: policy_words.split_duration(entered[key], usual[key]) for key in DURATIONS}


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)
