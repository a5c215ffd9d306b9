"""The phone and the calendar of the demo. These routes exist only with `qianda demo`."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from hub.demo.tls import authority_file
from hub.errors import BadInput, NotFound
from hub.model.contract.person import mask_phone
from hub.model.staff.scope import EVERYTHING
from hub.store.messaging.deliveries import opening_of_inbox
from hub.web.http.app_keys import HUB
from hub.web.pages.render import page
from hub.wiring import Hub

ZONE = ZoneInfo("Asia/Shanghai")
MAX_STEP = timedelta(days=366)
_STEP = re.compile(r"(\d{1,6})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_LINK = re.compile(r"(https?://[A-Za-z0-9.:\-\[\]/]+)")


class Advance(BaseModel):
    model_config = ConfigDict(extra="forbid")
    advance: str


@dataclass(frozen=True)
class Letter:
    """A message as the person reads it. `pieces`: text and URLs in turn, beginning with text."""

    to: str
    channel: str
    purpose: str
    text: str
    at: datetime

    @property
    def pieces(self) -> list[str]:
        return _LINK.split(self.text)

    @property
    def shown_at(self) -> str:
        return f"{self.at.astimezone(ZONE):%m-%d %H:%M}"

    def json(self) -> dict[str, str]:
        return {
            "to": self.to,
            "channel": self.channel,
            "purpose": self.purpose,
            "text": self.text,
            "at": self.at.astimezone(ZONE).isoformat(),
        }


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    return [
        web.get("/demo/phone", phone),
        web.get("/demo/phone.json", phone_json),
        web.get("/demo/authority.crt", authority),
        web.get("/demo/clock", clock),
        web.post("/demo/clock", advance),
    ]


async def _letters(hub: Hub, number: str | None) -> list[Letter]:
    async with hub.database.transaction(EVERYTHING, opening_of_inbox(hub.database.cipher, number)) as tx:
        inbox = await tx.deliveries.list_inbox(number)
    render = hub.services.messaging.router.renderer.render_with_link
    return [
        Letter(each.to, each.channel, each.purpose, render(each, link).text, each.created_at) for each, link in inbox
    ]


async def phone_json(request: web.Request) -> web.Response:
    number = request.query.get("phone")
    return web.json_response([letter.json() for letter in await _letters(request.app[HUB], _number(number))])


def _number(text: str | None) -> str | None:
    """Return the phone number. An unescaped plus sign in a URL arrives as a space, so both are accepted."""
    return f"+{text.strip().removeprefix('+')}" if text and text.strip() else None


async def phone(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    number = _number(request.query.get("phone"))
    letters = await _letters(hub, number)
    now = (await _now(hub)).astimezone(ZONE)
    context: dict[str, Any] = {"number": number, "now": f"{now:%Y-%m-%d %H:%M}", "letters": letters[::-1]}
    if number is None:
        context["phones"] = _phones(letters)
    template = "demo/inbox.html" if request.query.get("part") == "inbox" else "demo/phone.html"
    return page(request, template, mask_phone=mask_phone, **context)


def _phones(letters: Sequence[Letter]) -> list[tuple[Letter, int]]:
    """Return the last message of each number with the number of its messages, newest first."""
    last = {letter.to: letter for letter in letters}
    counts = {number: sum(letter.to == number for letter in letters) for number in last}
    return sorted(((letter, counts[number]) for number, letter in last.items()), key=lambda each: each[0].at)[::-1]


async def authority(request: web.Request) -> web.Response:
    """Return the root certificate of the demo's HTTPS, for installation on phones. Only served at a private address."""
    file = authority_file(request.app[HUB].settings.data)
    if not request.app[HUB].services.origin.startswith("https://") or not await asyncio.to_thread(file.exists):
        raise NotFound
    der = ssl.PEM_cert_to_DER_cert(await asyncio.to_thread(file.read_text))
    disposition = {"Content-Disposition": 'attachment; filename="qianda-demo.crt"'}
    return web.Response(body=der, content_type="application/x-x509-ca-cert", headers=disposition)


# ---- the calendar


async def clock(request: web.Request) -> web.Response:
    return web.json_response({"now": (await _now(request.app[HUB])).astimezone(ZONE).isoformat()})


async def advance(request: web.Request) -> web.StreamResponse:
    """Advance the planning clock (sending, deadlines). Certificates, timestamps, sessions and codes use real time."""
    hub = request.app[HUB]
    form = request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data")
    step = _step(str((await request.post()).get("advance", ""))) if form else _asked(await request.read())
    async with hub.database.transaction(EVERYTHING) as tx:
        await tx.school.advance_clock(step)
        await tx.tasks.tell_workers()
    if form:
        raise web.HTTPSeeOther("/demo/phone" + (f"?{request.query_string}" if request.query_string else ""))
    return await clock(request)


def _asked(body: bytes) -> timedelta:
    try:
        return _step(Advance.model_validate_json(body).advance)
    except ValidationError:
        raise BadInput('say {"advance": "1d"}', field="advance") from None


def _step(text: str) -> timedelta:
    match = _STEP.fullmatch(text)
    step = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < step <= MAX_STEP:
        raise BadInput("a time ahead like 1d, 3h or 30m, at most a year", field="advance")
    return step


async def _now(hub: Hub) -> datetime:
    async with hub.database.transaction(EVERYTHING) as tx:
        return tx.planning_now
