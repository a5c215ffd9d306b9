"""Pages about course posters: list them, show their enrolments, print them, revoke them, make new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from hub.documents.school.allowed_list import read_entries
from hub.documents.school.poster import PosterFacts, poster_sheet, sticker_sheet
from hub.errors import BadInput, QiandaError
from hub.lifecycle.school.posters import (
    NewPoster,
    add_poster,
    build_poster_doorway,
    code_of,
    get_offer,
    print_poster,
    revoke_poster,
)
from hub.model.school.entered_day import end_of_day, require_day
from hub.model.school.poster import Poster, PosterEnrolment, PosterMode, ScanStep
from hub.store.transaction import Transaction
from hub.web.pages.files import data_url
from hub.web.staff.contract.contract import note_view
from hub.web.staff.forms import Entered, read_limit
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

USUAL_LIFE = timedelta(days=30)


def standing(poster: Poster, enrolled: int, now: datetime) -> str:
    """Return the key of the label for the poster's state."""
    if poster.revoked_at is not None:
        return "revoked"
    if now >= poster.expires_at:
        return "expired"
    return "full" if poster.full(enrolled) else "open"


async def posters(visit: StaffVisit) -> web.Response:
    async with visit.services.database.transaction(visit.shown) as tx:
        found = await tx.posters.list_posters()
        counts = await tx.posters.get_counts([each.id for each in found])
        now = tx.now
    return await show(
        visit,
        "staff/school/posters.html",
        posters=found,
        counts=counts,
        steps=ScanStep,
        standing={each.id: standing(each, counts[each.id][ScanStep.ENROLLED], now) for each in found},
    )


async def poster(visit: StaffVisit) -> web.Response:
    """Show the poster with its code. The enrolments are on a page of their own."""
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await get_offer(tx, await tx.posters.get(visit.read_id("poster")))
        ticket = tx.posters.ticket(found.poster)
        counts = (await tx.posters.get_counts([found.poster.id]))[found.poster.id]
        now = tx.now
    door = build_poster_doorway(visit.services, ticket)
    shown = code_of(visit.services, ticket)
    return await show(
        visit,
        "staff/school/poster.html",
        offer=found,
        poster=found.poster,
        counts=counts,
        steps=ScanStep,
        door=door,
        svg=data_url((shown.svg or "").encode(), "image/svg+xml"),
        png=data_url(shown.png or b"", "image/png"),
        standing=standing(found.poster, counts[ScanStep.ENROLLED], now),
    )


async def people(visit: StaffVisit) -> web.Response:
    """Show the enrolments at the campuses that this member of staff may see. The record of each contract shows who saw
    its people."""
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.posters.get(visit.read_id("poster"))
        came = [await _person(visit, tx, each) for each in await tx.posters.list_enrolments(found.id)]
    return await show(
        visit, "staff/school/poster_people.html", poster=found, came=came, at=visit.campuses_by_id[found.campus]
    )


async def _person(visit: StaffVisit, tx: Transaction, enrolled: PosterEnrolment) -> dict[str, Any]:
    enrolment = await tx.school.get_enrolment(enrolled.enrolment)
    course = await tx.school.get_course(enrolment.campus, enrolment.course)
    contract = await tx.contracts.get(enrolled.contract) if enrolled.contract else None
    if contract:
        await note_view(visit, tx, contract, await tx.record.list_entries(contract.id))
    return {"at": enrolled.at, "name": enrolment.student_name, "course": course, "contract": contract}


# ---- on paper


async def sheet(visit: StaffVisit) -> web.Response:
    return await _pdf(visit, poster_sheet, "poster")


async def stickers(visit: StaffVisit) -> web.Response:
    return await _pdf(visit, sticker_sheet, "stickers")


async def _pdf(visit: StaffVisit, print_: Callable[[PosterFacts], bytes], name: str) -> web.Response:
    made = await print_poster(visit.services, visit.scope, visit.read_id("poster"), print_)
    shown = {"Content-Disposition": f'inline; filename="{name}-{made.poster.id.hex[:8]}.pdf"'}
    return web.Response(body=made.pdf, content_type="application/pdf", headers=shown)


# ---- revoking a poster


async def ask_revoke(visit: StaffVisit) -> web.Response:
    """Show the page that asks for confirmation. Revoking cannot be undone, so it has a page of its own."""
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.posters.get(visit.read_id("poster"))
    return await show(visit, "staff/school/poster_revoke.html", poster=found)


async def revoke(visit: StaffVisit) -> web.StreamResponse:
    await revoke_poster(visit.services, visit.scope, visit.read_id("poster"))
    raise web.HTTPSeeOther(f"/staff/posters/{visit.read_id('poster')}?said=poster-revoked")


# ---- a new poster


async def form(visit: StaffVisit) -> web.Response:
    until = (visit.services.clock() + USUAL_LIFE).date().isoformat()
    return await _form(visit, {"expires_at": until, "mode": PosterMode.CONTRACT.value}, [])


async def _form(
    visit: StaffVisit, entered: Mapping[str, str], chosen: Sequence[str], problem: QiandaError | None = None
) -> web.Response:
    async with visit.services.database.transaction(visit.scope) as tx:
        courses = await tx.school.list_courses()
    offered = [(campus, [each for each in courses if each.campus == campus.id]) for campus in visit.campuses]
    return await show(
        visit,
        "staff/school/poster_new.html",
        entered=Entered(entered),
        chosen=set(chosen),
        modes=list(PosterMode),
        offered=[(campus, of_campus) for campus, of_campus in offered if of_campus],
        problem=problem,
    )


async def put_up(visit: StaffVisit) -> web.StreamResponse:
    sent = await visit.request.post()
    entered = {name: value.replace("\x00", "")[:200_000] for name, value in sent.items() if isinstance(value, str)}
    chosen = [str(value) for value in sent.getall("course", []) if value]
    try:
        allowed = entered.get("allowed", "").splitlines() + await _uploaded(sent.get("list"))
        made = await add_poster(visit.services, visit.scope, _asked(visit, entered, chosen, allowed), visit.actor)
    except QiandaError as error:
        return await _form(visit, entered, chosen, error)
    raise web.HTTPSeeOther(f"/staff/posters/{made.id}?said=poster-made")


async def _uploaded(upload: object) -> list[str]:
    """Return the entries of the uploaded list; none without an upload. Raises UnreadableFile."""
    if not isinstance(upload, web.FileField) or not (data := upload.file.read()):
        return []
    return await read_entries(data)


def _asked(visit: StaffVisit, entered: Mapping[str, str], chosen: Sequence[str], allowed: Sequence[str]) -> NewPoster:
    pairs = [each.partition("/")[::2] for each in chosen]
    campuses = {campus for campus, _ in pairs}
    if len(campuses) != 1:
        raise BadInput("choose courses of one campus", field="courses")
    campus = campuses.pop()
    return NewPoster(
        campus=campus,
        title=entered.get("title", ""),
        courses=[course for _, course in pairs],
        mode=entered.get("mode", ""),
        expires_at=end_of_day(require_day(entered.get("expires_at", ""), "expires_at"), visit.zone_of(campus)),
        maximum=read_limit(entered.get("maximum", ""), 6, "maximum"),
        allowed=allowed,
    )
