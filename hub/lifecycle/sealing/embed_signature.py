"""Embed a signer's accepted signature. If its certificate was revoked or expired by then, the signer signs again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import structlog

from hub.documents.computing import compute
from hub.documents.signing.signature import embed
from hub.errors import CertificateRevoked, QiandaError
from hub.lifecycle.reminders.extend_deadline import move_deadline
from hub.lifecycle.sealing.apply_seal import new_seal_request
from hub.lifecycle.sealing.hub_step import (
    HubStep,
    StoredFile,
    check_has_begun,
    choose_hub_step,
    collect_evidence,
    end_run,
    is_expired,
    known_revocations,
    prepared_file,
)
from hub.lifecycle.sealing.seals.contract_seal import present_chain
from hub.lifecycle.services import Services
from hub.lifecycle.signing.signing_order import open_next, open_task
from hub.model.contract.case import Case
from hub.model.contract.contract import FIRST_RETRY, MAX_RETRY_INTERVAL, ContractState
from hub.model.contract.signer import all_signed
from hub.model.signing.signature_request import RequestState, SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import opening_lock
from hub.store.transaction import Transaction

log = structlog.get_logger()

# The minimum time for a signer to sign again, after a signature was lost through no fault of theirs.
TIME_TO_SIGN_AGAIN = timedelta(days=7)


async def embed_signature(services: Services, hub_step: HubStep) -> HubStep:
    """Timestamp the accepted signature and write it into the file with its revocation data.

    After the last signature, the seal is prepared in the same transaction, unless there is a problem with the seal.
    """
    request = hub_step.about
    try:
        signed = await _with_signature(services, hub_step)
    except CertificateRevoked as error:  # revoked before its timestamp: nobody would accept it
        return await reopen_signing(services, hub_step, error)
    file = StoredFile(await services.files.put(signed), len(signed))
    is_last = all_signed(party.task for party in hub_step.case.parties)
    seal = await _try_to_prepare_seal(services, hub_step, file.sha256, signed) if is_last else None
    async with services.database.transaction(EVERYTHING, opening_lock(hub_step.contract.id)) as tx:
        case, known = await end_run(tx, hub_step), known_revocations(services, hub_step)
        # If a certificate was revoked meanwhile, it may be this one, and before its timestamp.
        if case.contract.document != request.base or not await tx.signatures.mark_embedded(request, known, tx.now):
            return await choose_hub_step(services, tx, case)
        case = await _note_embedded(services, tx, case, request, file)
        requests = [*hub_step.embedded, replace(request, state=RequestState.EMBEDDED, embedded_at=tx.now)]
        if seal is not None and case.contract.state is ContractState.SIGNED:
            requests.append(replace(seal, created_at=tx.now, expires_at=tx.now + MAX_RETRY_INTERVAL))
            await tx.signatures.add(requests[-1])
        return await choose_hub_step(services, tx, case, replace(hub_step.facts, requests=requests))


async def _try_to_prepare_seal(
    services: Services, hub_step: HubStep, base: str, document: bytes
) -> SignatureRequest | None:
    """Return the seal's request, or None if it cannot be prepared.

    The timestamped signature is written in any case; the step PREPARE_SEAL then shows what is wrong with the seal.
    """
    if hub_step.seal is None or is_expired(present_chain(services.sealing, hub_step.seal)[0], services.clock()):
        return None
    try:
        return await new_seal_request(services, hub_step, base, document)
    except Exception as error:
        log.warning(
            "seal not prepared with the last signature", contract=str(hub_step.contract.id), error=repr(error)[:300]
        )
        return None


async def _with_signature(services: Services, hub_step: HubStep) -> bytes:
    request = hub_step.about
    check_has_begun(request.chain[0], services.clock())
    prepared = await services.files.get(request.prepared)
    assert request.signature is not None
    signed = await embed(
        prepared_file(request, prepared),
        request.chain,
        request.signature,
        services.sealing.timestamps,
        request.confirmation,
    )
    evidence = await collect_evidence(services, hub_step)
    add = services.documents.pdf_engine.with_validation_data
    return await compute(signed, partial(add, signed, request.field, evidence))


async def _note_embedded(
    services: Services, tx: Transaction, case: Case, request: SignatureRequest, file: StoredFile
) -> Case:
    """Record that this file contains the signature, and continue with the next signer or the seal.

    The caller has locked the case.
    """
    assert request.task is not None
    contract, stored = case.contract, file.sha256
    await tx.tasks.note_embedded(request.task, tx.now)
    await tx.contracts.add_version(contract.id, "signed", stored, file.size, tx.now)
    facts = {"field": request.field, "document_sha256": stored, "revision": contract.revision + 1}
    await tx.record.append(contract.id, contract.campus, "signature-embedded", "hub", facts)
    changes = {"document": stored, "revision": contract.revision + 1, "stuck_since": None, "stuck_reason": None}
    if all_signed(party.task for party in case.parties):
        await tx.record.append(contract.id, contract.campus, "signed", "hub", {"document_sha256": stored})
        planned = {"hub_due_at": tx.now + FIRST_RETRY, "hub_tries": 0, "signed_at": tx.now}
        return replace(case, contract=await tx.contracts.move(contract, ContractState.SIGNED, **changes, **planned))
    changed = await tx.contracts.change(contract, **changes)
    # The hub starts this message, so it waits for the daily window. In the daytime it goes out at once.
    return await open_next(services, tx, replace(case, contract=changed))


async def reopen_signing(services: Services, hub_step: HubStep, failure: QiandaError | None = None) -> HubStep:
    """Let the signature lapse and ask the signer again, because the certificate was revoked or expired before there was
    a timestamp."""
    request = hub_step.about
    async with services.database.transaction(EVERYTHING) as tx:
        case = await end_run(tx, hub_step, failure)
        if await tx.signatures.lapse(request.id, RequestState.ACCEPTED):
            case = await _ask_to_sign_again(services, tx, case, request)
        return await choose_hub_step(services, tx, case)


async def _ask_to_sign_again(services: Services, tx: Transaction, case: Case, request: SignatureRequest) -> Case:
    contract = case.contract
    party = next(party for party in case.parties if party.task.id == request.task)
    await tx.record.append(contract.id, contract.campus, "signature-lapsed", "hub", {"field": request.field})
    at_least = tx.planning_now + TIME_TO_SIGN_AGAIN
    if contract.deadline < at_least:  # the signer had signed in time
        contract = await move_deadline(services, tx, contract, at_least, "hub")
    freed = await tx.contracts.change(contract, stuck_since=None, stuck_reason=None)
    await open_task(services, tx, freed, party)
    return replace(case, contract=freed)
