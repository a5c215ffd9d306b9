"""Pages about seals: the list, the application, and one seal with the acts that are possible."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from uuid import UUID

from aiohttp import web

from hub.documents.signing.stamps import seal_stamp
from hub.errors import QiandaError, SealNotFound
from hub.lifecycle.contract.template_in_force import TemplateInForce, list_all_in_force
from hub.lifecycle.sealing.seals.list_seal_keys import list_seal_keys
from hub.lifecycle.sealing.seals.make_seal import make_seal, renew_seal
from hub.lifecycle.sealing.seals.manage_seals import (
    NewSealRequest,
    apply_for_seal,
    approve_seal,
    list_seals,
    move_seal,
    reject_seal,
)
from hub.lifecycle.sealing.seals.sm2_seals import is_for_trial
from hub.lifecycle.services import Services
from hub.model.sealing.seal import Seal, SealAct, SealKind
from hub.model.staff.roles import Permission
from hub.model.staff.scope import Actor
from hub.store.transaction import Transaction
from hub.web.pages.i18n import language_of
from hub.web.staff.actors import names_of, names_of_keys
from hub.web.staff.forms import Entered
from hub.web.staff.render import carry_out, show
from hub.web.staff.staff.access import Handler, StaffVisit

# A certificate that expires within this time is shown as expiring soon.
RENEW_BEFORE = timedelta(days=30)
# The most lines of the register that are shown below a seal. A page of its own shows more.
MAX_LINES = 10
MAX_TEXT_LENGTH = 500


def seal_id(visit: StaffVisit) -> UUID:
    return visit.read_id("seal", SealNotFound)


def seal_page(visit: StaffVisit) -> str:
    """Return the address of the seal's page, with a confirmation."""
    return f"/staff/seals/{seal_id(visit)}?said=seal-done"


# ---- pages


async def list_page(visit: StaffVisit) -> web.Response:
    found = await list_seals(visit.services, visit.shown)
    keys = await list_seal_keys(visit.services, visit.shown) if visit.may(Permission.USE_SEAL) else []
    ending = {seal.id for seal in found if _is_ending(visit, seal)}
    return await show(visit, "staff/sealing/seals.html", seals=found, keys=keys, ending=ending)


def _is_ending(visit: StaffVisit, seal: Seal) -> bool:
    return not seal.state.is_over and seal.is_expired(visit.services.clock() + RENEW_BEFORE)


async def show_seal(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    """Show a seal, its application, its grants and its last uses. Raises SealNotFound."""
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
        request = await tx.seals.get_request(seal.id)
        grants = await tx.seals.list_grants(seal.id)
        uses = await tx.seal_register.list_of_seal(seal.id, MAX_LINES)
        sm2 = await tx.sm2_seals.get(seal.id)
        actors = [*(request.given if request else ()), *(grant.granted_by for grant in grants)]
        actors += [use.asked_by for use in uses] + ([request.asked_by] if request else [])
        names = await names_of(tx, actors) | await names_of_keys(tx)
        names |= await _grantee_names(tx, [grant.grantee.name for grant in grants])
        titles = await template_titles(visit, tx)
    return await show(
        visit,
        "staff/sealing/seal.html",
        problem=problem,
        seal=seal,
        sm2=sm2,
        sm2_for_trial=sm2 is not None and is_for_trial(sm2),
        sm2_ending=sm2 is not None and sm2.ends_at <= visit.services.clock() + RENEW_BEFORE,
        application=request,
        grants=grants,
        uses=uses,
        names=names,
        titles=titles,
        acts=SealAct,
        ending=_is_ending(visit, seal),
        may_approve=request is not None and request.may_approve(visit.actor),
    )


async def template_titles(visit: StaffVisit, tx: Transaction) -> dict[str, str]:
    """Return the title of each contract template in the reader's language, by the template's id."""
    return {each.id: title_in_language(visit, each) for each in await list_all_in_force(visit.services, tx)}


def title_in_language(visit: StaffVisit, template: TemplateInForce) -> str:
    """Return the title of a contract template in the reader's language; its id if there is no such template now."""
    languages = template.languages
    found = languages.get(language_of(visit.request)) or next(iter(languages.values()), None)
    return found.title if found else template.id


async def _grantee_names(tx: Transaction, grantees: list[str]) -> dict[str, str]:
    actors = await names_of(tx, [f"staff:{name}" for name in grantees])
    return {actor.removeprefix("staff:"): name for actor, name in actors.items()}


async def picture(visit: StaffVisit) -> web.Response:
    """Return the seal's picture on white paper."""
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
    pdf = seal.picture if seal.picture is not None else await asyncio.to_thread(seal_stamp, seal.registered_name)
    images = await visit.services.documents.pages.draw(pdf)
    kept = {"Cache-Control": "private, max-age=3600"}
    return web.Response(body=images[0], content_type="image/png", headers=kept)


# ---- the application


async def form(visit: StaffVisit) -> web.Response:
    school = visit.services.documents.school
    entered = {"kind": SealKind.CONTRACT.value, "registered_name": school.name, "registered_code": school.credit_code}
    return await _form(visit, entered | {"campus": visit.staff.campus})


async def _form(visit: StaffVisit, entered: Mapping[str, str], problem: QiandaError | None = None) -> web.Response:
    return await show(
        visit, "staff/sealing/seal_new.html", problem=problem, entered=Entered(entered), kinds=list(SealKind)
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
        seal = await apply_for_seal(visit.services, visit.person, asked)
    except QiandaError as error:
        return await _form(visit, texts, error)
    raise web.HTTPSeeOther(f"/staff/seals/{seal.id}?said=seal-applied")


# ---- acts


def _act(verb: Callable[[Services, Actor, UUID], Awaitable[Seal]]) -> Handler:
    """Return the handler of an act on a seal. It shows the seal with a confirmation or with the error."""

    async def handler(visit: StaffVisit) -> web.StreamResponse:
        act = verb(visit.services, visit.person, seal_id(visit))
        return await carry_out(act, seal_page(visit), partial(show_seal, visit))

    return handler


approve, reject, make, renew = _act(approve_seal), _act(reject_seal), _act(make_seal), _act(renew_seal)
activate, suspend, resume, revoke, archive = (
    _act(partial(move_seal, act=act))
    for act in (SealAct.ACTIVATE, SealAct.SUSPEND, SealAct.RESUME, SealAct.REVOKE, SealAct.ARCHIVE)
)


async def ask_revoke(visit: StaffVisit) -> web.Response:
    """Show the page that asks for confirmation, because revoking cannot be undone."""
    async with visit.services.database.transaction(visit.scope) as tx:
        seal = await tx.seals.get(seal_id(visit))
    return await show(visit, "staff/sealing/seal_revoke.html", seal=seal)
