"""The rehearsal: the person who has set the hub up signs a contract of their own, which is marked as a rehearsal."""

from __future__ import annotations

from aiohttp import web

from hub.errors import QiandaError
from hub.lifecycle.contract.rehearse import RehearsingPerson, rehearse
from hub.web.pages.i18n import language_of
from hub.web.staff.forms import Entered
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit


async def form(
    visit: StaffVisit, entered: Entered | None = None, problem: QiandaError | None = None
) -> web.StreamResponse:
    return await show(visit, "staff/contract/rehearsal.html", entered=entered or Entered(), problem=problem)


async def begin(visit: StaffVisit) -> web.StreamResponse:
    entered = await visit.read_form()
    person = RehearsingPerson(
        entered["name"], entered["id_number"], entered["phone"], entered["email"], language_of(visit.request)
    )
    try:
        contract = await rehearse(visit.services, visit.scope, person, visit.actor)
    except QiandaError as error:
        return await form(visit, entered, error)
    raise web.HTTPSeeOther(f"/staff/contracts/{contract.id}?said=issued")
