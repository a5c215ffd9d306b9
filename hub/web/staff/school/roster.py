"""Import of a roster; each invalid row is listed with its error and how to correct it."""

from __future__ import annotations

from aiohttp import web

from hub.errors import BadInput, QiandaError, UnreadableFile
from hub.lifecycle.school.import_roster import ImportOptions, LoadReport, load_roster
from hub.web.staff.render import show, speech
from hub.web.staff.staff.access import DeskVisit


async def form(visit: DeskVisit) -> web.Response:
    return await _page(visit)


async def _page(visit: DeskVisit, report: LoadReport | None = None, problem: QiandaError | None = None) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        courses = [course for course in await tx.school.courses() if visit.scope.covers(course.campus)]
    return await show(visit, "staff/import.html", report=report, problem=problem, courses=courses)


async def bring_in(visit: DeskVisit) -> web.Response:
    upload = (await visit.request.post()).get("roster")
    if not isinstance(upload, web.FileField):
        return await _page(visit, problem=BadInput("choose a file first"))
    try:
        lang = (await speech(visit)).lang
        data = upload.file.read()
        report = await load_roster(
            visit.services.database, visit.services.clock, data, visit.scope, ImportOptions(lang)
        )
    except UnreadableFile as error:
        return await _page(visit, problem=error)
    return await _page(visit, report)
