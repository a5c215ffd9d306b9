"""The life of a seal: applied for, approved by two people, activated, suspended, revoked, archived.

Each act is one transaction: it locks the seal, decides by `hub.model.sealing`, and appends to the school's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from stdnum.cn import uscc

from hub.documents.sealing.seal_pictures import SealDrawing, draw_seal
from hub.errors import BadInput, SealApprovalTwice, SealMoveNotAllowed, SealNameTaken, SealNotFound
from hub.lifecycle.evidence.school_acts import find_key_maker, record_act
from hub.lifecycle.sealing.seals.contract_seal import CONFIGURED_NAME, get_configured_seal
from hub.lifecycle.services import Services
from hub.model.sealing.seal import Seal, SealAct, SealKind, SealState
from hub.model.sealing.seal_request import SealRequest, SealRequestState
from hub.model.staff.scope import EVERYTHING, Actor, Scope
from hub.store.transaction import Transaction
from qianda.certificate_loading import load_certificate

MAX_NAME_LENGTH = 40
MAX_ORGANISATION_LENGTH = 60
MAX_INSCRIPTION_LENGTH = 12
MAX_WORDS_LENGTH = 500
# The kind of entry in the school's record for each act.
_KINDS: Mapping[SealAct, str] = {
    SealAct.ACTIVATE: "seal-activated",
    SealAct.SUSPEND: "seal-suspended",
    SealAct.RESUME: "seal-resumed",
    SealAct.REVOKE: "seal-revoked",
    SealAct.ARCHIVE: "seal-archived",
}


@dataclass(frozen=True)
class NewSealRequest:
    """Input of an application for a seal, not validated. `picture`: an uploaded PNG; None to draw it."""

    name: str
    kind: str
    campus: str
    registered_name: str
    registered_code: str
    inscription: str
    reason: str
    picture: bytes | None = None


@dataclass(frozen=True)
class PreparedSealRequest:
    """A validated application with its picture."""

    asked: NewSealRequest
    picture: bytes


async def apply_for_seal(services: Services, keeper: Actor, asked: NewSealRequest) -> Seal:
    """Apply for a seal. Raises BadInput with the field, UndrawableText, SealNameTaken."""
    prepared = await prepare_seal_request(services, asked)
    async with services.database.transaction(keeper.scope) as tx:
        return await add_seal_request(tx, keeper, prepared)


async def prepare_seal_request(services: Services, asked: NewSealRequest) -> PreparedSealRequest:
    """Check an application and draw its picture, or read the uploaded one. Raises BadInput, UndrawableText."""
    wanted = check_seal_request(asked)
    picture = await services.documents.seal_pictures.in_turn(partial(_picture_of, services, wanted))
    return PreparedSealRequest(wanted, picture)


async def add_seal_request(tx: Transaction, keeper: Actor, prepared: PreparedSealRequest) -> Seal:
    """Add the seal with its application. Raises BadInput for a campus outside the keeper's scope, SealNameTaken."""
    wanted = prepared.asked
    if not keeper.scope.covers(wanted.campus):
        raise BadInput(f"there is no campus {wanted.campus}", field="campus")
    await tx.school.get_campus(wanted.campus)
    seal = Seal(
        id=uuid4(),
        name=wanted.name,
        kind=SealKind(wanted.kind),
        campus=wanted.campus,
        registered_name=wanted.registered_name,
        registered_code=wanted.registered_code,
        inscription=wanted.inscription,
        state=SealState.APPLIED,
        created_at=tx.now,
        changed_at=tx.now,
        picture=prepared.picture,
        picture_source="drawn" if wanted.picture is None else "uploaded",
    )
    if not await tx.seals.add(seal):
        raise SealNameTaken
    await tx.seals.add_request(SealRequest(uuid4(), seal.id, seal.campus, wanted.reason, keeper.name, tx.now))
    facts = {"reason": wanted.reason, "kind": seal.kind.value}
    await record_seal_act(tx, seal, "seal-applied", keeper.name, facts)
    return seal


def check_seal_request(asked: NewSealRequest) -> NewSealRequest:
    """Return the application with its texts trimmed. Raises BadInput with the field."""
    name = _checked("name", asked.name, MAX_NAME_LENGTH)
    if name == CONFIGURED_NAME:
        raise SealNameTaken
    if asked.kind not in list(SealKind):
        raise BadInput(f"one of {', '.join(SealKind)}", field="kind")
    code = asked.registered_code.strip().upper()
    if not uscc.is_valid(code):
        raise BadInput("no unified social credit code: a digit is wrong or missing", field="registered_code")
    needs = asked.kind in (SealKind.REPRESENTATIVE, SealKind.CAMPUS)
    default = CONFIGURED_NAME if asked.kind == SealKind.CONTRACT else ""
    inscription = asked.inscription.strip() or default
    return NewSealRequest(
        name=name,
        kind=asked.kind,
        campus=asked.campus,
        registered_name=_checked("registered_name", asked.registered_name, MAX_ORGANISATION_LENGTH),
        registered_code=code,
        inscription=_checked("inscription", inscription, MAX_INSCRIPTION_LENGTH) if needs or inscription else "",
        reason=_checked("reason", asked.reason, MAX_WORDS_LENGTH),
        picture=asked.picture,
    )


def _checked(field: str, text: str, longest: int) -> str:
    words = " ".join(text.split())
    if not 0 < len(words) <= longest or not words.isprintable():
        raise BadInput(f"1 to {longest} characters", field=field)
    return words


def _picture_of(services: Services, wanted: NewSealRequest) -> bytes:
    kind = SealKind(wanted.kind)
    drawn = draw_seal(SealDrawing(kind, wanted.registered_name, wanted.registered_code, wanted.inscription))
    return drawn if wanted.picture is None else services.documents.seal_pictures.read(wanted.picture, kind)


async def approve_seal(services: Services, keeper: Actor, seal_id: UUID) -> Seal:
    """Give one of the two approvals. Raises SealNotFound, SealMoveNotAllowed, SealApprovalTwice, the last also for the
    person who made the API key that applied."""
    async with services.database.transaction(keeper.scope) as tx:
        seal, request = await _lock_request(tx, seal_id)
        if await find_key_maker(tx, request.asked_by) == keeper.name:
            raise SealApprovalTwice
        approved = request.approve(keeper.name, tx.now)
        if approved.state is SealRequestState.APPROVED:
            seal = seal.move(SealAct.APPROVE, tx.now)
            await tx.seals.save(seal)
        await tx.seals.save_request(approved)
        await record_seal_act(tx, seal, "seal-approved", keeper.name, {"count": len(approved.given)})
    return seal


async def reject_seal(services: Services, keeper: Actor, seal_id: UUID) -> Seal:
    """Reject an application; the applicant withdraws it in this way. Raises SealNotFound, SealMoveNotAllowed."""
    async with services.database.transaction(keeper.scope) as tx:
        seal, request = await _lock_request(tx, seal_id)
        rejected = seal.move(SealAct.REJECT, tx.now)
        await tx.seals.save(rejected)
        await tx.seals.save_request(request.reject(keeper.name, tx.now))
        await record_seal_act(tx, rejected, "seal-rejected", keeper.name)
    return rejected


async def _lock_request(tx: Transaction, seal_id: UUID) -> tuple[Seal, SealRequest]:
    seal = await tx.seals.lock(seal_id)
    request = await tx.seals.get_request(seal_id)
    if request is None:  # the configured seal was never applied for
        raise SealMoveNotAllowed(seal.state.value)
    return seal, request


async def move_seal(services: Services, keeper: Actor, seal_id: UUID, act: SealAct) -> Seal:
    """Activate, suspend, resume, revoke or archive a seal.

    Revoking a seal also revokes its grants, and all certificates that the built-in authority issued for its key. Raises
    SealNotFound, SealMoveNotAllowed.
    """
    async with services.database.transaction(keeper.scope) as tx:
        return await move_one_seal(services, tx, keeper, seal_id, act)


async def move_one_seal(services: Services, tx: Transaction, keeper: Actor, seal_id: UUID, act: SealAct) -> Seal:
    """Move a seal in the caller's transaction. Raises as `move_seal` does."""
    seal = (await tx.seals.lock(seal_id)).move(act, tx.now)
    await tx.seals.save(seal)
    facts: dict[str, Any] = {}
    if act is SealAct.REVOKE:
        facts["count"] = await tx.seals.revoke_grants(seal.id, keeper.name, tx.now)
        await _revoke_certificates(services, tx, seal)
    await record_seal_act(tx, seal, _KINDS[act], keeper.name, facts)
    return seal


async def _revoke_certificates(services: Services, tx: Transaction, seal: Seal) -> None:
    """Revoke every certificate that the built-in authority issued for the seal's key, which a renewal does not change.
    Staff have to ask any other authority to revoke its own."""
    authority = services.sealing.authority_name
    key = load_certificate(seal.chain[0]).public_key() if seal.chain else None
    for serial, certificate in await tx.certificates.list_of_seals(authority):
        if load_certificate(certificate).public_key() == key:
            await tx.certificates.revoke(authority, serial, tx.now, "cessation_of_operation")


async def record_seal_act(
    tx: Transaction, seal: Seal, kind: str, actor: str, facts: Mapping[str, Any] | None = None
) -> None:
    """Append an act on a seal to the school's record."""
    about = {"seal": str(seal.id), "name": seal.name, "campus": seal.campus}
    await record_act(tx, seal.campus, kind, actor, about | dict(facts or {}))


async def list_seals(services: Services, scope: Scope) -> list[Seal]:
    """Return the seals within the scope. For the whole school, add the configured seal first if it is missing."""
    if scope == EVERYTHING:
        async with services.database.transaction(EVERYTHING) as tx:
            if await tx.school.find_headquarters() is not None:
                await get_configured_seal(services, tx)
            return await tx.seals.list_all()
    async with services.database.transaction(scope) as tx:
        return await tx.seals.list_all()


async def find_seal(services: Services, scope: Scope, name: str) -> Seal:
    """Return the seal with this name or id. Raises SealNotFound."""
    found = [seal for seal in await list_seals(services, scope) if seal.name == name or str(seal.id) == name]
    if not found:
        raise SealNotFound
    return found[0]
