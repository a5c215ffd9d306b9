"""From an accepted signature to a completed contract: what `hub.model.sealing.finalise` chooses is done here.

`advance` goes on from where a contract is, as often as it is called and from whatever process. Each step does its slow
work outside any transaction; then one transaction locks the contract, checks that it is still where it was, writes the
result, chooses the next step and begins its attempt. A seal is signed over a file that was stored first: after a death
in between, the very same bytes are signed again, so that no contract is sealed twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from cryptography import x509

from hub.authorities import CertificateStatus, Revoked
from hub.documents.closing import close, with_validation_data
from hub.documents.deferred import NewSignature, Prepared, embed
from hub.documents.deferred import prepare as prepare_file
from hub.documents.stamps import seal_stamp
from hub.errors import CertificateNotValid, CertificateRevoked, FileFailedCheck, QiandaError
from hub.lifecycle.messaging.send import NewMessage, send_at_once
from hub.lifecycle.reminders.extend_deadline import move_deadline
from hub.lifecycle.sealing.retry_stalled import note_trouble
from hub.lifecycle.sealing.seal_certificate import check_not_expired, check_seal_certificate
from hub.lifecycle.services import Services
from hub.lifecycle.signing.signing_order import Invitation, open_next, open_task
from hub.model.contract.case import Party
from hub.model.contract.contract import FIRST_RETRY, MAX_RETRY_INTERVAL, Contract, ContractState
from hub.model.contract.signer import all_signed
from hub.model.messaging.message import Purpose
from hub.model.sealing.finalise import ATTEMPTS, FinaliseStep, choose_step
from hub.model.signing.signature_request import SEAL_FIELD, Custody, RequestState, SignatureRequest
from hub.model.staff.accounts import EVERYTHING
from hub.store.transaction import Transaction
from qianda.verify.structure import check_finished

# What a signer gets at least whose signature was lost by trouble of ours.
TIME_TO_SIGN_AGAIN = timedelta(days=7)

log = structlog.get_logger()


@dataclass(frozen=True)
class _Work:
    """The next step of a contract. `attempt`: begun in the transaction that chose a step which calls outside.
    `revoked`: what the built-in authority had revoked by then, for the use of the seal."""

    step: FinaliseStep
    contract: Contract
    request: SignatureRequest | None = None
    attempt: UUID | None = None
    revoked: Sequence[Revoked] = ()

    @property
    def about(self) -> SignatureRequest:
        assert self.request is not None
        return self.request


async def advance(services: Services, contract_id: UUID) -> ContractState:
    """Do what the hub has to do for this contract until somebody else's turn comes, or a service is away.

    Returns the contract's state. Never raises for a service that is away, nor for what nobody expected: the contract
    shows as stuck, staff are told, and it is tried again later.
    """
    attempt: UUID | None = None
    try:
        async with services.database.transaction(EVERYTHING) as tx:
            work = await _choose(services, tx, await tx.contracts.locked(contract_id))
        while work.step is not FinaliseStep.WAIT:
            attempt = work.attempt
            work = await STEPS[work.step](services, work)
    except QiandaError as error:
        return await _note_trouble(services, contract_id, error, attempt)
    except Exception as error:
        log.exception("unexpected trouble with a contract", contract=str(contract_id))
        return await _note_trouble(services, contract_id, QiandaError(type(error).__name__), None)
    return work.contract.state


async def _choose(services: Services, tx: Transaction, contract: Contract) -> _Work:
    """Choose the next step of a contract that is locked, and begin its attempt."""
    unfinished = await tx.signatures.unfinished(contract.id)
    step, request = choose_step(
        contract.state, unfinished, lambda each: _expired(each, services.clock()), services.seal.chain[0]
    )
    if step is FinaliseStep.WAIT:
        await tx.contracts.plan_hub_step(contract.id, None)
    if request is None or step not in ATTEMPTS:
        return _Work(step, contract, request)
    attempt = await tx.signatures.begin_attempt(ATTEMPTS[step], contract.id, request.id, tx.now)
    revoked = await _revoked(services, tx) if step is FinaliseStep.SIGN_SEAL else ()
    return _Work(step, contract, request, attempt, revoked)


async def _revoked(services: Services, tx: Transaction) -> list[Revoked]:
    return [Revoked(*each) for each in await tx.certificates.revoked(services.authority_name)]


async def _note_trouble(
    services: Services, contract_id: UUID, error: QiandaError, attempt: UUID | None
) -> ContractState:
    async with services.database.transaction(EVERYTHING) as tx:
        if attempt is not None:
            await tx.signatures.end_attempt(attempt, tx.now, failure=f"{error.code}: {error}")
        tries = await note_trouble(tx, contract_id, error)
        state = (await tx.contracts.get(contract_id)).state  # somebody else may have finished it
    log.warning("contract stuck", contract=str(contract_id), reason=error.code, tries=tries, detail=str(error))
    return state


# ---- a signer's signature


async def _embed(services: Services, work: _Work) -> _Work:
    """Timestamp the accepted signature and write it into the file, with the revocation data that speaks for it."""
    request = work.about
    try:
        signed = await _with_signature(services, request)
    except CertificateRevoked as error:  # before its timestamp: no one would believe it
        return await _reopen(services, work, error)
    stored = await services.files.put(signed)
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await _end_attempt(tx, work)
        if contract.document == request.base and await tx.signatures.embedded(request.id, tx.now):
            contract = await _note_embedded(services, tx, contract, request, _StoredFile(stored, len(signed)))
        return await _choose(services, tx, contract)


async def _end_attempt(tx: Transaction, work: _Work, failure: QiandaError | None = None) -> Contract:
    """Lock the contract and end the attempt of this step. Returns the contract as it is under the lock."""
    contract = await tx.contracts.locked(work.contract.id)
    if work.attempt is not None:
        reason = f"{failure.code}: {failure}" if failure else None
        await tx.signatures.end_attempt(work.attempt, tx.now, failure=reason)
    return contract


def _prepared(request: SignatureRequest, file: bytes) -> Prepared:
    return Prepared(file, request.gap, request.document_digest, request.to_be_signed)


async def _with_signature(services: Services, request: SignatureRequest) -> bytes:
    prepared = await services.files.get(request.prepared)
    assert request.signature is not None
    signed = await embed(
        _prepared(request, prepared), request.chain, request.signature, services.timestamps, request.confirmation
    )
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
        entries = await _revoked(services, tx)
        requests = await tx.signatures.of_contract(request.contract)
    inside = [request, *(each for each in requests if each.state is RequestState.EMBEDDED)]
    all_ends = [x509.load_der_x509_certificate(each.chain[0]).not_valid_after_utc for each in inside]
    ends = min(end for end in all_ends if end > services.clock())
    crl = await services.authority.revocation_list(entries, speaks_until=ends)
    if await services.authority.status(request.chain[0], entries) is CertificateStatus.REVOKED:
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


@dataclass(frozen=True)
class _StoredFile:
    """`sha256` is also its name in the store."""

    sha256: str
    size: int


async def _note_embedded(
    services: Services, tx: Transaction, contract: Contract, request: SignatureRequest, file: _StoredFile
) -> Contract:
    """The signature stands in this file: the next signer's turn, or the hub's own. `contract` is locked."""
    assert request.task is not None
    stored = file.sha256
    await tx.signatures.lapse_prepared(contract.id)
    await tx.tasks.embedded(request.task, tx.now)
    await tx.contracts.add_version(contract.id, "signed", stored, file.size, tx.now)
    facts = {"field": request.field, "document_sha256": stored, "revision": contract.revision + 1}
    await tx.record.append(contract.id, contract.campus, "signature-embedded", "hub", facts)
    changes = {"document": stored, "revision": contract.revision + 1, "stuck_since": None, "stuck_reason": None}
    if all_signed(await tx.tasks.of_contract(contract.id)):
        signed = await tx.contracts.move(contract, ContractState.SIGNED, **changes)
        await tx.record.append(contract.id, contract.campus, "signed", "hub", {"document_sha256": stored})
        await tx.contracts.plan_hub_step(contract.id, tx.now + FIRST_RETRY)
        return signed
    changed = await tx.contracts.change(contract, **changes)
    # We start this message, so it waits for the window; in the daytime that is at once.
    await open_next(services, tx, changed, Invitation("policy"))
    return changed


async def _reopen(services: Services, work: _Work, failure: QiandaError | None = None) -> _Work:
    """The certificate was revoked or ran out before a timestamp could be had: the signature is lost, and the signer is
    asked again."""
    request = work.about
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await _end_attempt(tx, work, failure)
        if await tx.signatures.lapse(request.id, RequestState.ACCEPTED):
            contract = await _ask_to_sign_again(services, tx, contract, request)
        return await _choose(services, tx, contract)


async def _ask_to_sign_again(
    services: Services, tx: Transaction, contract: Contract, request: SignatureRequest
) -> Contract:
    task = next(each for each in await tx.tasks.of_contract(contract.id) if each.id == request.task)
    signer = await tx.contracts.signer(task.signer)
    await tx.record.append(contract.id, contract.campus, "signature-lapsed", "hub", {"field": request.field})
    at_least = tx.planning_now + TIME_TO_SIGN_AGAIN
    if contract.deadline < at_least:  # they had signed in time
        contract = await move_deadline(services, tx, contract, at_least, "hub")
    freed = await tx.contracts.change(contract, stuck_since=None, stuck_reason=None)
    await open_task(services, tx, freed, Party(signer, task), Invitation("policy"))
    return freed


def _expired(certificate: bytes, now: datetime) -> bool:
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc <= now


# ---- the seal


async def _prepare_seal(services: Services, work: _Work) -> _Work:
    contract = work.contract
    assert contract.document is not None
    check_not_expired(services.seal.chain[0], services.clock())
    document = await services.files.get(contract.document)
    stamp = await asyncio.to_thread(seal_stamp, services.seal.organisation)
    prepared = await prepare_file(
        document, NewSignature(SEAL_FIELD, certify=False, final=True, appearance=stamp), services.seal.chain
    )
    stored = await services.files.put(prepared.file)
    async with services.database.transaction(EVERYTHING) as tx:
        locked = await tx.contracts.locked(contract.id)
        waiting = [request for request in await tx.signatures.unfinished(contract.id) if request.is_seal]
        if locked.version == contract.version and not waiting:
            await tx.signatures.add(
                SignatureRequest(
                    id=uuid4(),
                    contract=contract.id,
                    field=SEAL_FIELD,
                    state=RequestState.PREPARED,
                    base=contract.document,
                    prepared=stored,
                    gap=prepared.gap,
                    document_digest=prepared.document_digest,
                    to_be_signed=prepared.to_be_signed,
                    chain=services.seal.chain,
                    created_at=tx.now,
                    expires_at=tx.now + MAX_RETRY_INTERVAL,
                )
            )
        return await _choose(services, tx, locked)


async def _discard_seal(services: Services, work: _Work) -> _Work:
    """The seal has another certificate now: over what was prepared for the old one it must not sign."""
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.locked(work.contract.id)
        await tx.signatures.lapse(work.about.id)
        return await _choose(services, tx, contract)


async def _sign_seal(services: Services, work: _Work) -> _Work:
    """The use of the school's seal key: an attempt before, a record entry after, and one signature that counts."""
    seal = work.about
    await check_seal_certificate(services, work.revoked)
    signature = await services.seal.key.sign(seal.to_be_signed)
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await _end_attempt(tx, work)
        if await tx.signatures.accept(seal.id, signature, tx.now):
            await tx.record.append(
                contract.id,
                contract.campus,
                "seal-used",
                "hub",
                {
                    "key": services.seal.key.label,
                    "organisation": services.seal.organisation,
                    "custody": Custody.REMOTE.value if services.seal.remote else "token",
                    "prepared_sha256": seal.prepared,
                    "signature_sha256": hashlib.sha256(signature).hexdigest(),
                },
            )
        return await _choose(services, tx, contract)


async def _close(services: Services, work: _Work) -> _Work:
    """Timestamp and embed the seal, add validation data and the document timestamp, check the file, complete."""
    seal = work.about
    try:
        final = await _final_file(services, work.contract, seal)
    except (CertificateRevoked, CertificateNotValid) as error:  # no one would believe this seal
        return await _replace_seal(services, work, error)
    stored = await services.files.put(final)
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await _end_attempt(tx, work)
        if contract.state is ContractState.SIGNED and await tx.signatures.embedded(seal.id, tx.now):
            contract = await _note_completed(services, tx, contract, _StoredFile(stored, len(final)))
        return await _choose(services, tx, contract)


async def _replace_seal(services: Services, work: _Work, failure: QiandaError) -> _Work:
    """Its signature was stored and never given out: the next one is prepared from the same file. Raises `failure` where
    that has to wait for another certificate."""
    seal = work.about
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await _end_attempt(tx, work, failure)
        if await tx.signatures.lapse(seal.id, RequestState.ACCEPTED):
            await tx.record.append(contract.id, contract.campus, "signature-lapsed", "hub", {"field": seal.field})
        following = await _choose(services, tx, contract)
    if seal.chain[0] == services.seal.chain[0]:
        raise failure
    return following


async def _final_file(services: Services, contract: Contract, seal: SignatureRequest) -> bytes:
    assert seal.signature is not None
    prepared = await services.files.get(seal.prepared)
    sealed = await embed(_prepared(seal, prepared), seal.chain, seal.signature, services.timestamps)
    check_not_expired(seal.chain[0], services.clock())  # now that it has its timestamp
    final = await close(sealed, services.timestamps, *await _validation_data(services, seal))
    findings = await asyncio.to_thread(check_finished, final, [*contract.fields, SEAL_FIELD])
    if findings:
        raise FileFailedCheck("; ".join(str(finding) for finding in findings))
    return final


async def _note_completed(services: Services, tx: Transaction, contract: Contract, file: _StoredFile) -> Contract:
    """`file` is the finished one. `contract` is locked."""
    await tx.contracts.add_version(contract.id, "final", file.sha256, file.size, tx.now)
    completed = await tx.contracts.move(
        contract,
        ContractState.COMPLETED,
        document=file.sha256,
        revision=contract.revision + 1,
        completed_at=tx.now,
        ended_at=tx.now,
        stuck_since=None,
        stuck_reason=None,
    )
    await tx.record.append(contract.id, contract.campus, "completed", "hub", {"document_sha256": file.sha256})
    for signer in await tx.contracts.signers(contract.id):
        key, task = f"completed-{contract.id}-{signer.id}", await tx.tasks.of_signer(signer.id)
        await send_at_once(services, tx, completed, signer, NewMessage(Purpose.COMPLETED, key, task=task))
    return completed


STEPS: dict[FinaliseStep, Callable[[Services, _Work], Awaitable[_Work]]] = {
    FinaliseStep.EMBED: _embed,
    FinaliseStep.REOPEN: _reopen,
    FinaliseStep.PREPARE_SEAL: _prepare_seal,
    FinaliseStep.DISCARD_SEAL: _discard_seal,
    FinaliseStep.SIGN_SEAL: _sign_seal,
    FinaliseStep.CLOSE: _close,
}
