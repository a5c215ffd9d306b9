"""Show phone number changes that wait for their second approval, and decide about them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from hub.errors import PhoneChangeEnded, QiandaError
from hub.lifecycle.staff import change_phone
from hub.lifecycle.staff.change_phone import Waiting
from hub.web.http.security import refuse_other_sites
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit


@dataclass(frozen=True)
class ListedPhoneChange:
    """A phone number change in the list. `by`: who requested it: staff, program or person. `name`: the name of the
    member of staff. `mine`: whether the viewer requested it."""

    waiting: Waiting
    by: str
    name: str
    mine: bool


async def show_phone_changes(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    found = await change_phone.list_waiting(visit.services, visit.shown)
    names = await _names(visit, found)
    return await show(
        visit,
        "staff/phones.html",
        problem=problem,
        found=[_asked(visit, each, names) for each in found],
        campuses={campus.id: campus for campus in visit.campuses},
    )


async def change(visit: StaffVisit) -> web.Response:
    """Show a change with both full numbers to a person who decides about it."""
    refuse_other_sites(visit.request)
    try:
        found = await change_phone.show_numbers(visit.services, visit.scope, visit.read_id("change"), visit.actor)
    except PhoneChangeEnded as error:
        return await show_phone_changes(visit, error)
    names = await _names(visit, [found])
    campuses = {campus.id: campus for campus in visit.campuses}
    return await show(visit, "staff/phone_change.html", each=_asked(visit, found, names), campuses=campuses)


async def _names(visit: StaffVisit, found: list[Waiting]) -> dict[str, str]:
    actors = {each.change.asked_by for each in found if each.change.asked_by.startswith("staff:")}
    async with visit.services.database.transaction(visit.scope) as tx:
        names = await tx.accounts.get_names([UUID(actor.partition(":")[2]) for actor in actors])
    return {f"staff:{staff}": name for staff, name in names.items()}


def _asked(visit: StaffVisit, each: Waiting, names: dict[str, str]) -> ListedPhoneChange:
    actor = each.change.asked_by
    by = {"staff": "staff", "api": "program"}.get(actor.partition(":")[0], "person")
    return ListedPhoneChange(each, by, names.get(actor, ""), actor == visit.actor)


async def approve(visit: StaffVisit) -> web.StreamResponse:
    try:
        await change_phone.approve(visit.services, visit.scope, visit.read_id("change"), visit.actor)
    except QiandaError as error:
        return await show_phone_changes(visit, error)
    raise web.HTTPSeeOther("/staff/phone-changes?said=phone-changed")


async def turn_down(visit: StaffVisit) -> web.StreamResponse:
    try:
        await change_phone.turn_down(visit.services, visit.scope, visit.read_id("change"), visit.actor)
    except QiandaError as error:
        return await show_phone_changes(visit, error)
    raise web.HTTPSeeOther("/staff/phone-changes?said=phone-turned-down")
