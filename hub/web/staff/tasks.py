"""What only a person can settle: questions, locked or unreachable signers, contracts that are stuck; and alerts."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from hub.errors import NotFound
from hub.lifecycle.answer import settle
from hub.web.staff.access import Visit
from hub.web.staff.show import show


async def tasks(visit: Visit) -> web.Response:
    async with visit.parts.database.unit(visit.shown) as unit:
        found = await unit.desk.open_tasks(limit=200)
        contracts = {task.contract: await unit.contracts.get(task.contract) for task in found if task.contract}
        alerts = await unit.alerts.recent(visit.shown, unit.now)
        names = {task.signer: (await unit.contracts.signer(task.signer)).name for task in found if task.signer}
    zones = {campus.id: campus.zone for campus in visit.campuses}
    return await show(
        visit, "staff/tasks.html", found=found, contracts=contracts, names=names, zones=zones, alerts=alerts,
        named_campuses={campus.id: campus for campus in visit.campuses}, told=bool(visit.parts.addressees),
    )  # fmt: skip


async def done(visit: Visit) -> web.StreamResponse:
    try:
        task = UUID(visit.request.match_info["task"])
    except ValueError:
        raise NotFound from None
    await settle(visit.parts, visit.scope, task, visit.actor)
    raise web.HTTPSeeOther("/staff/tasks?said=done")
