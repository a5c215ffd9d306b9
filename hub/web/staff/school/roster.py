"""Import a roster: upload it, show its titles and faults, then import it. Nothing is added before the last step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Any
from uuid import uuid4

from aiohttp import web

from hub.documents.school.roster_columns import ALIASES, COLUMNS, IGNORED, RosterHeader, fold_title
from hub.documents.table_file import TableForm
from hub.errors import BadInput, ImportUndone, ManyChecks, NotFound, QiandaError, UnreadableFile
from hub.lifecycle.school.import_roster import (
    ImportOptions,
    LoadReport,
    begin_import,
    load_roster,
    mark_roster,
    read_titles,
    roster_template,
)
from hub.model.school.roster_import import MAX_FILE_NAME_LENGTH, RosterImport, RosterUpload
from hub.web.pages.files import download
from hub.web.pages.i18n import language_of
from hub.web.staff.actors import names_of
from hub.web.staff.forms import printable
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

# The most titles that are remembered for a campus.
MAX_REMEMBERED_TITLES = 500


async def form(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        courses = [course for course in await tx.school.list_courses() if visit.scope.covers(course.campus)]
        uploads = await tx.rosters.list_uploads()
        imports = await tx.roster_imports.list_imports()
        names = await names_of(tx, [each.created_by for each in imports])
    return await show(
        visit,
        "staff/school/import.html",
        problem=problem,
        courses=courses,
        uploads=uploads,
        imports=imports,
        names=names,
    )


async def upload_roster(visit: StaffVisit) -> web.Response:
    """Store an uploaded roster, encrypted, and redirect to the page with its contents."""
    upload = (await visit.request.post()).get("roster")
    if not isinstance(upload, web.FileField):
        return await form(visit, BadInput("choose a file first"))
    name = printable(PurePath(upload.filename).name)[-MAX_FILE_NAME_LENGTH:]
    async with visit.services.database.transaction(visit.scope) as tx:
        roster = RosterUpload(uuid4(), visit.staff.campus, visit.actor, name, tx.now, upload.file.read())
    try:
        header, missing = await read_titles(visit.services.database, roster.data, visit.scope)
        if not header.columns:
            which = 0 if language_of(visit.request) == "zh" else 1
            names = ("、", ", ")[which].join(COLUMNS[each][which] for each in missing)
            raise UnreadableFile(f"The spreadsheet lacks these columns:\n{names}")
    except (UnreadableFile, ManyChecks) as error:
        return await form(visit, error)
    async with visit.services.database.transaction(visit.scope) as tx:
        await tx.rosters.add_upload(roster)
    raise web.HTTPSeeOther(f"/staff/import/{roster.id}")


async def check(visit: StaffVisit) -> web.Response:
    """Show what an import would do, and change nothing."""
    roster, options = await _roster(visit, dry_run=True)
    database, clock = visit.services.database, visit.services.clock
    header, missing = await read_titles(database, roster.data, visit.scope, options.chosen)
    report = None
    if not missing:
        report = await load_roster(database, clock, roster.data, visit.scope, options)
    return await _page(visit, roster, header, report=report, missing=missing)


async def import_rows(visit: StaffVisit) -> web.Response:
    """Import the rows without faults. If this is interrupted, the same page imports the rest."""
    roster, options = await _roster(visit)
    database, clock = visit.services.database, visit.services.clock
    try:
        _, missing = await read_titles(database, roster.data, visit.scope, options.chosen)
        if not missing:
            options = await _begun(visit, roster, options)
        report = await load_roster(database, clock, roster.data, visit.scope, options)
    except (UnreadableFile, ImportUndone, ManyChecks) as error:
        return await form(visit, error)
    if not report.refused:
        async with database.transaction(visit.scope) as tx:
            await tx.rosters.delete_upload(roster.id)
    return await _page(visit, roster, report.header, report=report, done=True, imported=options.roster_import)


async def _begun(visit: StaffVisit, roster: RosterUpload, options: ImportOptions) -> ImportOptions:
    async with visit.services.database.transaction(visit.scope) as tx:
        wanted = RosterImport(uuid4(), visit.staff.campus, visit.actor, roster.name, tx.now, roster.id)
        return replace(options, roster_import=await begin_import(tx, wanted))


async def choose_columns(visit: StaffVisit) -> web.Response:
    """Remember for this campus which column each title means."""
    roster, _ = await _roster(visit)
    entered = await visit.request.post()
    titles, columns = entered.getall("title", []), entered.getall("column", [])
    chosen: dict[str, str] = {}
    for title, column in zip(titles, columns, strict=False):
        if column in COLUMNS or column == IGNORED:  # if a title occurs twice, the first one counts
            chosen.setdefault(fold_title(printable(str(title))), str(column))
    async with visit.services.database.transaction(visit.scope) as tx:
        known = await tx.rosters.get_titles(visit.staff.campus) | chosen
        own = {title: column for title, column in known.items() if title and ALIASES.get(title) != column}
        await tx.rosters.put_titles(visit.staff.campus, dict(list(own.items())[-MAX_REMEMBERED_TITLES:]))
    raise web.HTTPSeeOther(f"/staff/import/{roster.id}")


async def marked(visit: StaffVisit) -> web.Response:
    """Send the sheet with an added last column for the faults of each row."""
    roster, options = await _roster(visit)
    sheet = await mark_roster(visit.services.database, visit.services.clock, roster.data, visit.scope, options)
    return download(sheet, f"{PurePath(roster.name).stem}-checked.xlsx", TableForm.XLSX.content_type)


async def template(visit: StaffVisit) -> web.Response:
    language = language_of(visit.request)
    sheet = await roster_template(visit.services.database, visit.scope, language)
    return download(sheet, "报名名单.xlsx" if language == "zh" else "roster.xlsx", TableForm.XLSX.content_type)


async def _roster(visit: StaffVisit, *, dry_run: bool = False) -> tuple[RosterUpload, ImportOptions]:
    wanted = visit.read_id("upload", NotFound("there is no such roster any more"))
    async with visit.services.database.transaction(visit.scope) as tx:
        roster = await tx.rosters.get_upload(wanted)
        chosen = await tx.rosters.get_titles(visit.staff.campus)
    return roster, ImportOptions(language_of(visit.request), dry_run, chosen)


async def _page(
    visit: StaffVisit, roster: RosterUpload, header: RosterHeader, *, report: LoadReport | None, **context: Any
) -> web.Response:
    which = 0 if language_of(visit.request) == "zh" else 1
    names = {column: titles[which] for column, titles in COLUMNS.items()}
    meant = {index: column for column, index in header.columns.items()}
    values: dict[str, Any] = {"missing": (), "done": False, "imported": None} | context
    return await show(
        visit,
        "staff/school/roster.html",
        roster=roster,
        header=header,
        report=report,
        column_names=names,
        meant=meant,
        **values,
    )
