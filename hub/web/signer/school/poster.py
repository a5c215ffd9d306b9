"""The landing page of a poster, which leads step by step to a contract.

Viewing it changes nothing and is not counted as a scan. Only a browser that used this poster before continues where it
left off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from aiohttp import web

from hub.documents.contract.wording import day
from hub.errors import QiandaError
from hub.lifecycle.school import guests
from hub.lifecycle.school.posters import PosterOffer
from hub.lifecycle.signing.entry.open_link import session_of
from hub.model.contract.person import IdType, format_id_type
from hub.model.school.poster import PosterMode
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from hub.web.http.app_keys import HUB
from hub.web.http.security import COOKIE
from hub.web.pages.i18n import language_of
from hub.web.pages.render import page
from hub.web.signer.school.enrolling import course_json
from hub.web.signer.signing.landing import can_read_aloud


@dataclass(frozen=True)
class PosterState:
    """State of this browser's visitor. `going_on`: the contract drawn from the enrolment."""

    begin: str = "start"
    opened: bool = False
    verified: bool = False
    going_on: UUID | None = None


def routes() -> Iterable[web.AbstractRouteDef]:
    return [web.get("/p/{poster}", landing), web.get("/P/{poster}", landing)]


async def landing(request: web.Request) -> web.Response:
    """Show the landing page of a poster. Raises LinkNotValid."""
    offer, full = await guests.get_open_offer(request.app[HUB].services, request.match_info["poster"])
    standing = await _standing(request, offer)
    language = language_of(request)
    begin = "full" if full and standing.begin == "start" else standing.begin
    return page(
        request,
        "signer/poster.html",
        offer=offer,
        begin=begin,
        opened=standing.opened,
        verified=standing.verified,
        going_on=standing.going_on,
        at_once=offer.poster.mode is PosterMode.CONTRACT,
        campus=offer.campus.named(language),
        can_read_aloud=can_read_aloud(request),
        courses=[_written(course_json(each, language), language) for each in offer.courses],
        id_types=[(each.value, format_id_type(each, language)) for each in IdType],
    )


def _written(course: dict[str, Any], language: str) -> dict[str, Any]:
    """Return the facts of a course, with its dates as they are written in this language."""
    return course | {each: day(date.fromisoformat(course[each]), language) for each in ("starts", "ends")}


async def _standing(request: web.Request, offer: PosterOffer) -> PosterState:
    secret = request.cookies.get(COOKIE)
    if not secret:
        return PosterState()
    try:
        async with request.app[HUB].database.transaction(EVERYTHING) as tx:
            return await _visiting(tx, secret, offer) or await _signing(tx, secret, offer)
    except QiandaError:  # an old cookie: show the page for new visitors
        return PosterState()


async def _visiting(tx: Transaction, secret: str, offer: PosterOffer) -> PosterState | None:
    visitor = await tx.visitors.find_by_secret(secret)
    if visitor is None or not visitor.live(tx.now) or visitor.poster != offer.poster.id:
        return None
    if visitor.verified_at is None:
        return PosterState("code", opened=True)
    enrolled = await tx.posters.has_enrolled(offer.poster.id, visitor.id)
    return PosterState("asked" if enrolled else "course", opened=True, verified=True)


async def _signing(tx: Transaction, secret: str, offer: PosterOffer) -> PosterState:
    """Return the state of a visitor who became a signer by this poster."""
    session = await session_of(tx, secret)
    mine = session.verified_at is not None and await tx.posters.has_drawn(offer.poster.id, session.contract)
    return PosterState("back", going_on=session.contract) if mine else PosterState()
