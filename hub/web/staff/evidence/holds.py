"""Legal holds: which contracts are held, why and by whom; holding one, and lifting its hold.

While a contract is held, nothing of it and of the people in it is erased. The reasons are in the contract's record.
"""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from hub.errors import QiandaError
from hub.lifecycle.evidence.hold import lift_hold, place_hold
from hub.model.school.entered_day import end_of_day, read_day
from hub.web.staff.render import Entered, printable, show
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff/holds"


async def list_holds(visit: StaffVisit) -> web.Response:
    """Show what is held, and a form to hold a contract; `?number=` fills it in."""
    return await _page(visit, Entered(number=printable(visit.request.query.get("number", ""))))


async def place(visit: StaffVisit) -> web.StreamResponse:
    entered = await _entered(visit)
    try:
        why = (entered["reason"], end_of_day(read_day(entered["until"], "until"), visit.zone))
        async with visit.services.database.transaction(visit.scope) as tx:
            contract = await tx.contracts.get_by_number(entered["number"])
        await place_hold(visit.services, visit.scope, contract.id, why, visit.actor)
    except QiandaError as problem:
        return await _page(visit, entered, problem)
    raise web.HTTPSeeOther(f"{HERE}?said=hold-placed")


async def lift(visit: StaffVisit) -> web.StreamResponse:
    contract = visit.read_id("contract")
    try:
        await lift_hold(visit.services, visit.scope, contract, (await _entered(visit))["why_lifted"], visit.actor)
    except QiandaError as problem:
        return await _page(visit, problem=problem)
    raise web.HTTPSeeOther(f"{HERE}?said=hold-lifted")


async def _entered(visit: StaffVisit) -> Entered:
    sent = await visit.request.post()
    return Entered({name: printable(value) for name, value in sent.items() if isinstance(value, str)})


async def _page(visit: StaffVisit, entered: Entered | None = None, problem: QiandaError | None = None) -> web.Response:
    async with visit.services.database.transaction(visit.shown) as tx:
        held = await tx.holds.list_held(tx.now)
        people = [UUID(each.hold.placed_by.removeprefix("staff:")) for each in held if each.is_of_staff]
        names = {f"staff:{staff}": name for staff, name in (await tx.accounts.get_names(people)).items()}
    return await show(visit, "staff/holds.html", problem=problem, held=held, names=names, entered=entered or Entered())
