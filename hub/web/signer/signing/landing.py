"""Show the landing page of a link, without side effects and personal data: campus and deadline, or that the link is not
valid.

Only a browser that opened the ticket before, and still has its session, continues where the visitor left off.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from aiohttp import web

from hub.errors import LinkNotValid, QiandaError
from hub.lifecycle.signing.entry.open_link import find_opened_link, get_link_notice
from hub.model.messaging.message import format_moment
from hub.model.signing.link import normalise_ticket
from hub.model.signing.pickup_code import is_pickup_code, is_pickup_secret
from hub.model.staff.scope import EVERYTHING
from hub.store.signing.links import opening_by_ticket, opening_of_opened
from hub.web.http.app_keys import HUB
from hub.web.http.security import COOKIE
from hub.web.pages.i18n import language_of
from hub.web.pages.render import page, page_for_all
from hub.web.signer.user_agent import app_button_url, recognised

# The most characters of a typed code that the page shows again.
MAX_CODE_LENGTH = 40


def routes() -> Iterable[web.AbstractRouteDef]:
    return [
        web.get("/s", pickup),
        web.get("/S", pickup),
        web.get("/s/{ticket}", landing),
        web.get("/S/{ticket}", landing),
    ]


async def pickup(request: web.Request) -> web.Response:
    """Show the page for typing a code: the pickup code in a message, or the ticket printed below a QR code.

    `opened`: this browser has sent a code, correct or not, and waits for the one-time code.
    """
    typed = request.query.get("code", "")[:MAX_CODE_LENGTH]
    ticket = normalise_ticket(typed)
    if ticket is not None:
        raise web.HTTPSeeOther(f"/{'p' if await _of_a_poster(request, ticket) else 's'}/{ticket}")
    opened = is_pickup_secret(request.cookies.get(COOKIE, "")) and not typed
    wrong = bool(typed) and not is_pickup_code(typed)
    return page(
        request, "signer/pickup.html", typed=typed, wrong=wrong, opened=opened, can_read_aloud=can_read_aloud(request)
    )


async def _of_a_poster(request: web.Request, ticket: str) -> bool:
    async with request.app[HUB].database.transaction(EVERYTHING) as tx:
        return await tx.posters.find_by_ticket(ticket) is not None


async def landing(request: web.Request) -> web.Response:
    opened, going_on = False, None
    secret, ticket = request.cookies.get(COOKIE), normalise_ticket(request.match_info["ticket"])
    if secret and ticket:
        opened, going_on = await _known(request, secret, ticket)
    if going_on is not None:
        raise web.HTTPSeeOther(f"/sign/contract?id={going_on}")
    said = {"begin": "code", "campus": "", "deadline": "", "phone": ""} if opened else await _notice(request, ticket)
    return page_for_all(
        request, "signer/landing.html", can_read_aloud=can_read_aloud(request), **said, **offered(request)
    )


async def _notice(request: web.Request, ticket: str | None) -> dict[str, str]:
    """Return the panel that the page shows first, and the words about the contract in it, if they are known now."""
    said = {"begin": "start", "campus": "", "deadline": "", "phone": ""}
    try:
        opening = opening_by_ticket(request.app[HUB].services.signing.keys, ticket, is_all=True) if ticket else None
        async with request.app[HUB].database.transaction(EVERYTHING, opening) as tx:
            notice = await get_link_notice(tx, ticket)
    except LinkNotValid:
        return said | {"begin": "gone"}
    except QiandaError:  # the database is unavailable, so say nothing about the contract
        return said
    language = language_of(request)
    said |= {"campus": notice.campus.named(language), "phone": notice.campus.phone}
    if notice.deadline:
        said["deadline"] = format_moment(notice.deadline, notice.campus.zone, language)
    return said


def can_read_aloud(request: web.Request) -> bool:
    """Return whether codes can be sent by voice, whatever the signer's number, since this page is the same for all."""
    return "voice" in request.app[HUB].services.messaging.router.configured


def offered(request: web.Request) -> dict[str, Any]:
    """Return the values for `signer/app.html`.

    The school's app opens only after a tap. The demo shows what this looks like. `app=none`: Android returned here,
    because the app is not installed.
    """
    hub = request.app[HUB]
    device = recognised(request.headers.get("User-Agent", ""))
    app_is_missing = request.query.get("app") == "none"
    url = app_button_url(device, hub.app_link, hub.services.origin, any_system=hub.demo)
    return {"device": device, "app_is_missing": app_is_missing, "app_address": "" if app_is_missing else url}


async def _known(request: web.Request, secret: str, ticket: str) -> tuple[bool, UUID | None]:
    """Return whether this browser's session belongs to the ticket and waits for its code, and the contract if the
    session is verified. A window that got no code, because one had just been sent for another window, does not wait for
    a code."""
    if is_pickup_secret(secret):
        return False, None
    hub = request.app[HUB]
    try:
        opening = opening_of_opened(hub.services.signing.keys, secret, ticket)
        async with hub.database.transaction(EVERYTHING, opening) as tx:
            opened = await find_opened_link(tx, secret, ticket)
    except QiandaError:  # an old cookie, or no database: show the page for new visitors
        return False, None
    if opened is None or opened.link is None:
        return False, None
    session, link = opened.session, opened.link
    if session.verified_at is None:
        return link.id == session.link and opened.has_code, None
    return False, link.contract if opened.is_same_person and link.contract in session.contracts else None
