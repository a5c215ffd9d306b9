"""Apply the school's seal: prepare it over a stored file, sign it once, embed it, and close the file."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from uuid import uuid4

from hub.documents.signing import engine
from hub.documents.signing.signature import NewSignature, Prepared, embed
from hub.documents.signing.stamps import seal_stamp
from hub.errors import CertificateNotValid, CertificateRevoked, QiandaError, SealUseRefused
from hub.lifecycle.evidence.make_package import begin_with_end, finish_package
from hub.lifecycle.messaging.send import NewMessage, write_message
from hub.lifecycle.messaging.send_copies import send_copies
from hub.lifecycle.sealing.final_check import check_final_file
from hub.lifecycle.sealing.hub_step import (
    HubStep,
    StoredFile,
    choose_hub_step,
    collect_evidence,
    embed_seal,
    end_calls,
    end_run,
    known_revocations,
    prepared_file,
)
from hub.lifecycle.sealing.seals.contract_seal import open_seal_key, present_chain
from hub.lifecycle.sealing.seals.seal_certificate import check_not_expired, check_seal_certificate
from hub.lifecycle.services import SealKey, Services
from hub.model.contract.case import Case
from hub.model.contract.contract import MAX_RETRY_INTERVAL, Contract, ContractState
from hub.model.messaging.delivery import Delivery
from hub.model.messaging.message import Purpose
from hub.model.sealing.finalise import FinaliseStep
from hub.model.signing.signature_request import SEAL_FIELD, RequestState, SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import opening_lock
from hub.store.transaction import Transaction


async def new_seal_request(services: Services, hub_step: HubStep, base: str, document: bytes) -> SignatureRequest:
    """Store `document`, whose SHA-256 is `base`, with the contract's seal prepared in it. Return the signature request,
    which the caller writes."""
    assert hub_step.seal is not None
    seal = await open_seal_key(services.sealing, hub_step.seal)
    prepared = await asyncio.to_thread(_prepared_seal, services, seal, document)
    stored, now = await services.files.put(prepared.file), services.clock()
    return SignatureRequest(
        id=uuid4(),
        contract=hub_step.contract.id,
        field=SEAL_FIELD,
        state=RequestState.PREPARED,
        base=base,
        prepared=stored,
        gap=prepared.gap,
        document_digest=prepared.document_digest,
        to_be_signed=prepared.to_be_signed,
        chain=seal.chain,
        created_at=now,
        expires_at=now + MAX_RETRY_INTERVAL,
    )


def _prepared_seal(services: Services, seal: SealKey, document: bytes) -> Prepared:
    picture = seal.picture or seal_stamp(seal.organisation)
    signature = NewSignature(SEAL_FIELD, certify=False, final=True, appearance=picture)
    return services.documents.pdf_engine.prepare(document, signature, seal.chain)


async def prepare_seal(services: Services, hub_step: HubStep) -> HubStep:
    contract = hub_step.contract
    assert contract.document is not None and hub_step.seal is not None
    check_not_expired(present_chain(services.sealing, hub_step.seal)[0], services.clock())
    seal = await new_seal_request(services, hub_step, contract.document, await services.files.get(contract.document))
    async with services.database.transaction(EVERYTHING) as tx:
        case = await tx.cases.lock(contract.id)
        waiting = [request for request in await tx.signatures.list_unfinished(contract.id) if request.is_seal]
        if case.contract.version == contract.version and not waiting:
            await tx.signatures.add(replace(seal, created_at=tx.now, expires_at=tx.now + MAX_RETRY_INTERVAL))
        return await choose_hub_step(services, tx, case)


async def discard_seal(services: Services, hub_step: HubStep) -> HubStep:
    """Let the prepared request lapse, because the seal has been given a new certificate meanwhile."""
    async with services.database.transaction(EVERYTHING) as tx:
        case = await tx.cases.lock(hub_step.contract.id)
        await tx.signatures.lapse(hub_step.about.id)
        return await choose_hub_step(services, tx, case)


async def sign_seal(services: Services, hub_step: HubStep) -> HubStep:
    """Sign with the seal's key. Return the step that closes the file, in the same run: nothing is written in between.

    The attempt rows and the line in the seal's register were committed before. The signature is stored when the run
    ends (`end_run`), even if the file could not be finished, so that the key does not sign again. Raises
    SealUseRefused, CertificateNotValid, CertificateRevoked, and what the key and the authority raise.
    """
    request = hub_step.about
    assert hub_step.seal is not None
    check_not_expired(present_chain(services.sealing, hub_step.seal)[0], services.clock())
    if hub_step.refusal is not None:
        raise SealUseRefused(hub_step.refusal)
    seal = await open_seal_key(services.sealing, hub_step.seal)
    await check_seal_certificate(services, seal.chain, hub_step.facts.revoked)
    signature = await seal.key.sign(request.to_be_signed)
    signed = replace(request, state=RequestState.ACCEPTED, signature=signature)
    facts = {
        "key": seal.key.label,
        "seal": str(hub_step.seal.id),
        "organisation": seal.organisation,
        "custody": seal.custody,
        "prepared_sha256": request.prepared,
        "signature_sha256": hashlib.sha256(signature).hexdigest(),
    }
    return replace(hub_step, kind=FinaliseStep.CLOSE, request=signed, seal_used=facts)


async def close_file(services: Services, hub_step: HubStep) -> HubStep:
    """Timestamp and embed the seal, add validation data and the document timestamp, check the file, and complete the
    contract."""
    try:
        final = await _final_file(services, hub_step)
    except (CertificateRevoked, CertificateNotValid) as error:  # nobody would accept this seal
        return await _replace_seal(services, hub_step, error)
    stored = await services.files.put(final)
    opening = opening_lock(hub_step.contract.id, with_record=True)
    async with services.database.transaction(EVERYTHING, opening) as tx:
        case = await tx.cases.lock(hub_step.contract.id, with_record=True)
        await end_calls(tx, hub_step)
        known = known_revocations(services, hub_step)
        if await embed_seal(tx, hub_step, known):
            completed, news = await _note_completed(services, tx, case, StoredFile(stored, len(final)))
            package = await begin_with_end(services, tx, completed, final)
            calls = await services.messaging.router.begin_calls(tx, news)
            case = replace(case, contract=completed)
            return HubStep(FinaliseStep.PACKAGE, case, hub_step.facts, package=package, calls=calls)
        return await choose_hub_step(services, tx, case)


async def _replace_seal(services: Services, hub_step: HubStep, failure: QiandaError) -> HubStep:
    """Let the seal's stored signature lapse (it has not left the hub), so that the same file is sealed again.

    Raises `failure` if the seal still has the same certificate.
    """
    seal = hub_step.about
    async with services.database.transaction(EVERYTHING) as tx:
        case = await end_run(tx, hub_step, failure)
        if await tx.signatures.lapse(seal.id, RequestState.ACCEPTED):
            facts = {"field": seal.field}
            await tx.record.append(case.contract.id, case.contract.campus, "signature-lapsed", "hub", facts)
        following = await choose_hub_step(services, tx, case)
    if following.seal is None or seal.chain[0] == present_chain(services.sealing, following.seal)[0]:
        raise failure
    return following


async def _final_file(services: Services, hub_step: HubStep) -> bytes:
    seal = hub_step.about
    assert seal.signature is not None
    prepared = await services.files.get(seal.prepared)
    sealed = await embed(prepared_file(seal, prepared), seal.chain, seal.signature, services.sealing.timestamps)
    check_not_expired(seal.chain[0], services.clock())  # checked after the timestamp
    evidence = await collect_evidence(services, hub_step)
    final = await engine.close_file(services.documents.pdf_engine, sealed, services.sealing.timestamps, evidence)
    await check_final_file(services, hub_step, final)
    return final


async def make_begun_package(services: Services, hub_step: HubStep) -> HubStep:
    """Notify the signers of a completed contract, and make its evidence package meanwhile. Failures are retried."""
    services.messaging.router.open_calls.start(hub_step.calls)
    if hub_step.package is not None:
        await finish_package(services, hub_step.package)
    return replace(hub_step, kind=FinaliseStep.WAIT, package=None, calls=())


async def _note_completed(
    services: Services, tx: Transaction, case: Case, file: StoredFile
) -> tuple[Contract, list[Delivery]]:
    """Complete the contract with its finished file, and write to its signers and all who get a copy.

    Return the contract, and the messages to its signers that can go out now. The caller has locked the case.
    """
    contract = case.contract
    await tx.contracts.add_version(contract.id, "final", file.sha256, file.size, tx.now)
    await tx.record.append(contract.id, contract.campus, "completed", "hub", {"document_sha256": file.sha256})
    completed = await tx.contracts.move(
        contract,
        ContractState.COMPLETED,
        document=file.sha256,
        revision=contract.revision + 1,
        completed_at=tx.now,
        ended_at=tx.now,
        stuck_since=None,
        stuck_reason=None,
        hub_due_at=None,
        hub_tries=0,
    )
    news = []
    for party in case.parties:
        message = NewMessage(Purpose.COMPLETED, f"completed-{contract.id}-{party.signer.id}", task=party.task)
        news.append(await write_message(services, tx, completed, party.signer, message))
    await send_copies(services, tx, completed)
    return completed, [each for each in news if each is not None and each.not_before is None]
