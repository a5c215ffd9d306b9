"""Show phone number changes that wait for their second approval, and decide about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from hub.errors import PhoneChangeEnded, QiandaError
from hub.lifecycle.evidence.school_acts import find_key_maker
from hub.lifecycle.staff import change_phone
from hub.lifecycle.staff.change_phone import WaitingPhoneChange
from hub.model.staff.scope import EVERYTHING
from hub.web.http.security import refuse_other_sites
from hub.web.staff.actors import names_of
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff/phone-changes"


@dataclass(frozen=True)
class ListedPhoneChange:
    """A phone number change in the list. `by`: who requested it: staff, program or person. `name`: of the member of
    staff. `mine`: whether the viewer requested it. `by_own_key`: whether a program requested it with a key that the
    viewer made; then the viewer cannot approve it either."""

    waiting: WaitingPhoneChange
    by: str
    name: str
    mine: bool
    by_own_key: bool


async def show_phone_changes(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    found = await change_phone.list_waiting(visit.services, visit.shown)
    return await show(visit, "staff/staff/phones.html", problem=problem, found=await _listed(visit, found))


async def change(visit: StaffVisit) -> web.Response:
    """Show a change with both full numbers to a person who decides about it."""
    refuse_other_sites(visit.request)
    try:
        found = await change_phone.show_numbers(visit.services, visit.scope, visit.read_id("change"), visit.actor)
    except PhoneChangeEnded as error:
        return await show_phone_changes(visit, error)
    (listed,) = await _listed(visit, [found])
    return await show(visit, "staff/staff/phone_change.html", each=listed)


async def _listed(visit: StaffVisit, found: list[WaitingPhoneChange]) -> list[ListedPhoneChange]:
    async with visit.services.database.transaction(visit.scope) as tx:
        names = await names_of(tx, [each.change.asked_by for each in found])
    async with visit.services.database.transaction(EVERYTHING) as tx:  # who made a key is in the school's record
        own_keys = {
            each.change.asked_by for each in found if await find_key_maker(tx, each.change.asked_by) == visit.actor
        }
    return [_list_one(each, names, visit.actor, each.change.asked_by in own_keys) for each in found]


def _list_one(
    waiting: WaitingPhoneChange, names: Mapping[str, str], viewer: str, by_own_key: bool
) -> ListedPhoneChange:
    actor = waiting.change.asked_by
    by = {"staff": "staff", "api": "program"}.get(actor.partition(":")[0], "person")
    return ListedPhoneChange(waiting, by, names.get(actor, ""), actor == viewer, by_own_key)


async def approve(visit: StaffVisit) -> web.StreamResponse:
    act = change_phone.approve(visit.services, visit.scope, visit.read_id("change"), visit.actor)
    return await carry_out(act, f"{HERE}?said=phone-changed", partial(show_phone_changes, visit))


async def turn_down(visit: StaffVisit) -> web.StreamResponse:
    act = change_phone.turn_down(visit.services, visit.scope, visit.read_id("change"), visit.actor)
    return await carry_out(act, f"{HERE}?said=phone-turned-down", partial(show_phone_changes, visit))
