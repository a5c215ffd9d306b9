"""The pages after verification: read, sign, done; also decline, question, text version and devices.

Each page redirects to the page that suits the present state, so that a returning visitor continues where they left off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.documents.contract.wording import minute
from hub.lifecycle.contract.give_answers import asked_fields, labelled_fields
from hub.lifecycle.contract.terms import ROLE_WORDS, card
from hub.lifecycle.evidence.make_addendum import has_addendum
from hub.lifecycle.messaging.send import deadline_words
from hub.lifecycle.signing import device_keys
from hub.lifecycle.signing.custody import accepted_custody
from hub.lifecycle.signing.entry.open_link import contracts_of
from hub.lifecycle.signing.sign import consent_for
from hub.model.contract.attachment import MAX_ATTACHMENT_BYTES
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import SigningTask, TaskState
from hub.model.signing.signature_request import Custody
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import HUB
from hub.web.http.security import clear_session, refuse_other_sites, session_secret
from hub.web.pages.i18n import language_of
from hub.web.pages.render import page
from hub.web.signer.contract.reading import SignerView, blocks_of, get_signer_view
from hub.web.signer.signing.answering import get_attached
from hub.web.signer.user_agent import BrowserKind, System, recognised
from qianda.passkey import relying_party

ENDED = {
    ContractState.COMPLETED: "completed",
    ContractState.VOIDED: "withdrawn",
    ContractState.EXPIRED: "expired",
    ContractState.DECLINED: "declined",
    ContractState.SIGNED_ON_PAPER: "paper",
}

# The page number under which an opening of the text version is noted. Real pages count from 1.
TEXT_VERSION = 0


@dataclass(frozen=True)
class PageState:
    """State shown by a page. `standing`: open, waiting, signed, declined-by-you, or one of ENDED. `others`: all
    contracts of the visit with their states. `devices`: number of the signer's devices with a key that is not revoked.
    """

    view: SignerView
    standing: str
    others: list[tuple[Contract, str]]
    devices: int

    @property
    def id(self) -> str:
        return str(self.view.contract.id)

    @property
    def number(self) -> int:
        return [contract.id for contract, _ in self.others].index(self.view.contract.id) + 1

    @property
    def next_open(self) -> Contract | None:
        """The next contract that this person can sign now: first those after the present one in the list, then those
        before it."""
        start = self.number - 1
        return next(
            (
                each
                for each, standing in self.others[start:] + self.others[:start]
                if standing == "open" and each.id != self.view.contract.id
            ),
            None,
        )

    @property
    def signed(self) -> int:
        return sum(standing in ("signed", "completed") for _, standing in self.others)


def routes() -> Iterable[web.AbstractRouteDef]:
    return [
        web.get("/sign/contract", read),
        web.get("/sign/answers", answers),
        web.get("/sign/text", text),
        web.get("/sign/signature", sign),
        web.get("/sign/token", token),
        web.get("/sign/done", done),
        web.post("/sign/leave", leave),
        web.get("/sign/decline", decline),
        web.get("/sign/question", question),
        web.get("/sign/devices", devices),
    ]


async def read(request: web.Request) -> web.Response:
    """Show the contract: on a phone, its text, which fits the screen, and then its pages; elsewhere the pages."""
    place = await _get_open_page(request)
    _ask_first(place)
    text_first = recognised(request.headers.get("User-Agent", "")).system is not System.DESKTOP
    if text_first:
        await _note_text(request, place)
    blocks = blocks_of(place.view.contract) if text_first else []
    return _show(
        request,
        "signer/read.html",
        place,
        changed="changed" in request.query,
        may_change_answers=bool(asked_fields(place.view.contract)) and not place.view.contract.revision,
        text_first=text_first,
        blocks=blocks,
    )


async def _get_open_page(request: web.Request) -> PageState:
    """Return the state of a page for signers who can still sign. Redirect others."""
    place = await get_page_state(request)
    if place.standing != "open":
        raise web.HTTPSeeOther(f"/sign/done?id={place.id}")
    return place


def _ask_first(place: PageState) -> None:
    """Redirect to the form if it has to be filled in before the contract can be read as it will be signed."""
    if place.view.contract.lacks_answers:
        raise web.HTTPSeeOther(f"/sign/answers?id={place.id}")


async def answers(request: web.Request) -> web.Response:
    """Show what the contract asks for, until somebody has signed it."""
    place = await get_page_state(request)
    seen = place.view.contract
    templates = request.app[HUB].services.documents.printer.templates
    fields = labelled_fields(templates, seen, language_of(request, place.view.signer.language))
    if place.standing != "open" or not fields or seen.revision:
        raise web.HTTPSeeOther(f"/sign/contract?id={place.id}")
    attached = await get_attached(request, seen)
    values = seen.data.get("answers", {})
    known = {"fields": fields, "values": values, "attached": attached, "max_bytes": MAX_ATTACHMENT_BYTES}
    return _show(request, "signer/answers.html", place, **known)


async def _note_text(request: web.Request, place: PageState) -> None:
    """Note, as evidence, that the text of this revision was shown. Images of pages are noted in the same way."""
    visit = place.view.visit
    if visit.contract.document is not None and not visit.task.state.final:
        async with request.app[HUB].database.transaction(EVERYTHING) as tx:
            await tx.sessions.page_seen(visit.task.id, visit.contract.document, TEXT_VERSION, tx.now)


async def text(request: web.Request) -> web.Response:
    refuse_other_sites(request)  # that it was shown is noted as evidence
    place = await get_page_state(request)
    if place.standing == "open":
        _ask_first(place)
    await _note_text(request, place)
    return _show(request, "signer/text.html", place, blocks=blocks_of(place.view.contract))


async def sign(request: web.Request) -> web.Response:
    """Show the page for signing in this browser, with a link to signing by USB token if the device may have USB ports.

    If the contract requires another kind of key, the page shows how to use one.
    """
    place = await get_page_state(request)
    accepted = accepted_custody(request.app[HUB].services, place.view.contract, place.view.signer)
    template = "signer/sign.html" if not accepted or Custody.BROWSER in accepted else "signer/other_key.html"
    passkeys = _can_have_passkeys(request)
    return await _to_sign(request, template, usb_offered=_has_ports(request), passkeys=passkeys)


async def token(request: web.Request) -> web.Response:
    """Show the page for signing with a USB token, by the agent on the person's computer."""
    return await _to_sign(request, "signer/token.html", origin=request.app[HUB].services.origin)


def _can_have_passkeys(request: web.Request) -> bool:
    inside_wechat = recognised(request.headers.get("User-Agent", "")).browser_kind is BrowserKind.WECHAT
    return not inside_wechat and relying_party(request.app[HUB].services.origin) is not None


def _has_ports(request: web.Request) -> bool:
    device = recognised(request.headers.get("User-Agent", ""))
    return device.system is System.DESKTOP and device.browser_kind is BrowserKind.BROWSER


async def _to_sign(request: web.Request, template: str, **more: Any) -> web.Response:
    """Show a signing page, or first the document again if it changed after it was read."""
    place = await _get_open_page(request)
    _ask_first(place)
    if request.query.get("document", place.view.contract.document) != place.view.contract.document:
        raise web.HTTPSeeOther(f"/sign/contract?id={place.id}&changed")
    seen, me = place.view.contract, place.view.signer
    consent = consent_for(request.app[HUB].services, seen, me.language)
    return _show(request, template, place, consent=consent, **more)


async def done(request: web.Request) -> web.Response:
    place = await get_page_state(request)
    if place.standing == "open":
        raise web.HTTPSeeOther(f"/sign/contract?id={place.id}")
    seen, added = place.view.contract, False
    if seen.ended_at:
        async with request.app[HUB].database.transaction(EVERYTHING) as tx:
            added = await has_addendum(tx, seen.id)
    return _show(request, "signer/done.html", place, added=added)


async def decline(request: web.Request) -> web.Response:
    place = await _get_open_page(request)
    return _show(request, "signer/decline.html", place)


async def question(request: web.Request) -> web.Response:
    return _show(request, "signer/question.html", await get_page_state(request))


async def leave(request: web.Request) -> web.Response:
    """Take the session from this browser, for whoever signed on a shared device, such as a tablet of the school. Only
    the browser's cookie has its secret."""
    left = web.Response(status=303, headers={"Location": "/s"})
    clear_session(left)
    return left


async def devices(request: web.Request) -> web.Response:
    """Show the devices of this person, including revoked ones."""
    place = await get_page_state(request)
    found, _ = await device_keys.list_devices(request.app[HUB].services, session_secret(request))
    if not found:
        raise web.HTTPSeeOther(f"/sign/contract?id={place.id}")
    return _show(request, "signer/devices.html", place, devices=found, lost="lost" in request.query, when=_when)


async def get_page_state(request: web.Request) -> PageState:
    """Return the state for a page. Raises SessionNotValid and NotVerified, which are both shown as "your visit has
    ended", and ContractNotFound."""
    view = await get_signer_view(request)
    async with request.app[HUB].database.transaction(EVERYTHING) as tx:
        others = await contracts_of(tx, view.visit.session, view.signer.person)
        now = tx.planning_now
        live = await tx.app_keys.count_live(view.signer.person)
    standings = [(each, _standing(each, task, now)) for each, task in others]
    return PageState(view, _standing(view.contract, view.visit.task, now), standings, live)


def _standing(contract: Contract, task: SigningTask, now: datetime) -> str:
    if task.state is TaskState.DECLINED:
        return "declined-by-you"
    if contract.state in ENDED:
        return ENDED[contract.state]
    if task.state is TaskState.SIGNED:
        return "signed"
    if now >= contract.deadline:
        return "expired"
    return "open" if task.state is TaskState.OPEN else "waiting"


def _show(request: web.Request, template: str, place: PageState, **more: Any) -> web.Response:
    view = place.view
    seen, me = view.contract, view.signer
    lang = language_of(request, me.language)
    accepted = accepted_custody(request.app[HUB].services, seen, me)
    return page(
        request,
        template,
        language=lang,
        place=place,
        contract=seen,
        me=me,
        standing=place.standing,
        accepted=accepted,
        summary=card(seen, view.campus.zone, lang),
        campus=view.campus.named(lang),
        campus_phone=view.campus.phone,
        parties=_parties(view, lang),
        deadline=deadline_words(seen.deadline, replace(me, language=lang)),
        signed_at=_when(view.visit.task.accepted_at, me.zone, lang),
        **more,
    )


def _parties(view: SignerView, lang: str) -> list[dict[str, Any]]:
    return [
        {
            "role": ROLE_WORDS[each.signer.role][lang],
            "name": each.signer.name,
            "state": each.task.state.value,
            "you": each.signer.id == view.signer.id,
        }
        for each in view.visit.case.parties
    ]


def _when(at: datetime | None, zone: str, language: str) -> str:
    return minute(at.astimezone(ZoneInfo(zone)), language) if at else ""
