"""Serve what a verified signer can read: the contract's summary, its pages, its text and its files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from hub.errors import ContractNotFound, NotCompleted, NotFound
from hub.lifecycle.contract.terms import card
from hub.lifecycle.evidence.make_addendum import add_addendum, find_addendum
from hub.lifecycle.evidence.open_package import find_package
from hub.lifecycle.evidence.renewed_record import add_renewed_version
from hub.lifecycle.signing.custody import accepted_custody
from hub.lifecycle.signing.entry.open_link import Visit, get_visit, get_visit_with_campus
from hub.lifecycle.signing.entry.see_page import see_page
from hub.lifecycle.signing.sign import consent_for
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Signer, TaskState
from hub.model.school.course import Campus
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import HUB, PAGE_IMAGES
from hub.web.http.security import refuse_other_sites, session_secret
from hub.web.pages.files import OFD, PACKAGE, download
from hub.web.pages.i18n import chosen_language
from hub.web.signer.answers import contract_id, iso
from hub.web.signer.signing.answering import asks_json


@dataclasses.dataclass(frozen=True)
class SignerView:
    """What a signer sees: the contract of a visit, and its campus."""

    visit: Visit
    campus: Campus

    @property
    def contract(self) -> Contract:
        return self.visit.contract

    @property
    def signer(self) -> Signer:
        return self.visit.signer


def routes() -> Iterable[web.AbstractRouteDef]:
    base = "/sign/v1"
    return [
        web.get(f"{base}/contract", contract),
        web.get(f"{base}/pages/{{number:[0-9]{{1,3}}}}.png", page_image),
        web.get(f"{base}/text", text),
        web.get(f"{base}/document.pdf", document),
        web.get(f"{base}/final.pdf", final),
        web.get(f"{base}/document.ofd", document_ofd),
        web.get(f"{base}/final.ofd", final_ofd),
        web.get(f"{base}/evidence.zip", evidence),
        web.get(f"{base}/addendum.zip", addendum),
    ]


async def get_signer_view(request: web.Request, *, agent: bool = False) -> SignerView:
    """Return what the signer of a request sees. `agent`: also allow the session of an agent that is paired with a page.

    Raises SessionNotValid, NotVerified, NotForAgents, ContractNotFound.
    """
    database = request.app[HUB].database
    return SignerView(
        *await get_visit_with_campus(database, session_secret(request), contract_id(request), agent=agent)
    )


async def contract(request: web.Request) -> web.Response:
    return web.json_response(contract_json(request, await get_signer_view(request, agent=True)))


def contract_json(request: web.Request, view: SignerView) -> dict[str, Any]:
    """Return the contract as JSON. `summary`: in the visitor's chosen language, otherwise the signer's. `deadline`: ISO
    8601. `custody`: the accepted kinds of custody; empty for any. `asks`, `answered`: see `asks_json`. `ofd_sha256`: of
    the OFD as issued; null without one."""
    seen, me = view.contract, view.signer
    consent = consent_for(request.app[HUB].services, seen, me.language)
    language = chosen_language(request) or me.language
    return {
        "id": str(seen.id),
        "number": seen.number,
        "title": seen.title,
        "state": seen.state.value,
        "task": view.visit.task.state.value,
        "summary": card(seen, view.campus.zone, language),
        "pages": seen.pages,
        "document_sha256": seen.document,
        "ofd_sha256": seen.issued_ofd_sha256,
        "consent": {"version": consent.version, "text": consent.text, "sha256": consent.sha256},
        "signers": [
            {
                "role": each.signer.role.value,
                "name": each.signer.name,
                "state": each.task.state.value,
                "you": each.signer.id == me.id,
            }
            for each in view.visit.case.parties
        ],
        "deadline": iso(seen.deadline),
        "custody": list(accepted_custody(request.app[HUB].services, seen, me)),
        "campus": view.campus.named(language),
        **asks_json(seen),
    }


async def page_image(request: web.Request) -> web.Response:
    """Return the image of a page of the current revision, counted from 1. The access is recorded as evidence."""
    refuse_other_sites(request)  # otherwise the record would name a page that nobody looked at
    number = int(request.match_info["number"])
    services = request.app[HUB].services
    seen = await see_page(services, session_secret(request), contract_id(request), number)
    assert seen.document is not None
    images = await request.app[PAGE_IMAGES].of(seen.document, services.files.get)
    return web.Response(body=images[number - 1], content_type="image/png")


async def text(request: web.Request) -> web.Response:
    """Return the contract as plain text, for large type and screen readers."""
    view = await get_signer_view(request)
    lines = [view.contract.title, view.contract.number, ""]
    for block in blocks_of(view.contract):
        lines += _block_lines(block)
    return web.Response(text="\n".join(lines), content_type="text/plain", charset="utf-8")


def blocks_of(seen: Contract) -> list[dict[str, Any]]:
    """Return the blocks of the layout. `kind`: heading, paragraph or table."""
    blocks: list[dict[str, Any]] = seen.data.get("text", [])
    return blocks


def _block_lines(block: dict[str, Any]) -> list[str]:
    match block["kind"]:
        case "heading":
            return ["", f"{block['number']} {block['text']}".strip()]
        case "table":
            caption = [block["caption"]] if block.get("caption") else []
            return caption + [" | ".join(row) for row in block["rows"]]
    return [f"{block.get('number', '')} {block['text']}".strip()]


async def document(request: web.Request) -> web.Response:
    """Return the current revision to a signer who still has to sign; afterwards only the final file is available."""
    return await _pdf(request, await _seen_to_sign(request), "inline")


async def document_ofd(request: web.Request) -> web.Response:
    """Return the OFD as issued to a signer who still has to sign, and the sealed one after completion."""
    return await _ofd(request, await _seen_to_sign(request))


async def _seen_to_sign(request: web.Request) -> Contract:
    """Return the contract. Raises NotCompleted unless the signer still has to sign or the contract is completed."""
    secret, wanted = session_secret(request), contract_id(request)
    seen = await get_visit(request.app[HUB].database, secret, wanted, agent=True)
    still_to_sign = seen.task.state in (TaskState.OPEN, TaskState.WAITING)
    if not still_to_sign and seen.contract.state is not ContractState.COMPLETED:
        raise NotCompleted
    return seen.contract


async def final(request: web.Request) -> web.Response:
    return await _pdf(request, await _completed(request), "attachment")


async def final_ofd(request: web.Request) -> web.Response:
    return await _ofd(request, await _completed(request))


async def _completed(request: web.Request) -> Contract:
    seen = (await get_signer_view(request)).contract
    if seen.state is not ContractState.COMPLETED:
        raise NotCompleted
    return seen


async def _ofd(request: web.Request, seen: Contract) -> web.Response:
    if seen.ofd_sha256 is None:
        raise NotFound("the contract has no OFD")
    return await _download(request, f"{seen.number}.ofd", seen.ofd_sha256, OFD)


async def _pdf(request: web.Request, seen: Contract, disposition: str) -> web.Response:
    content = await request.app[HUB].services.files.get(_current(seen))
    headers = {"Content-Disposition": f'{disposition}; filename="{seen.number}.pdf"'}
    return web.Response(body=content, content_type="application/pdf", headers=headers)


async def evidence(request: web.Request) -> web.Response:
    """Return the evidence package to a signer. Raises NotFound until it has been made."""
    refuse_other_sites(request)  # a renewed version may have to be added first
    hub = request.app[HUB]
    seen = (await get_visit(hub.database, session_secret(request), contract_id(request))).contract
    await add_renewed_version(hub.services, seen.id)
    async with hub.database.transaction(EVERYTHING) as tx:
        package = await find_package(tx, seen.id)
    return await _download(request, f"{seen.number}-evidence.zip", package.sha256, PACKAGE)


async def addendum(request: web.Request) -> web.Response:
    """Return what happened after the evidence package was signed. Raises NotFound if nothing has."""
    refuse_other_sites(request)  # it may have to be made first
    hub = request.app[HUB]
    seen = (await get_visit(hub.database, session_secret(request), contract_id(request))).contract
    await add_addendum(hub.services, seen.id)
    async with hub.database.transaction(EVERYTHING) as tx:
        made = await find_addendum(tx, seen.id)
    return await _download(request, f"{seen.number}-addendum.zip", made.sha256, PACKAGE)


async def _download(request: web.Request, name: str, sha256: str, content_type: str) -> web.Response:
    return download(await request.app[HUB].services.files.get(sha256), name, content_type)


def _current(seen: Contract) -> str:
    if seen.document is None:
        raise ContractNotFound
    return seen.document
