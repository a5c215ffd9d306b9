"""Prepare the file for a signer, and accept their signature with the key that `signer_certificates` certified.

Between calls, only plans that save time are kept in memory, so any process can continue what another began.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.documents.contract.contract_templates import Consent
from hub.documents.contract.layout import SIGNATURE_SIZE
from hub.documents.signing.signature import NewSignature, Prepared, certified_key, verified_der
from hub.documents.signing.stamps import SignerStamp, signature_stamp
from hub.errors import (
    CustodyTooLow,
    DocumentBusy,
    DocumentChanged,
    IllegalMove,
    KeyRevoked,
    NotConfirmed,
    WrongConfirmation,
    WrongConsent,
    WrongDocument,
    WrongProof,
    WrongSignature,
)
from hub.lifecycle.messaging.quotas import consume_prepare_quota
from hub.lifecycle.services import Services
from hub.lifecycle.signing.audit_refusals import append_refusal, note_refused_signature
from hub.lifecycle.signing.custody import check_custody, note_refused_custody
from hub.lifecycle.signing.device_keys import check_owner
from hub.lifecycle.signing.entry.open_link import Visit, begin_locked_visit, begin_visit, get_visit, session_of
from hub.lifecycle.signing.own_request import get_own_request, load_request
from hub.lifecycle.signing.passkey_confirmation import Confirmation, PasskeyAnswer, check_answer, note_wrong
from hub.lifecycle.signing.signing_order import check_turn
from hub.model.contract.attachment import list_shown_attachments
from hub.model.contract.contract import Contract
from hub.model.contract.signer import TaskState
from hub.model.signing.pairing import PairingState
from hub.model.signing.session import PREPARED_FOR, SigningSession
from hub.model.signing.signature_plan import SignaturePlan
from hub.model.signing.signature_request import RequestState, SignatureRequest
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.operation.jobs import COMPLETE
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

HUB_RETRY = timedelta(minutes=1)
CONFIRMATION_RETRY = timedelta(seconds=2)
Strokes = Sequence[Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class AgreedConsent:
    version: str
    sha256: str


@dataclass(frozen=True)
class PrepareRequest:
    """A signer's request to sign: the document that they saw, the consent that they gave, and their handwriting."""

    document_sha256: str
    consent: AgreedConsent
    strokes: Strokes | None = None


@dataclass(frozen=True)
class RequestWithUpdate:
    """A signature request and its file. `update`: what the file has behind the shown document; `size`: bytes in all."""

    request: SignatureRequest
    update: bytes
    size: int


def consent_for(services: Services, contract: Contract, language: str) -> Consent:
    """Return the consent text that a signer of this language is shown."""
    return services.documents.printer.templates.get_consent(contract, language)


# ---- prepare


async def prepare(
    services: Services, secret: str, contract_id: UUID | None, asked: PrepareRequest
) -> RequestWithUpdate:
    """Lease the document's revision, and store a file with a gap for the signature.

    Raises NotYourTurn, AlreadySigned, WrongConsent, WrongDocument, CustodyTooLow (also if another contract of the
    session accepted the key), DocumentChanged, DocumentBusy and BudgetSpent (with `retry_after`).
    """
    try:
        return await _prepare(services, secret, contract_id, asked)
    except CustodyTooLow as refusal:  # its transaction was rolled back
        visiting = await get_visit(services.database, secret, contract_id, agent=True)
        session = visiting.session
        await note_refused_custody(services, visiting, session.key_spki or b"", session.custody_claimed or "", refusal)
        raise


async def _prepare(
    services: Services, secret: str, contract_id: UUID | None, asked: PrepareRequest
) -> RequestWithUpdate:
    """Draw and store the file without holding a lock, then check under the lock that it may still be signed."""
    known = services.signing.plans.take(secret, contract_id)
    plan = known or await _read_plan(services, secret, contract_id, asked)
    shown = await services.files.get(plan.document)
    prepared = await _prepared_file(services, shown, plan, asked.strokes)
    stored = await services.files.put(prepared.file)
    async with begin_locked_visit(services.database, secret, contract_id, agent=True) as (tx, now):
        await _check_may_prepare(services, tx, now, asked)
        if plan_signature(now) != plan:  # another key was certified meanwhile
            raise DocumentBusy(retry_after=CONFIRMATION_RETRY)
        for replaced in await list_replaceable(tx, now):
            await tx.signatures.lapse(replaced.id)  # the same signer begins again
        if known:
            await consume_prepare_quota(services, tx, now.task.id, now.signer)
        request = _request(tx, now, asked.consent, prepared, stored)
        await tx.signatures.add(request)
    return RequestWithUpdate(request, prepared.file[len(shown) :], len(prepared.file))


async def _read_plan(services: Services, secret: str, contract_id: UUID | None, asked: PrepareRequest) -> SignaturePlan:
    """Return the plan of a file that this signer may prepare, and count the file."""
    async with begin_visit(services.database, secret, contract_id, agent=True) as (tx, visiting):
        await _check_may_prepare(services, tx, visiting, asked)
        await list_replaceable(tx, visiting)
        await consume_prepare_quota(services, tx, visiting.task.id, visiting.signer)
    return plan_signature(visiting)


def plan_signature(visiting: Visit) -> SignaturePlan:
    """Return the plan for preparing a file in this visit, whose session has a certified key."""
    session, contract, signer = visiting.session, visiting.contract, visiting.signer
    assert contract.document is not None
    of_signer, of_key = (
        (signer.field, signer.name, signer.language, signer.zone),
        (session.custody, session.certificate_chain),
    )
    return SignaturePlan(contract.document, contract.revision == 0, *of_signer, *of_key)


async def _check_may_prepare(services: Services, tx: Transaction, visiting: Visit, asked: PrepareRequest) -> None:
    """Raise if this signer may not prepare this document now."""
    contract = visiting.contract
    check_turn(visiting.contract, visiting.task)
    if tx.planning_now >= contract.deadline:
        raise IllegalMove("the deadline has passed")
    if _key_was_revoked(visiting.session):
        raise KeyRevoked
    if not visiting.session.certificate_chain:
        raise WrongProof("this session has no certified key yet")
    check_custody(services, visiting, visiting.session.custody)
    await _check_confirmed(tx, visiting.session)
    consent = consent_for(services, contract, visiting.signer.language)
    if (asked.consent.version, asked.consent.sha256) != (consent.version, consent.sha256):
        raise WrongConsent
    if asked.document_sha256 != contract.document:
        known = {version["sha256"] for version in await tx.contracts.list_versions(contract.id)}
        raise DocumentChanged if asked.document_sha256 in known else WrongDocument


def _key_was_revoked(session: SigningSession) -> bool:
    """Return whether the session's key had a certificate, which was removed when the key was revoked."""
    return session.key_spki is not None and not session.certificate_chain


async def _check_confirmed(tx: Transaction, session: SigningSession) -> None:
    """Raise NotConfirmed if a paired program's certificate is not the one that the person confirmed on the page."""
    if session.pairing is None:
        return
    pairing = await tx.pairings.get(session.pairing)
    confirmed = pairing is not None and pairing.state(tx.now) is PairingState.CONFIRMED
    if pairing is None or not confirmed or pairing.certificate != session.certificate_chain[0]:
        raise NotConfirmed(retry_after=CONFIRMATION_RETRY)


async def list_replaceable(tx: Transaction, visiting: Visit) -> list[SignatureRequest]:
    """Return the signer's earlier prepared requests, which a new one replaces.

    Raises DocumentBusy while another request has the lease.
    """
    mine = []
    for request in await tx.signatures.list_unfinished(visiting.contract.id) if visiting.has_requests else ():
        if request.task == visiting.task.id and request.state is RequestState.PREPARED:
            mine.append(request)
        elif request.leased(tx.now):
            wait = request.expires_at - tx.now if request.state is RequestState.PREPARED else timedelta(seconds=5)
            raise DocumentBusy(retry_after=max(wait, timedelta(seconds=1)))
    return mine


async def _prepared_file(services: Services, shown: bytes, plan: SignaturePlan, strokes: Strokes | None) -> Prepared:
    local = services.clock().astimezone(ZoneInfo(plan.zone))
    drawing = [list(stroke) for stroke in strokes] if strokes else None
    shows = SignerStamp(plan.name, drawing, f"{local:%Y-%m-%d %H:%M %z}", plan.language, plan.custody)

    def prepared() -> Prepared:
        stamp = signature_stamp(shows, SIGNATURE_SIZE)
        signature = NewSignature(plan.field, certify=plan.is_first, final=False, appearance=stamp)
        return services.documents.pdf_engine.prepare(shown, signature, plan.chain)

    return await asyncio.to_thread(prepared)


def _request(
    tx: Transaction, visiting: Visit, consent: AgreedConsent, prepared: Prepared, stored: str
) -> SignatureRequest:
    session, contract = visiting.session, visiting.contract
    assert contract.document is not None
    return SignatureRequest(
        id=uuid4(),
        contract=contract.id,
        task=visiting.task.id,
        session=session.id,
        field=visiting.signer.field,
        state=RequestState.PREPARED,
        base=contract.document,
        prepared=stored,
        gap=prepared.gap,
        document_digest=prepared.document_digest,
        to_be_signed=prepared.to_be_signed,
        chain=session.certificate_chain,
        created_at=tx.now,
        expires_at=tx.now + PREPARED_FOR,
        custody_claimed=session.custody_claimed,
        custody=session.custody,
        consent_version=consent.version,
        consent_sha256=consent.sha256,
    )


async def prepared_file(services: Services, secret: str, request_id: UUID) -> bytes:
    """Return the prepared file to the session that requested it. Raises DocumentChanged when its request has lapsed."""
    _, request = await load_request(services, secret, request_id)
    if request.state is RequestState.LAPSED:
        raise DocumentChanged
    return await services.files.get(request.prepared)


# ---- the signature


@dataclass(frozen=True)
class SignatureExtras:
    """Data that came with a signature: a passkey's answer and, for a signature made on our page, two hashes of the
    page's scripts: as the page reports it and as the hub serves it."""

    given: PasskeyAnswer | None = None
    scripts_reported: str | None = None
    scripts_served: str | None = None

    @property
    def facts(self) -> dict[str, str | None]:
        if self.scripts_reported is None:
            return {}
        return {"scripts_reported_sha256": self.scripts_reported, "scripts_served_sha256": self.scripts_served}


NO_EXTRAS = SignatureExtras()


async def accept_signature(
    services: Services, secret: str, request_id: UUID, raw_signature: bytes, extras: SignatureExtras = NO_EXTRAS
) -> TaskState:
    """Check the signature against the certificate and store it. A job embeds it later.

    Submitting an accepted signature again succeeds. Raises WrongSignature and WrongConfirmation (both are written into
    the record), DocumentChanged.
    """
    try:
        return await _accept(services, secret, request_id, raw_signature, extras)
    except WrongConfirmation as wrong:
        session, request = await load_request(services, secret, request_id)
        await note_wrong(services, request, f"signer:{session.signer}", wrong)
        raise
    except WrongSignature:
        session, request = await load_request(services, secret, request_id)
        async with services.database.transaction(EVERYTHING) as tx:
            await note_refused_signature(tx, request, f"signer:{session.signer}", raw_signature)
        raise


async def _accept(
    services: Services, secret: str, request_id: UUID, raw_signature: bytes, extras: SignatureExtras
) -> TaskState:
    async with begin_locked_visit(services.database, secret, None, request=request_id, agent=True) as (tx, visiting):
        if visiting.task.state is TaskState.SIGNED:
            return TaskState.SIGNED
        check_turn(visiting.contract, visiting.task)
        request, pages_seen = await _still_signable(tx, visiting, request_id)
        signature = verified_der(certified_key(request.chain[0]), request.to_be_signed, raw_signature)
        confirmation = await check_answer(services, tx, visiting, request, extras.given)
        page_facts = {"pages_seen": pages_seen, **extras.facts}
        await _store_signature(tx, visiting, request, _CheckedSignature(signature, confirmation, page_facts))
    return TaskState.SIGNED


async def _still_signable(tx: Transaction, visiting: Visit, request_id: UUID) -> tuple[SignatureRequest, list[int]]:
    """Return the request as it is under the contract's lock, and the pages that the signer's page fetched. An expired
    lease is still good until another request begins.

    Raises KeyRevoked, KeyOfSomebodyElse, DocumentChanged, IllegalMove.
    """
    requests = await tx.signatures.list_with_pages(visiting.contract.id)
    request, pages_seen = next(each for each in requests if each[0].id == request_id)
    if _key_was_revoked(visiting.session):
        raise KeyRevoked
    if (key := certified_key(request.chain[0])) != visiting.session.key_spki:  # another key was certified since
        await check_owner(tx, key, visiting.signer.person)
    if request.state is not RequestState.PREPARED or request.base != visiting.contract.document:
        raise DocumentChanged
    if any(other.leased(tx.now) for other, _ in requests if other.id != request.id):
        raise DocumentChanged
    if tx.planning_now >= visiting.contract.deadline:
        raise IllegalMove("the deadline has passed")
    return request, pages_seen


@dataclass(frozen=True)
class _CheckedSignature:
    """A checked signature (DER), its confirmation by a passkey, and facts about the page that made it."""

    value: bytes
    confirmation: Confirmation | None
    page_facts: dict[str, Any]


async def _store_signature(
    tx: Transaction, visiting: Visit, request: SignatureRequest, signature: _CheckedSignature
) -> None:
    """Write the signature, the end of the task and its reminders, the record entry, and the hub's next step."""
    contract, task, confirmation = visiting.contract, visiting.task, signature.confirmation
    packed = confirmation.packed if confirmation else None
    if not await tx.signatures.accept(request.id, signature.value, tx.now, packed):
        raise KeyRevoked
    if contract.asks:  # attachments uploaded after the answers are not in the signed document
        await tx.answers.supersede_others(contract.id, list_shown_attachments(contract.data), tx.now)
    await tx.tasks.end(task.id, TaskState.SIGNED, tx.now)
    await tx.reminders.note(task, LedgerNote("stopped", step=task.step, reason="signed"), tx.planning_now)
    facts = {
        "field": request.field,
        "shown_sha256": request.base,
        "prepared_sha256": request.prepared,
        "consent_version": request.consent_version,
        "consent_sha256": request.consent_sha256,
        "signature_sha256": hashlib.sha256(signature.value).hexdigest(),
        "certificate_sha256": hashlib.sha256(request.chain[0]).hexdigest(),
        "custody_claimed": request.custody_claimed,
        "custody": request.custody,
        **signature.page_facts,
        **(confirmation.facts if confirmation else {}),
    }
    await tx.record.append(contract.id, contract.campus, "signature-accepted", visiting.actor, facts)
    await tx.contracts.plan_hub_step(contract.id, tx.now + HUB_RETRY)
    await tx.jobs.enqueue(COMPLETE, {"contract": str(contract.id)}, f"complete-{request.id}")


async def note_refusal(services: Services, secret: str, request_id: UUID, reason: str) -> None:
    """Handle the refusal of the signer's program to sign the prepared file: end the lease, record it, tell staff."""
    async with services.database.transaction(EVERYTHING) as tx:
        session = await session_of(tx, secret, agent=True)
        request = await get_own_request(tx, session, request_id)
        contract = await tx.contracts.lock_contract(request.contract)
        await tx.signatures.lapse(request.id)  # does nothing if the signature was accepted meanwhile
        facts = {"request": str(request.id), "reason": reason[:500], "prepared_sha256": request.prepared}
        actor = f"signer:{session.signer}"
        await append_refusal(tx, (contract.id, contract.campus), "signing-refused-by-client", actor, facts)
        await _tell_staff(tx, contract, session)


async def _tell_staff(tx: Transaction, contract: Contract, session: SigningSession) -> None:
    text = "The signer's own program refused the prepared file: it was not what had been shown."
    task = StaffTask(uuid4(), "refused-by-client", text, contract.campus, tx.now, contract.id, session.signer)
    await tx.staff_tasks.add_task_once(task)
