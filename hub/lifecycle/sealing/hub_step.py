"""The hub's next step in finalising a contract, chosen under the contract's lock, and the data that was read for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid5

from hub.authorities import CLOCK_TOLERANCE, CertificateStatus, Revoked
from hub.documents.signing.signature import Evidence, Prepared
from hub.errors import CertificateNotBegun, CertificateRevoked, QiandaError, UnreadableFile
from hub.lifecycle.evidence.make_package import BegunPackage
from hub.lifecycle.sealing.seals.contract_seal import choose_contract_seal, present_chain
from hub.lifecycle.sealing.seals.use_seal import begin_seal_uses, end_seal_uses
from hub.lifecycle.services import Services
from hub.model.contract.case import Case
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import all_signed
from hub.model.sealing.finalise import ATTEMPTS, FinaliseStep, choose_step
from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_grant import CONTRACTS
from hub.model.sealing.seal_use import DocumentToSeal, EndedUse, SealAsk
from hub.model.signing.signature_request import RequestState, SignatureRequest
from hub.router.providers import BegunCall
from hub.store.contract.contracts import opening_of_versions
from hub.store.sealing.seals import opening_of_contract_seals
from hub.store.signing.issued_certificates import KnownRevocations, opening_of_revoked
from hub.store.signing.signature_requests import opening_of_requests
from hub.store.transaction import Transaction
from qianda.certificate_loading import load_certificate


@dataclass(frozen=True)
class Facts:
    """The facts by which a step is chosen, besides the case.

    `requests`: of the contract, oldest first. `revoked`: the revocations of the built-in authority at this time.
    Once all have signed: `seal`: the contract's seal; `issued_size`: the size of its issued file in bytes.
    """

    requests: Sequence[SignatureRequest]
    revoked: Sequence[Revoked]
    seal: Seal | None
    issued_size: int = 0


@dataclass(frozen=True)
class HubStep:
    """The hub's next step for a contract, and the data that was read for it under the contract's lock.

    `attempts`: the attempt rows of the run that begins with this step, by kind. `refusal`: the reason why the seal may
    not be used. `seal_used`: the facts for the record about the signature in `request`, which this run made and nothing
    has stored yet. `package`, `calls`: if this run completed the contract, its evidence package as begun, and the
    calls that notify its signers.
    """

    kind: FinaliseStep
    case: Case
    facts: Facts
    request: SignatureRequest | None = None
    attempts: Mapping[str, UUID] = field(default_factory=dict)
    refusal: str | None = None
    seal_used: Mapping[str, str] | None = None
    package: BegunPackage | None = None
    calls: Sequence[BegunCall] = ()

    @property
    def contract(self) -> Contract:
        return self.case.contract

    @property
    def seal(self) -> Seal | None:
        return self.facts.seal

    @property
    def embedded(self) -> list[SignatureRequest]:
        """The signatures in the file."""
        return [each for each in self.facts.requests if each.state is RequestState.EMBEDDED]

    @property
    def use(self) -> UUID | None:
        """The id of the line in the seal's register, if this run uses the seal: one for each file and seal, however
        often it is tried."""
        if self.kind is FinaliseStep.SEAL_OFD:
            assert self.seal is not None
            return uuid5(self.contract.id, f"{FinaliseStep.SEAL_OFD} {self.seal.id}")
        return self.about.id if self.kind is FinaliseStep.SIGN_SEAL or self.seal_used else None

    @property
    def about(self) -> SignatureRequest:
        assert self.request is not None
        return self.request


@dataclass(frozen=True)
class StoredFile:
    """A stored file. `sha256` is also its name in the store; `size` is in bytes."""

    sha256: str
    size: int


async def choose_hub_step(services: Services, tx: Transaction, case: Case, known: Facts | None = None) -> HubStep:
    """Choose the hub's next step for a contract, which the caller has locked, and begin the attempts of its run.

    `known`: facts that the caller has read. If the seal in them may not be used any more, they are read again. Raises
    UnreadableFile if the issued file is not listed among the versions.
    """
    facts = known
    if facts is None or (facts.seal is None and _needs_seal(case)):
        facts = await _read_facts(services, tx, case)
    contract = case.contract
    states = (RequestState.PREPARED, RequestState.ACCEPTED)
    step, request = choose_step(
        contract.state,
        [each for each in reversed(facts.requests) if each.state in states],
        lambda each: is_expired(each, services.clock()),
        present_chain(services.sealing, facts.seal)[0] if facts.seal else b"",
        needs_ofd=contract.issued_ofd_sha256 is not None and contract.final_ofd_sha256 is None,
    )
    if step is FinaliseStep.WAIT:
        await tx.contracts.plan_hub_step(contract.id, None)
        await tx.jobs.end_running()
    hub_step = HubStep(step, case, facts, request)
    refusal = None if hub_step.use is None else await _begin_use(tx, hub_step, hub_step.use)
    if refusal is not None and facts is known:
        return await choose_hub_step(services, tx, case)
    about = request.id if request else None
    attempts = {
        kind: await tx.signatures.begin_attempt(kind, contract.id, about, tx.now) for kind in ATTEMPTS.get(step, ())
    }
    return replace(hub_step, attempts=attempts, refusal=refusal)


async def _read_facts(services: Services, tx: Transaction, case: Case) -> Facts:
    contract, needs_seal = case.contract, _needs_seal(case)
    reads = [opening_of_requests(contract.id), opening_of_revoked(services.sealing.authority_name)]
    if needs_seal:
        reads += [opening_of_contract_seals(contract.campus), opening_of_versions(contract.id)]
    await tx.read_together(reads)
    requests, revoked = await tx.signatures.list_of_contract(contract.id), await list_revoked(services, tx)
    if not needs_seal:
        return Facts(requests, revoked, None)
    sizes = {version["sha256"]: version["size"] for version in await tx.contracts.list_versions(contract.id)}
    if contract.document_sha256 not in sizes:
        raise UnreadableFile("The issued file is not listed in the database.")
    seal = await choose_contract_seal(services, tx, contract)
    return Facts(requests, revoked, seal, sizes[contract.document_sha256])


def _needs_seal(case: Case) -> bool:
    """Return whether all have signed. The seal is prepared in the transaction that embeds the last signature."""
    state = case.contract.state
    return state is ContractState.SIGNED or (not state.final and all_signed(party.task for party in case.parties))


async def _begin_use(tx: Transaction, hub_step: HubStep, use: UUID) -> str | None:
    """Write into the seal's register that its key is about to sign. Return why it may not, or None."""
    contract = hub_step.contract
    assert hub_step.seal is not None
    asked = SealAsk(hub_step.seal.id, frozenset({CONTRACTS}), "hub", contract.campus, contract.template)
    sha256 = contract.issued_ofd_sha256 if hub_step.kind is FinaliseStep.SEAL_OFD else hub_step.about.base
    document = DocumentToSeal(use, sha256 or "", f"contract:{contract.id}")
    (line,) = await begin_seal_uses(tx, asked, [document])
    return None if line.may_sign else line.reason


async def list_revoked(services: Services, tx: Transaction) -> list[Revoked]:
    """Return the revocations of the built-in authority."""
    return [Revoked(*each) for each in await tx.certificates.list_revoked(services.sealing.authority_name)]


async def end_run(
    tx: Transaction, hub_step: HubStep, error: QiandaError | None = None, *, with_record: bool = False
) -> Case:
    """Lock the contract, and write how this run ended: its attempts, the use of the seal and the seal's signature.

    Returns the case as it is under the lock. `with_record`: lock the record at once. Do not use it where signers'
    requests are changed afterwards: a deadlock would be possible, because the revocation of a key locks those requests
    before the record, without the contract's lock.
    """
    case = await tx.cases.lock(hub_step.contract.id, with_record=with_record)
    await end_calls(tx, hub_step, error)
    if hub_step.seal_used is not None:
        await store_seal(tx, hub_step)
    return case


async def end_calls(tx: Transaction, hub_step: HubStep, error: QiandaError | None = None) -> None:
    """Write how the attempts of this run and its use of the seal ended. The caller has locked the contract."""
    reason, has_signed = f"{error.code}: {error}" if error else None, hub_step.seal_used is not None
    for kind, attempt in hub_step.attempts.items():
        await tx.signatures.end_attempt(attempt, tx.now, None if has_signed and kind == "seal" else reason)
    if hub_step.use is not None:
        await end_seal_uses(tx, [EndedUse(hub_step.use, failure=error.code if error and not has_signed else None)])


async def embed_seal(tx: Transaction, hub_step: HubStep, known: KnownRevocations) -> bool:
    """Store the seal's signature as `store_seal` does. Return whether the file with it may be used: it is the stored
    one, and no more certificates are revoked than `known`."""
    return await store_seal(tx, hub_step, known) is RequestState.EMBEDDED


async def store_seal(tx: Transaction, hub_step: HubStep, known: KnownRevocations | None = None) -> RequestState | None:
    """Store the seal's signature, if this run made it and no other process has stored one. Return the state of its
    request, or None if another process was first.

    `known`: the revocations in the file with it; None if there is no such file.
    """
    was = RequestState.ACCEPTED if hub_step.seal_used is None else RequestState.PREPARED
    state = await tx.signatures.embed_seal(hub_step.about, was, known, tx.now)
    if state is not None and hub_step.seal_used is not None:
        contract = hub_step.contract
        await tx.record.append(contract.id, contract.campus, "seal-used", "hub", hub_step.seal_used)
    return state


def known_revocations(services: Services, hub_step: HubStep) -> KnownRevocations:
    """Return the revocations that the CRL in the file names."""
    return KnownRevocations(services.sealing.authority_name, [str(each.serial) for each in hub_step.facts.revoked])


def prepared_file(request: SignatureRequest, file: bytes) -> Prepared:
    return Prepared(file, request.gap, request.document_digest, request.to_be_signed)


async def collect_evidence(services: Services, hub_step: HubStep) -> Evidence:
    """Return certificate chains, CRLs and OCSP answers for the file. Raises CertificateRevoked.

    The statement that marks the signature as embedded checks `known_revocations`: the CRL must contain a certificate
    that was revoked during the outside calls.

    The CRL of the built-in authority ends before any certificate in the file expires, because it does not cover expired
    certificates. A validator judges all signatures, earlier ones too, by the newest CRL in the file.
    """
    request, entries = hub_step.about, hub_step.facts.revoked
    inside = [request, *hub_step.embedded]
    all_ends = [load_certificate(each.chain[0]).not_valid_after_utc for each in inside]
    ends = min(end for end in all_ends if end > services.clock())
    crl = await services.sealing.authority.revocation_list(entries, speaks_until=ends)
    if await services.sealing.authority.status(request.chain[0], entries) is CertificateStatus.REVOKED:
        raise CertificateRevoked
    own = services.signing.signer_trust.own
    foreign = {each.id: await services.signing.revocation.of(each.chain) for each in inside if each.chain[-1] != own}
    if request.id in foreign and foreign[request.id].revoked:
        raise CertificateRevoked
    others = dict.fromkeys(each for status in foreign.values() for each in status.lists)
    answers = dict.fromkeys(each for status in foreign.values() for each in status.answers)
    return Evidence([*request.chain, *services.sealing.timestamps.certificates], [crl, *others], list(answers))


def is_expired(certificate: bytes, now: datetime) -> bool:
    return load_certificate(certificate).not_valid_after_utc <= now


def check_has_begun(certificate: bytes, now: datetime) -> None:
    """Raise CertificateNotBegun for a certificate whose validity begins later, for example after the clock went back.

    A timestamp from before that time would stay in the file, and no validator would accept it.
    """
    begins = load_certificate(certificate).not_valid_before_utc
    if now < begins:
        soon = begins - now <= CLOCK_TOLERANCE  # the hub waits: nobody has to correct a clock
        raise CertificateNotBegun(f"it begins at {begins:%Y-%m-%d %H:%M} UTC", soon=soon)
