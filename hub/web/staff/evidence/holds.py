"""Legal holds: which contracts are held, why and by whom; holding one, and lifting its hold.

While a contract is held, neither the contract nor data of the people in it are erased. The reasons are in the
contract's record.
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from hub.errors import QiandaError
from hub.lifecycle.evidence.hold import lift_hold, place_hold
from hub.model.school.entered_day import end_of_day, read_day
from hub.web.staff.actors import names_of
from hub.web.staff.forms import Entered, printable
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff/holds"


async def list_holds(visit: StaffVisit) -> web.Response:
    """Show what is held, and a form to hold a contract; `?number=` fills it in."""
    return await _page(visit, Entered(number=printable(visit.request.query.get("number", ""))))


async def place(visit: StaffVisit) -> web.StreamResponse:
    entered = await visit.read_form()
    try:
        why = (entered["reason"], end_of_day(read_day(entered["until"], "until"), visit.zone))
        async with visit.services.database.transaction(visit.scope) as tx:
            contract = await tx.contracts.get_by_number(entered["number"])
        await place_hold(visit.services, visit.scope, contract.id, why, visit.actor)
    except QiandaError as problem:
        return await _page(visit, entered, problem)
    raise web.HTTPSeeOther(f"{HERE}?said=hold-placed")


async def lift(visit: StaffVisit) -> web.StreamResponse:
    contract, reason = visit.read_id("contract"), (await visit.read_form())["why_lifted"]
    act = lift_hold(visit.services, visit.scope, contract, reason, visit.actor)
    return await carry_out(act, f"{HERE}?said=hold-lifted", partial(_page, visit, None))


async def _page(visit: StaffVisit, entered: Entered | None = None, problem: QiandaError | None = None) -> web.Response:
    async with visit.services.database.transaction(visit.shown) as tx:
        held = await tx.holds.list_held(tx.now)
        names = await names_of(tx, [each.hold.placed_by for each in held])
    return await show(
        visit, "staff/evidence/holds.html", problem=problem, held=held, names=names, entered=entered or Entered()
    )
