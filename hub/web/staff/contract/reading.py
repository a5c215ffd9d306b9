"""Serve what staff can read of a contract: the pages of its present document as images, its files and attachments.

A contract outside of their campuses is answered like an unknown one.
"""

from __future__ import annotations

from aiohttp import web

from hub.errors import ContractNotFound, NotFound
from hub.lifecycle.contract.read_document import DOWNLOADED, READ, open_document, open_ofd, open_page
from hub.lifecycle.evidence.make_addendum import add_addendum, open_addendum
from hub.lifecycle.evidence.open_attachment import read_attachment
from hub.lifecycle.evidence.open_package import open_package
from hub.lifecycle.evidence.renewed_record import add_renewed_version
from hub.model.contract.attachment import ENDINGS
from hub.model.contract.contract import Contract, ContractState
from hub.web.http.app_keys import PAGE_IMAGES, RATE_LIMITS
from hub.web.http.security import refuse_other_sites
from hub.web.pages.files import OFD, PACKAGE, PDF, download
from hub.web.staff.contract.contract import contract_id, get_contract
from hub.web.staff.forms import read_number
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

MAX_DIGITS = 3
ATTACHMENT_OPENED = "attachment-opened"


async def pages(visit: StaffVisit) -> web.Response:
    await _check(visit)
    async with visit.services.database.transaction(visit.scope) as tx:
        found, _ = await open_document(tx, contract_id(visit), READ, visit.actor)
    return await show(visit, "staff/contract/read.html", contract=found, at=visit.campuses_by_id[found.campus])


async def page_image(visit: StaffVisit) -> web.Response:
    """Return the image of a page of the present document, counted from 1."""
    await _check(visit)
    number = read_number(visit.request.match_info["number"], MAX_DIGITS) or 0
    async with visit.services.database.transaction(visit.scope) as tx:
        found, sha256 = await open_page(tx, contract_id(visit), visit.actor)
        if not 1 <= number <= found.pages:
            raise NotFound("there is no such page")
    images = await visit.request.app[PAGE_IMAGES].of(sha256, visit.services.files.get)
    return web.Response(body=images[number - 1], content_type="image/png")


async def document(visit: StaffVisit) -> web.Response:
    """Return the present file: as issued, as signed by some of the signers, or as completed."""
    await _check(visit)
    async with visit.services.database.transaction(visit.scope) as tx:
        found, sha256 = await open_document(tx, contract_id(visit), DOWNLOADED, visit.actor)
    return await _pdf(visit, found, sha256)


async def final_file(visit: StaffVisit) -> web.Response:
    await _check(visit)
    async with visit.services.database.transaction(visit.scope) as tx:
        if (await tx.contracts.get(contract_id(visit))).state is not ContractState.COMPLETED:
            raise ContractNotFound("there is no final file before completion")
        found, sha256 = await open_document(tx, contract_id(visit), DOWNLOADED, visit.actor)
    return await _pdf(visit, found, sha256)


async def ofd(visit: StaffVisit) -> web.Response:
    """Return the OFD: as issued, or once the contract is completed with the school's seal."""
    await _check(visit)
    async with visit.services.database.transaction(visit.scope) as tx:
        found, sha256 = await open_ofd(tx, contract_id(visit), visit.actor)
    return await _file(visit, f"{found.number}.ofd", OFD, sha256)


async def evidence(visit: StaffVisit) -> web.Response:
    """Return the evidence package of an ended contract, and record that it was exported."""
    await _check(visit)
    found = await get_contract(visit)
    await add_renewed_version(visit.services, found.id)
    async with visit.services.database.transaction(visit.scope) as tx:
        package = await open_package(tx, found, visit.actor)
    return await _file(visit, f"{found.number}-evidence.zip", PACKAGE, package.sha256)


async def addendum(visit: StaffVisit) -> web.Response:
    """Return what happened after the evidence package was signed, and record that it was exported."""
    await _check(visit)
    found = await get_contract(visit)
    await add_addendum(visit.services, found.id)
    async with visit.services.database.transaction(visit.scope) as tx:
        made = await open_addendum(tx, found, visit.actor)
    return await _file(visit, f"{found.number}-addendum.zip", PACKAGE, made.sha256)


async def attachment(visit: StaffVisit) -> web.Response:
    """Return an attachment, and record who has opened it. Scripts in it cannot act as our page."""
    await _check(visit)
    wanted = visit.read_id("attachment")
    found = await get_contract(visit)
    media_type, content = await read_attachment(visit.services, visit.scope, found.id, wanted)
    async with visit.services.database.transaction(visit.scope) as tx:
        await tx.record.append(found.id, found.campus, ATTACHMENT_OPENED, visit.actor, {"attachment": str(wanted)})
    name = f"{found.number}-{str(wanted)[:8]}.{ENDINGS[media_type]}"
    return download(content, name, media_type)


async def _check(visit: StaffVisit) -> None:
    """Refuse a request that another site caused, since the request writes to the record; limit the rate of requests."""
    refuse_other_sites(visit.request)
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "staff-read")


async def _pdf(visit: StaffVisit, found: Contract, sha256: str) -> web.Response:
    return await _file(visit, f"{found.number}.pdf", PDF, sha256)


async def _file(visit: StaffVisit, name: str, content_type: str, sha256: str) -> web.Response:
    return download(await visit.services.files.get(sha256), name, content_type)
