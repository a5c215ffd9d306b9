"""Show the register of a seal's uses, and export it as a file."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.documents.table_file import TableForm
from hub.lifecycle.sealing.seals.export_register import Period, export_register
from hub.model.school.entered_day import require_day, start_of_day
from hub.web.pages.files import download
from hub.web.staff.actors import names_of, names_of_keys
from hub.web.staff.render import show
from hub.web.staff.sealing.seals import seal_id, template_titles
from hub.web.staff.staff.access import StaffVisit

MAX_LINES = 200
USUAL_PERIOD = timedelta(days=31)


async def register(visit: StaffVisit) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
        uses = await tx.seal_register.list_of_seal(seal.id, MAX_LINES)
        names = await names_of(tx, [use.asked_by for use in uses]) | await names_of_keys(tx)
        titles = await template_titles(visit, tx)
        today = tx.now.astimezone(ZoneInfo(visit.zone)).date()
    return await show(
        visit,
        "staff/sealing/seal_register.html",
        seal=seal,
        uses=uses,
        names=names,
        titles=titles,
        most=MAX_LINES,
        since=(today - USUAL_PERIOD).isoformat(),
        until=today.isoformat(),
    )


async def export(visit: StaffVisit) -> web.Response:
    """Return the lines of a period of whole days, in the time zone of the account's campus. The export is recorded."""
    query = visit.request.query
    form = TableForm.XLSX if query.get("form") == TableForm.XLSX else TableForm.CSV
    first, last = (require_day(query.get(name, ""), name) for name in ("since", "until"))
    period = Period(start_of_day(first, visit.zone), start_of_day(last + timedelta(days=1), visit.zone))
    data = await export_register(visit.services, visit.person, seal_id(visit), period, form)
    return download(data, f"seal-register-{first}-{last}.{form.value}", form.content_type)
