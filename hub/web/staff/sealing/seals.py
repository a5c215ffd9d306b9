"""Pages about seals: the list, the application, and one seal with the acts that are possible."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from uuid import UUID

from aiohttp import web

from hub.documents.signing.stamps import seal_stamp
from hub.errors import QiandaError, SealNotFound
from hub.lifecycle.sealing.seals.list_seal_keys import list_seal_keys
from hub.lifecycle.sealing.seals.make_seal import make_seal, renew_seal
from hub.lifecycle.sealing.seals.manage_seals import (
    Keeper,
    NewSealRequest,
    apply_for_seal,
    approve_seal,
    list_seals,
    move_seal,
    reject_seal,
)
from hub.lifecycle.sealing.seals.sm2_seals import is_for_trial
from hub.model.sealing.seal import Seal, SealAct, SealKind
from hub.model.staff.roles import Permission
from hub.store.transaction import Transaction
from hub.web.staff import seal_labels
from hub.web.staff.render import Entered, show
from hub.web.staff.school.actors import names_of
from hub.web.staff.staff.access import StaffVisit

# A certificate that expires within this time is shown as expiring soon.
RENEW_BEFORE = timedelta(days=30)
# The most lines of the register that are shown below a seal. A page of its own shows all.
MAX_LINES = 10
MAX_TEXT_LENGTH = 500


def keeper_of(visit: StaffVisit) -> Keeper:
    return Keeper(visit.actor, visit.scope)


def seal_id(visit: StaffVisit) -> UUID:
    return visit.read_id("seal", SealNotFound)


def back_to(seal: UUID, said: str = "seal-done") -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/staff/seals/{seal}?said={said}")


# ---- pages


async def list_page(visit: StaffVisit) -> web.Response:
    found = await list_seals(visit.services, visit.shown)
    keys = await list_seal_keys(visit.services, visit.shown) if visit.may(Permission.USE_SEAL) else []
    ending = {seal.id for seal in found if _is_ending(visit, seal)}
    campuses = {campus.id: campus for campus in visit.campuses}
    return await show(
        visit,
        "staff/seals.html",
        seals=found,
        keys=keys,
        ending=ending,
        campuses_by_id=campuses,
        seal_words=seal_labels,
    )


def _is_ending(visit: StaffVisit, seal: Seal) -> bool:
    return not seal.state.is_over and seal.is_expired(visit.services.clock() + RENEW_BEFORE)


async def show_seal(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    """Show a seal, its application, its grants and its last uses. Raises SealNotFound."""
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
        request = await tx.seals.get_request(seal.id)
        grants = await tx.seals.list_grants(seal.id)
        uses = await tx.seal_register.list_of_seal(seal.id, MAX_LINES)
        campus, sm2 = await tx.school.get_campus(seal.campus), await tx.sm2_seals.get(seal.id)
        actors = [*(request.given if request else ()), *(grant.granted_by for grant in grants)]
        actors += [use.asked_by for use in uses] + ([request.asked_by] if request else [])
        names = await names_of(tx, actors) | await _grantee_names(tx, [grant.grantee.name for grant in grants])
    return await show(
        visit,
        "staff/seal.html",
        problem=problem,
        seal=seal,
        sm2=sm2,
        sm2_for_trial=sm2 is not None and is_for_trial(sm2),
        sm2_ending=sm2 is not None and sm2.ends_at <= visit.services.clock() + RENEW_BEFORE,
        application=request,
        grants=grants,
        uses=uses,
        seal_campus=campus,
        names=names,
        acts=SealAct,
        ending=_is_ending(visit, seal),
        may_approve=request is not None and request.may_approve(visit.actor),
        campuses_by_id={each.id: each for each in visit.campuses},
        seal_words=seal_labels,
    )


async def _grantee_names(tx: Transaction, grantees: list[str]) -> dict[str, str]:
    actors = await names_of(tx, [f"staff:{name}" for name in grantees])
    return {actor.removeprefix("staff:"): name for actor, name in actors.items()}


async def picture(visit: StaffVisit) -> web.Response:
    """Return the seal's picture on white paper."""
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
    pdf = seal.picture if seal.picture is not None else await asyncio.to_thread(seal_stamp, seal.registered_name)
    images = await asyncio.to_thread(visit.services.documents.pages.page_images, pdf)
    kept = {"Cache-Control": "private, max-age=3600"}
    return web.Response(body=images[0], content_type="image/png", headers=kept)


# ---- the application


async def form(visit: StaffVisit) -> web.Response:
    school = visit.services.documents.school
    entered = {"kind": SealKind.CONTRACT.value, "registered_name": school.name, "registered_code": school.credit_code}
    return await _form(visit, entered | {"campus": visit.staff.campus})


async def _form(visit: StaffVisit, entered: Mapping[str, str], problem: QiandaError | None = None) -> web.Response:
    return await show(
        visit,
        "staff/seal_new.html",
        problem=problem,
        entered=Entered(entered),
        kinds=list(SealKind),
        seal_words=seal_labels,
    )


async def apply(visit: StaffVisit) -> web.StreamResponse:
    sent = await visit.request.post()
    texts = {
        name: value.replace("\x00", "")[:MAX_TEXT_LENGTH] for name, value in sent.items() if isinstance(value, str)
    }
    entered, upload = Entered(texts), sent.get("picture")
    asked = NewSealRequest(
        name=entered["name"],
        kind=entered["kind"],
        campus=entered["campus"],
        registered_name=entered["registered_name"],
        registered_code=entered["registered_code"],
        inscription=entered["inscription"],
        reason=entered["reason"],
        picture=(upload.file.read() if isinstance(upload, web.FileField) else b"") or None,
    )
    try:
        seal = await apply_for_seal(visit.services, keeper_of(visit), asked)
    except QiandaError as error:
        return await _form(visit, texts, error)
    raise back_to(seal.id, "seal-applied")


# ---- acts


async def _done(visit: StaffVisit, act: Callable[[], Awaitable[Seal]]) -> web.StreamResponse:
    """Carry out an act, then show the seal with a confirmation or with the error. Raises SealNotFound."""
    try:
        await act()
    except SealNotFound:
        raise
    except QiandaError as error:
        return await show_seal(visit, error)
    raise back_to(seal_id(visit))


async def approve(visit: StaffVisit) -> web.StreamResponse:
    return await _done(visit, lambda: approve_seal(visit.services, keeper_of(visit), seal_id(visit)))


async def reject(visit: StaffVisit) -> web.StreamResponse:
    return await _done(visit, lambda: reject_seal(visit.services, keeper_of(visit), seal_id(visit)))


async def make(visit: StaffVisit) -> web.StreamResponse:
    return await _done(visit, lambda: make_seal(visit.services, keeper_of(visit), seal_id(visit)))


async def renew(visit: StaffVisit) -> web.StreamResponse:
    return await _done(visit, lambda: renew_seal(visit.services, keeper_of(visit), seal_id(visit)))


def _move(act: SealAct) -> Callable[[StaffVisit], Awaitable[web.StreamResponse]]:
    async def move(visit: StaffVisit) -> web.StreamResponse:
        return await _done(visit, lambda: move_seal(visit.services, keeper_of(visit), seal_id(visit), act))

    return move


activate, suspend, resume = _move(SealAct.ACTIVATE), _move(SealAct.SUSPEND), _move(SealAct.RESUME)
revoke, archive = _move(SealAct.REVOKE), _move(SealAct.ARCHIVE)


async def ask_revoke(visit: StaffVisit) -> web.Response:
    """Show the page that asks for confirmation, because revoking cannot be undone."""
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
    return await show(visit, "staff/seal_revoke.html", seal=seal)
