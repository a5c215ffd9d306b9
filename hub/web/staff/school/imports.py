"""Show imports of rosters, with what each has added, and undo them by one click."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from hub.errors import NotFound
from hub.lifecycle.school.undo_import import undo_import
from hub.web.staff.actors import names_of
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

# The most enrolments that are listed as staying. Others are only counted.
MAX_KEPT_NAMED = 200


async def imported(visit: StaffVisit) -> web.Response:
    """Show an import: its counts, and which enrolments would stay, or have stayed, when it is undone, and why."""
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.roster_imports.find(_import(visit))
        if found is None:
            raise NotFound("there is no such import")
        kept = await tx.roster_imports.list_kept(found.id, MAX_KEPT_NAMED)
        count_kept = await tx.roster_imports.count_kept(found.id)
        names = await names_of(tx, [found.created_by, found.undone_by or ""])
    return await show(
        visit, "staff/school/imported.html", imported=found, kept=kept, count_kept=count_kept, names=names
    )


async def undo(visit: StaffVisit) -> web.StreamResponse:
    async with visit.services.database.transaction(visit.scope) as tx:
        await undo_import(tx, _import(visit), visit.actor)
    raise web.HTTPSeeOther(f"/staff/imports/{_import(visit)}?said=import-undone")


def _import(visit: StaffVisit) -> UUID:
    return visit.read_id("import", NotFound("there is no such import"))
