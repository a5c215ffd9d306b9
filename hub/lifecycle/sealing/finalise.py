"""What the hub itself has to do, from an accepted signature to a completed contract.

One function, `advance`, looks where the contract is and goes on from there, as often as it is called and from
whatever process:

    accepted signature ──timestamp──▶ embedded ─┬─▶ next signer's turn
                                                └─▶ SIGNED ─▶ seal prepared ─token─▶ seal accepted
                                                                                         └─timestamp─▶ COMPLETED

Each arrow's result is stored before the next begins. A seal is signed over a file that was stored first: after a
death in between, the very same bytes are signed again, so that no contract is ever sealed twice. A seal whose
certificate was revoked or ran out before the final file is set anew, with the certificate that is configured by then.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from cryptography import x509

from hub.authorities import Revoked, Standing
from hub.documents.closing import close, with_validation_data
from hub.documents.deferred import embed
from hub.documents.deferred import prepare as prepare_file
from hub.documents.stamps import seal_stamp
from hub.errors import CertificateNotValid, CertificateRevoked, FileFailedCheck, QiandaError, Unavailable
from hub.lifecycle.messaging.send import send_at_once
from hub.lifecycle.reminders.extend_deadline import move_deadline
from hub.lifecycle.sealing.retry_stalled import note_trouble, waits_for_hub
from hub.lifecycle.sealing.seal_certificate import check_not_expired, check_seal_certificate
from hub.lifecycle.services import Services
from hub.lifecycle.signing.signing_order import open_next, open_task
from hub.model.contract.contract import FIRST_RETRY, LONGEST_RETRY, Contract, ContractState
from hub.model.contract.signer import all_signed
from hub.model.messaging.message import Purpose
from hub.model.signing.signature_request import SEAL_FIELD, Custody, RequestState, SignatureRequest
from hub.model.staff.accounts import EVERYTHING
from hub.store.transaction import Transaction
from qianda.verify.structure import check_finished

TIME_TO_SIGN_AGAIN = timedelta(days=7)
"""What a signer gets at least whose signature was lost by trouble of ours."""

log = structlog.get_logger()


async def advance(services: Services, contract_id: UUID) -> ContractState:
    """Do what the hub has to do for this contract until somebody else's turn comes, or a part is away.

    Never raises for a part that is away, nor for what nobody expected: the contract shows as stuck, staff are told, and
    it is tried again by itself.
    """
    try:
        while await _step(services, contract_id):
            pass
    except QiandaError as error:
        await _stuck(services, contract_id, error)
    except Exception as error:
        log.exception("unexpected trouble with a contract", contract=str(contract_id))
        await _stuck(services, contract_id, QiandaError(type(error).__name__))
    async with services.database.transaction(EVERYTHING) as tx:
        return (await tx.contracts.get(contract_id)).state


async def _step(services: Services, contract_id: UUID) -> bool:
    """One arrow of the picture above. False when there is nothing for the hub to do."""
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.get(contract_id)
        requests = await tx.signatures.unfinished(contract_id)
    accepted = next((request for request in requests if request.state is RequestState.ACCEPTED), None)
    seal = next((request for request in requests if request.is_seal), None)
    if accepted and not accepted.is_seal:
        return await _embed(services, contract, accepted)
    if contract.state is not ContractState.SIGNED:
        async with services.database.transaction(EVERYTHING) as tx:
            return await _nothing_to_do(tx, contract_id)
    if seal is None:
        return await _prepare_seal(services, contract)
    if seal.state is RequestState.PREPARED and seal.chain[0] != services.seal.chain[0]:
        return await _prepare_again(services, contract, seal)
    if seal.state is RequestState.PREPARED:
        return await _sign_seal(services, contract, seal)
    return await _close(services, contract, seal)


async def _nothing_to_do(tx: Transaction, contract_id: UUID) -> bool:
    """Decided under the lock: a signature that is accepted at this moment plans its own step."""
    if await waits_for_hub(tx, await tx.contracts.locked(contract_id)):
        return True
    await tx.contracts.plan_hub_step(contract_id, None)
    return False


# ---- a signer's signature


async def _embed(services: Services, contract: Contract, request: SignatureRequest) -> bool:
    """Timestamp the accepted signature and write it into the file, with the revocation data that speaks for it."""
    if _expired(request.chain[0], services.clock()):
        return await _reopen(services, contract, request)
    attempt = await _begin(services, "timestamp", contract, request)
    try:
        signed = await _with_signature(services, request)
    except CertificateRevoked as error:  # before its timestamp: no one would believe it
        await _failed(services, attempt, error)
        return await _reopen(services, contract, request)
    except QiandaError as error:
        await _failed(services, attempt, error)
        raise
    stored = await services.files.put(signed)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now)
        await _note_embedded(services, tx, contract.id, request, stored, len(signed))
    return True


async def _with_signature(services: Services, request: SignatureRequest) -> bytes:
    prepared = await services.files.get(request.prepared)
    assert request.signature is not None
    signed = await embed(
        prepared, request.gap, request.document_digest, request.to_be_signed, request.chain, request.signature,
        services.timestamps, request.confirmation,
    )  # fmt: skip
    return await asyncio.to_thread(
        with_validation_data, signed, request.field, *await _validation_data(services, request)
    )


async def _validation_data(
    services: Services, request: SignatureRequest
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Chains, CRLs and OCSP answers; of the built-in authority a CRL that ends before any certificate in the file does:
    later it could not speak for it any more.

    A validator judges all signatures by the newest CRL in the file, also those that were made before it.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        revoked = await tx.certificates.revoked(services.authority_name)
        requests = await tx.signatures.of_contract(request.contract)
    inside = [request, *(each for each in requests if each.state is RequestState.EMBEDDED)]
    all_ends = [x509.load_der_x509_certificate(each.chain[0]).not_valid_after_utc for each in inside]
    ends = min(end for end in all_ends if end > services.clock())
    entries = [Revoked(serial, at, reason) for serial, at, reason in revoked]
    crl = await services.authority.revocation_list(entries, speaks_until=ends)
    if await services.authority.status(request.chain[0], entries) is Standing.REVOKED:
        raise CertificateRevoked
    foreign = {each.id: await services.revocation.of(each.chain) for each in inside if _is_foreign(services, each)}
    if request.id in foreign and foreign[request.id].revoked:
        raise CertificateRevoked
    others = dict.fromkeys(each for status in foreign.values() for each in status.lists)
    answers = dict.fromkeys(each for status in foreign.values() for each in status.answers)
    return [*request.chain, *services.timestamps.certificates], [crl, *others], list(answers)


def _is_foreign(services: Services, request: SignatureRequest) -> bool:
    """Whether the certificate is of another authority than the built-in one, whose list is at hand."""
    return request.chain[-1] != services.signer_trust.own


async def _note_embedded(
    services: Services, tx: Transaction, contract_id: UUID, request: SignatureRequest, stored: str, size: int
) -> None:
    contract = await tx.contracts.locked(contract_id)
    known = await tx.signatures.get(request.id)
    if known is None or known.state is not RequestState.ACCEPTED or contract.document != request.base:
        return  # another process was quicker
    assert request.task is not None
    await tx.signatures.embedded(request.id, tx.now)
    await tx.signatures.lapse_prepared(contract.id)
    await tx.tasks.embedded(request.task, tx.now)
    await tx.contracts.add_version(contract.id, "signed", stored, size, tx.now)
    facts = {"field": request.field, "document_sha256": stored, "revision": contract.revision + 1}
    await tx.record.append(contract.id, contract.campus, "signature-embedded", "hub", facts)
    changes = {"document": stored, "revision": contract.revision + 1, "stuck_since": None, "stuck_reason": None}
    if all_signed(await tx.tasks.of_contract(contract.id)):
        await tx.contracts.move(contract, ContractState.SIGNED, **changes)
        await tx.record.append(contract.id, contract.campus, "signed", "hub", {"document_sha256": stored})
        await tx.contracts.plan_hub_step(contract.id, tx.now + FIRST_RETRY)
    else:
        # We start this message, so it waits for the window; in the daytime that is at once.
        await open_next(services, tx, await tx.contracts.change(contract, **changes), "policy")


async def _reopen(services: Services, contract: Contract, request: SignatureRequest) -> bool:
    """The certificate ran out before a timestamp could be had: the signature is lost, the signer is asked again."""
    async with services.database.transaction(EVERYTHING) as tx:
        locked = await tx.contracts.locked(contract.id)
        if not await tx.signatures.lapse(request.id, RequestState.ACCEPTED):
            return True
        task = next(each for each in await tx.tasks.of_contract(contract.id) if each.id == request.task)
        signer = await tx.contracts.signer(task.signer)
        await tx.record.append(locked.id, locked.campus, "signature-lapsed", "hub", {"field": request.field})
        at_least = tx.planning_now + TIME_TO_SIGN_AGAIN
        if locked.deadline < at_least:  # they had signed in time
            locked = await move_deadline(services, tx, locked, at_least, "hub")
        freed = await tx.contracts.change(locked, stuck_since=None, stuck_reason=None)
        await open_task(services, tx, freed, task, signer, "policy")
    return True


def _expired(certificate: bytes, now: datetime) -> bool:
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc <= now


# ---- the seal


async def _prepare_seal(services: Services, contract: Contract) -> bool:
    assert contract.document is not None
    check_not_expired(services.seal.chain[0], services.clock())
    document = await services.files.get(contract.document)
    stamp = await asyncio.to_thread(seal_stamp, services.seal.organisation)
    prepared = await prepare_file(
        document, SEAL_FIELD, services.seal.chain, certify=False, final=True, appearance=stamp
    )
    stored = await services.files.put(prepared.file)
    async with services.database.transaction(EVERYTHING) as tx:
        locked = await tx.contracts.locked(contract.id)
        waiting = [request for request in await tx.signatures.unfinished(contract.id) if request.is_seal]
        if locked.version != contract.version or waiting:
            return True
        await tx.signatures.add(SignatureRequest(
            id=uuid4(), contract=contract.id, field=SEAL_FIELD, state=RequestState.PREPARED, base=contract.document,
            prepared=stored, gap=prepared.gap, document_digest=prepared.document_digest,
            to_be_signed=prepared.to_be_signed, chain=services.seal.chain, created_at=tx.now,
            expires_at=tx.now + LONGEST_RETRY,
        ))  # fmt: skip
    return True


async def _prepare_again(services: Services, contract: Contract, seal: SignatureRequest) -> bool:
    """The seal has another certificate now: over what was prepared for the old one it must not sign."""
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.contracts.locked(contract.id)
        await tx.signatures.lapse(seal.id)
    return True


async def _sign_seal(services: Services, contract: Contract, seal: SignatureRequest) -> bool:
    """The use of the school's seal key: an attempt before, a record entry after, and one signature that counts."""
    await check_seal_certificate(services)
    attempt = await _begin(services, "seal", contract, seal)
    try:
        signature = await services.seal.key.sign(seal.to_be_signed)
    except Unavailable as error:
        await _failed(services, attempt, error)
        raise
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.contracts.locked(contract.id)
        await tx.signatures.end_attempt(attempt, tx.now)
        known = await tx.signatures.get(seal.id)
        if known is not None and known.state is RequestState.PREPARED:
            await tx.signatures.accept(seal.id, signature, tx.now)
            await tx.record.append(contract.id, contract.campus, "seal-used", "hub", {
                "key": services.seal.key.label, "organisation": services.seal.organisation,
                "custody": Custody.REMOTE.value if services.seal.remote else "token",
                "prepared_sha256": seal.prepared, "signature_sha256": hashlib.sha256(signature).hexdigest(),
            })  # fmt: skip
    return True


async def _close(services: Services, contract: Contract, seal: SignatureRequest) -> bool:
    """Timestamp and embed the seal, add validation data and the document timestamp, check the file, complete."""
    attempt = await _begin(services, "close", contract, seal)
    try:
        final = await _final_file(services, contract, seal)
    except (CertificateRevoked, CertificateNotValid) as error:  # no one would believe this seal
        await _failed(services, attempt, error)
        await _discard_seal(services, contract, seal)
        if seal.chain[0] == services.seal.chain[0]:
            raise  # it waits for another certificate
        return True
    except QiandaError as error:
        await _failed(services, attempt, error)
        raise
    stored = await services.files.put(final)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now)
        await _note_completed(services, tx, contract.id, seal, stored, len(final))
    return True


async def _discard_seal(services: Services, contract: Contract, seal: SignatureRequest) -> None:
    """Its signature was stored and never given out: the next one is prepared from the same file."""
    async with services.database.transaction(EVERYTHING) as tx:
        locked = await tx.contracts.locked(contract.id)
        if await tx.signatures.lapse(seal.id, RequestState.ACCEPTED):
            await tx.record.append(locked.id, locked.campus, "signature-lapsed", "hub", {"field": seal.field})


async def _final_file(services: Services, contract: Contract, seal: SignatureRequest) -> bytes:
    assert seal.signature is not None
    prepared = await services.files.get(seal.prepared)
    sealed = await embed(
        prepared, seal.gap, seal.document_digest, seal.to_be_signed, seal.chain, seal.signature, services.timestamps
    )
    check_not_expired(seal.chain[0], services.clock())  # now that it has its timestamp
    final = await close(sealed, services.timestamps, *await _validation_data(services, seal))
    findings = await asyncio.to_thread(check_finished, final, [*contract.fields, SEAL_FIELD])
    if findings:
        raise FileFailedCheck("; ".join(str(finding) for finding in findings))
    return final


async def _note_completed(
    services: Services, tx: Transaction, contract_id: UUID, seal: SignatureRequest, stored: str, size: int
) -> None:
    contract = await tx.contracts.locked(contract_id)
    known = await tx.signatures.get(seal.id)
    if contract.state is not ContractState.SIGNED or known is None or known.state is not RequestState.ACCEPTED:
        return  # another process was quicker
    await tx.signatures.embedded(seal.id, tx.now)
    await tx.contracts.add_version(contract.id, "final", stored, size, tx.now)
    completed = await tx.contracts.move(
        contract, ContractState.COMPLETED, document=stored, revision=contract.revision + 1, completed_at=tx.now,
        ended_at=tx.now, stuck_since=None, stuck_reason=None,
    )  # fmt: skip
    await tx.contracts.plan_hub_step(contract.id, None)
    await tx.record.append(contract.id, contract.campus, "completed", "hub", {"document_sha256": stored})
    for signer in await tx.contracts.signers(contract.id):
        await send_at_once(
            services, tx, completed, signer, Purpose.COMPLETED, f"completed-{contract.id}-{signer.id}",
            task=await tx.tasks.of_signer(signer.id),
        )  # fmt: skip


# ---- attempts, and what happens when a part is away


async def _begin(services: Services, kind: str, contract: Contract, request: SignatureRequest) -> UUID:
    async with services.database.transaction(EVERYTHING) as tx:
        return await tx.signatures.begin_attempt(kind, contract.id, request.id, tx.now)


async def _failed(services: Services, attempt: UUID, error: QiandaError) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now, failure=f"{error.code}: {error}")


async def _stuck(services: Services, contract_id: UUID, error: QiandaError) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        tries = await note_trouble(tx, contract_id, error)
    log.warning("contract stuck", contract=str(contract_id), reason=error.code, tries=tries, detail=str(error))
