"""The next step of finalising a contract and its data, read and chosen under the contract's lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from cryptography import x509

from hub.authorities import CertificateStatus, Revoked
from hub.documents.signing.signature import Evidence, Prepared
from hub.errors import CertificateRevoked, QiandaError
from hub.lifecycle.sealing.contract_seal import choose_contract_seal, present_chain
from hub.lifecycle.sealing.use_seal import begin_seal_uses
from hub.lifecycle.services import Services
from hub.model.contract.case import Case
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import all_signed
from hub.model.sealing.finalise import ATTEMPTS, SEALING, FinaliseStep, choose_step
from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_grant import CONTRACTS
from hub.model.sealing.seal_use import DocumentToSeal, SealAsk
from hub.model.signing.signature_request import RequestState, SignatureRequest
from hub.store.sealing.seals import opening_of_contract_seals
from hub.store.signing.issued_certificates import opening_of_revoked
from hub.store.signing.signature_requests import opening_of_requests
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class Work:
    """The next step of a contract, and the data that was read for it under the contract's lock.

    `seal`: the contract's seal, once all have signed. `refusal`: the reason why it may not be used. `attempt`: the
    attempt row of a step that makes an outside call. Only such a step has `embedded`, the signatures in the file, and
    `revoked`, the revocations of the built-in authority at this time.
    """

    step: FinaliseStep
    case: Case
    request: SignatureRequest | None = None
    attempt: UUID | None = None
    embedded: Sequence[SignatureRequest] = ()
    revoked: Sequence[Revoked] = ()
    seal: Seal | None = None
    refusal: str | None = None

    @property
    def contract(self) -> Contract:
        return self.case.contract

    @property
    def use(self) -> UUID:
        """The id of the line in the seal's register: one for each file, however often it is tried."""
        if self.step is FinaliseStep.SEAL_OFD:
            return uuid5(self.contract.id, FinaliseStep.SEAL_OFD)
        return self.about.id

    @property
    def about(self) -> SignatureRequest:
        assert self.request is not None
        return self.request


@dataclass(frozen=True)
class StoredFile:
    """A stored file. `sha256` is also its name in the store; `size` is in bytes."""

    sha256: str
    size: int


async def choose_work(
    services: Services,
    tx: Transaction,
    case: Case,
    revoked: Sequence[Revoked] | None = None,
    requests: Sequence[SignatureRequest] | None = None,
) -> Work:
    """Choose the next step of a contract, which the caller has locked, and begin its attempt.

    `revoked`: the revocations of the built-in authority, if this transaction has read them. `requests`: the embedded
    and unfinished requests of the contract, oldest first, if this transaction has changed or read them.
    """
    contract, needs_seal = case.contract, _needs_seal(case)
    if requests is None and contract.state is ContractState.COMPLETED:
        requests = []
    reads = [opening_of_contract_seals(contract.campus)] if needs_seal else []
    reads += [opening_of_requests(contract.id)] if requests is None else []
    reads += [opening_of_revoked(services.sealing.authority_name)] if revoked is None else []
    if reads:
        await tx.read_together(reads)
    if requests is None:
        requests = await tx.signatures.list_of_contract(contract.id)
    unfinished = [each for each in reversed(requests) if each.state in (RequestState.PREPARED, RequestState.ACCEPTED)]
    seal = await choose_contract_seal(services, tx, contract) if needs_seal else None
    certificate = present_chain(services.sealing, seal)[0] if seal else b""
    step, request = choose_step(
        contract.state,
        unfinished,
        lambda each: is_expired(each, services.clock()),
        certificate,
        needs_ofd=contract.issued_ofd_sha256 is not None and contract.final_ofd_sha256 is None,
    )
    if step is FinaliseStep.WAIT:
        await tx.contracts.plan_hub_step(contract.id, None)
    if step not in ATTEMPTS:
        return Work(step, case, request, seal=seal)
    embedded = [each for each in requests if each.state is RequestState.EMBEDDED]
    if revoked is None:
        revoked = await list_revoked(services, tx)
    work = Work(step, case, request, None, embedded, revoked, seal)
    refusal = await _begin_use(tx, work) if step in SEALING else None
    attempt = await tx.signatures.begin_attempt(ATTEMPTS[step], contract.id, request.id if request else None, tx.now)
    return replace(work, attempt=attempt, refusal=refusal)


def _needs_seal(case: Case) -> bool:
    """Return whether all have signed. The seal is prepared in the transaction that embeds the last signature."""
    state = case.contract.state
    return state is ContractState.SIGNED or (not state.final and all_signed(party.task for party in case.parties))


async def _begin_use(tx: Transaction, work: Work) -> str | None:
    """Write into the seal's register that its key is about to sign. Return why it may not, or None."""
    contract = work.contract
    assert work.seal is not None
    asked = SealAsk(work.seal.id, frozenset({CONTRACTS}), "hub", contract.campus, contract.template)
    sha256 = contract.issued_ofd_sha256 if work.step is FinaliseStep.SEAL_OFD else work.about.base
    document = DocumentToSeal(work.use, sha256 or "", f"contract:{contract.id}")
    (use,) = await begin_seal_uses(tx, asked, [document])
    return None if use.may_sign else use.reason


async def list_revoked(services: Services, tx: Transaction) -> list[Revoked]:
    """Return the revocations of the built-in authority."""
    return [Revoked(*each) for each in await tx.certificates.list_revoked(services.sealing.authority_name)]


async def end_attempt(
    tx: Transaction, work: Work, failure: QiandaError | None = None, *, with_record: bool = False
) -> Case:
    """Lock the contract and end the attempt of this step. Return the case as it is under the lock.

    `with_record`: lock the record at once. Do not use it where signers' requests are changed afterwards: the revocation
    of a key locks those requests before the record, without the contract's lock, so that a deadlock would be possible.
    """
    case = await tx.cases.lock(work.contract.id, with_record=with_record)
    if work.attempt is not None:
        reason = f"{failure.code}: {failure}" if failure else None
        await tx.signatures.end_attempt(work.attempt, tx.now, failure=reason)
    return case


def prepared_file(request: SignatureRequest, file: bytes) -> Prepared:
    return Prepared(file, request.gap, request.document_digest, request.to_be_signed)


async def collect_evidence(services: Services, work: Work) -> Evidence:
    """Return certificate chains, CRLs and OCSP answers for the file. Raises CertificateRevoked.

    Before storing the file, the caller checks `list_revoked` again: the CRL must contain a certificate that was revoked
    during the outside calls.

    The CRL of the built-in authority ends before any certificate in the file expires, because it does not cover expired
    certificates. A validator judges all signatures, earlier ones too, by the newest CRL in the file.
    """
    request, entries = work.about, work.revoked
    inside = [request, *work.embedded]
    all_ends = [x509.load_der_x509_certificate(each.chain[0]).not_valid_after_utc for each in inside]
    ends = min(end for end in all_ends if end > services.clock())
    crl = await services.sealing.authority.revocation_list(entries, speaks_until=ends)
    if await services.sealing.authority.status(request.chain[0], entries) is CertificateStatus.REVOKED:
        raise CertificateRevoked
    foreign = {
        each.id: await services.signing.revocation.of(each.chain) for each in inside if _is_foreign(services, each)
    }
    if request.id in foreign and foreign[request.id].revoked:
        raise CertificateRevoked
    others = dict.fromkeys(each for status in foreign.values() for each in status.lists)
    answers = dict.fromkeys(each for status in foreign.values() for each in status.answers)
    return Evidence([*request.chain, *services.sealing.timestamps.certificates], [crl, *others], list(answers))


def _is_foreign(services: Services, request: SignatureRequest) -> bool:
    """Return whether an authority other than the built-in one issued the certificate."""
    return request.chain[-1] != services.signing.signer_trust.own


def is_expired(certificate: bytes, now: datetime) -> bool:
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc <= now
