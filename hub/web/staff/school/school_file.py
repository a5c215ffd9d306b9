"""Edit the school's file in the console: campuses and courses, as `qianda school apply` reads them. Changes are shown
before they are made.

The page also pauses and resumes sending, as `qianda pause` and `qianda resume` do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from hub.documents.school.school_file import describe_school, read_school
from hub.documents.toml_text import write_toml
from hub.errors import AccessDenied, BadInput, SchoolChanged
from hub.lifecycle.messaging.pause_sending import pause_sending, resume_sending
from hub.lifecycle.school.apply_school import apply_school, compare_school
from hub.model.school.school_change import SchoolComparison, SchoolFault, path_of
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import HUB
from hub.web.pages.fault_words import say_fault, say_place
from hub.web.pages.files import download as download_file
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit
from hub.web.staff.staff.doctor import forget_answer

HERE = "/staff/school"
# Characters; enough for two thousand courses.
MAX_FILE_LENGTH = 2_000_000


async def school(visit: StaffVisit) -> web.Response:
    """Show the present campuses and courses as a file that can be edited."""
    _only_headquarters(visit)
    return await _page(visit, await _describe(visit))


async def download(visit: StaffVisit) -> web.Response:
    """Return the present campuses and courses, as `qianda school show` prints them."""
    _only_headquarters(visit)
    return download_file((await _describe(visit)).encode(), "school.toml", "application/toml")


async def look(visit: StaffVisit) -> web.Response:
    """Show what the file would change, or all of its faults. Change nothing."""
    return await _look(visit, await _sent(visit))


async def apply(visit: StaffVisit) -> web.Response:
    """Make all changes that were shown. Change nothing if the file has a fault, or would now make other changes."""
    text, seen = await _sent(visit), str((await visit.request.post()).get("seen", ""))
    described, faults = await asyncio.to_thread(read_school, text)
    if faults:
        return await _look(visit, text)
    try:
        compared = await apply_school(visit.services, described, _organisation(visit), visit.actor, seen)
    except SchoolChanged as changed:
        return await _look(visit, text, changed)
    if compared.faults:
        return await _page(visit, text, compared)
    raise web.HTTPSeeOther(f"{HERE}?said=school-changed")


async def pause(visit: StaffVisit) -> web.Response:
    _only_headquarters(visit)
    await pause_sending(visit.services, visit.actor)
    forget_answer(visit.request.app)
    raise web.HTTPSeeOther("/staff/doctor?said=sending-paused")


async def resume(visit: StaffVisit) -> web.Response:
    _only_headquarters(visit)
    await resume_sending(visit.services, visit.actor)
    forget_answer(visit.request.app)
    raise web.HTTPSeeOther("/staff/doctor?said=sending-resumed")


def _only_headquarters(visit: StaffVisit) -> None:
    if visit.scope.campuses is not None:
        raise AccessDenied("only headquarters may set the school up")


async def _sent(visit: StaffVisit) -> str:
    """Return the uploaded file, else the text in the form."""
    _only_headquarters(visit)
    form = await visit.request.post()
    file, text = form.get("file"), form.get("text", "")
    if isinstance(file, web.FileField) and file.filename:
        try:
            text = file.file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadInput("this is not a text file", field="file") from None
    if not isinstance(text, str) or len(text) > MAX_FILE_LENGTH:
        raise BadInput(f"at most {MAX_FILE_LENGTH} characters", field="file")
    return text.replace("\r\n", "\n")


async def _describe(visit: StaffVisit) -> str:
    async with visit.services.database.transaction(EVERYTHING) as tx:
        campuses, courses = await tx.school.list_campuses(), await tx.school.list_courses()
    return write_toml(describe_school(_organisation(visit), campuses, courses))


def _organisation(visit: StaffVisit) -> dict[str, str]:
    return visit.request.app[HUB].settings.school.model_dump()


async def _look(visit: StaffVisit, text: str, problem: SchoolChanged | None = None) -> web.Response:
    described, faults = await asyncio.to_thread(read_school, text)
    compared = await compare_school(visit.services, described, _organisation(visit))
    return await _page(visit, text, compared, faults, problem)


async def _page(
    visit: StaffVisit,
    text: str,
    compared: SchoolComparison | None = None,
    misread: Sequence[SchoolFault] = (),
    problem: SchoolChanged | None = None,
) -> web.Response:
    faults = list(dict.fromkeys([*misread, *(compared.faults if compared else ())]))
    return await show(
        visit,
        "staff/school/school.html",
        problem=problem,
        status=422 if faults else 200,
        text=text,
        compared=compared,
        faults=faults,
        say_fault=say_fault,
        say_place=say_place,
        path=path_of,
    )
