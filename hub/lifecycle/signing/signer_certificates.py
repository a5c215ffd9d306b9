"""Get the signer's certificate: an authority issues it for a new key, or the signer brings it on their token."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm

from hub.authorities import brought
from hub.authorities.brought import Accepted
from hub.authorities.builtin import SIGNER_LIFE
from hub.documents.signing.signature import certified_key, verified_der
from hub.errors import (
    BadInput,
    CertificateNotValid,
    CertificateOfSomebodyElse,
    CertificateRevoked,
    CustodyTooLow,
    KeyOfSomebodyElse,
    KeyRevoked,
    Refused,
    Unavailable,
    WrongProof,
    WrongSignature,
)
from hub.lifecycle.messaging.quotas import consume_certificate_quota
from hub.lifecycle.services import Services
from hub.lifecycle.signing.audit_refusals import note_refused
from hub.lifecycle.signing.certificate_issuance import CertificateOrder, begin_order, obtain_certificate
from hub.lifecycle.signing.custody import accepted_custody, check_custody, note_refused_custody
from hub.lifecycle.signing.device_keys import HeldKey, KeyEvidence, ShownKey, bind_key, judge_key
from hub.lifecycle.signing.entry.open_link import Visit, begin_visit, session_of
from hub.lifecycle.signing.passkey_confirmation import find_passkey
from hub.lifecycle.signing.sign import consent_for, plan_signature
from hub.lifecycle.signing.signing_order import check_turn
from hub.model.contract.person import same_name
from hub.model.signing.passkey import Passkey
from hub.model.signing.signature_request import Custody, choose_custody
from hub.model.staff.scope import EVERYTHING
from hub.store.signing.issued_certificates import IssuedCertificate
from hub.store.signing.sessions import UsedChallenge
from hub.store.transaction import Transaction
from qianda.passkey_binding import PasskeyBinding, find_binding

KEY_PURPOSE = b"qianda-key-v1"
TIME_TO_CLOSE = timedelta(days=14)
# A certificate that the last signer brings must be valid for at least this long.
MIN_LIFE = timedelta(days=1)


@dataclass(frozen=True)
class CertifiedKey:
    """What a session stores about its key: the public key (DER), the claimed and the proved custody, and the
    certificate chain (DER, the signer's own first). `held`: the key, with the app key to bind if it is one."""

    spki: bytes
    claimed: str
    custody: Custody
    chain: tuple[bytes, ...]
    held: HeldKey


@dataclass(frozen=True)
class BroughtCertificate:
    """A certificate that a key already has: its chain up to an authority that is trusted for signers, the proof of
    possession of the key, and its claimed custody."""

    chain: tuple[bytes, ...]
    proof: bytes
    custody: str


async def certify_key(
    services: Services, secret: str, contract_id: UUID | None, shown: ShownKey, presented: KeyEvidence
) -> CertifiedKey:
    """Get a certificate for a key, after checking the proof of possession: a new key, or an app key bound earlier.

    A session has one key, which signs all its contracts. Raises WrongProof (also for a challenge that was already
    used), KeyOfSomebodyElse, KeyRevoked, TooManyDevices, CustodyTooLow, BudgetSpent, AuthorityUnavailable,
    AuthorityRefused, and WrongConfirmation for a passkey that is not this person's.
    """
    proved = await _proved(services, secret, contract_id, shown, presented)
    visiting, challenge = proved.visiting, proved.challenge
    holding = await judge_key(services, visiting, shown, challenge, presented)
    await _check_custody(services, visiting, shown, holding.custody)
    passkey = await find_passkey(services, visiting, presented.passkey) if presented.passkey is not None else None
    facts = _agreed(services, visiting) | _proof_facts(services, challenge, shown)
    applied = _Application(shown, facts, proved.order)
    certified = await _certificate_for(services, visiting, applied, holding, passkey)
    session = replace(visiting.session, custody=certified.custody.value, certificate_chain=certified.chain)
    services.signing.plans.keep(secret, contract_id, plan_signature(replace(visiting, session=session)))
    return certified


async def bring_certificate(
    services: Services, secret: str, contract_id: UUID | None, brought: BroughtCertificate
) -> CertifiedKey:
    """Accept a certificate that the key already has.

    Raises WrongProof, CustodyTooLow, BudgetSpent; another Refused error, which is written into the record, for a
    certificate that cannot be accepted; AuthorityUnavailable if no revocation list is available at the moment.
    """
    if not brought.chain:
        raise BadInput("the chain has no certificate", field="certificate_chain")
    shown = ShownKey(_key_of(brought.chain[0]), brought.proof, brought.custody)
    proof = await _proved(services, secret, contract_id, shown, None)
    visiting, challenge = proof.visiting, proof.challenge
    try:
        accepted = await _accepted(services, visiting, brought.chain)
    except Refused as refusal:
        facts = {"reason": refusal.code, "certificate_sha256": hashlib.sha256(brought.chain[0]).hexdigest()}
        await note_refused(services, visiting, "certificate-refused", facts)
        raise
    proved = Custody.USB_TOKEN if accepted.token_only else choose_custody(shown.custody)
    if proved is Custody.BROWSER:
        proved = Custody.SOFTWARE  # our page did not make this key
    await _check_custody(services, visiting, shown, proved)
    async with services.database.transaction(EVERYTHING) as tx:
        certified = CertifiedKey(shown.spki, shown.custody, proved, accepted.chain, HeldKey(proved))
        facts = {"authority": accepted.authority} | _proof_facts(services, challenge, shown)
        await _note_certified(tx, visiting, certified, "certificate-brought", facts)
    return certified


# ---- possession


@dataclass(frozen=True)
class _Proof:
    """The proof of possession of a key, and the challenge, which is now used. `order`: the order for its certificate if
    nothing had to be asked or noted before it."""

    visiting: Visit
    challenge: bytes
    order: CertificateOrder | None = None


async def _proved(
    services: Services, secret: str, contract_id: UUID | None, shown: ShownKey, presented: KeyEvidence | None
) -> _Proof:
    """Check the proof of possession, and that the key belongs to no other person. `presented`: for a fresh key.

    Raises BadInput, WrongProof, KeyOfSomebodyElse, KeyRevoked, BudgetSpent, and what `_begin_order` raises.
    """
    if shown.custody not in set(Custody):
        raise BadInput("unknown custody", field="custody")
    async with begin_visit(services.database, secret, contract_id, agent=True) as (tx, visiting):
        check_turn(visiting.contract, visiting.task)
        used = await tx.sessions.use_challenge(visiting.session.id, shown.spki, visiting.signer.person)
        refusal, proof = None, None
        try:
            proof = _Proof(visiting, _check_challenge(services.origin, used, shown))
            await consume_certificate_quota(services, tx, visiting.signer)  # also for a key that is refused later
            if presented is not None and _is_plain(services, visiting, shown, presented):
                proof = replace(proof, order=await _begin_order(services, tx, visiting, shown.spki))
        except (WrongProof, KeyOfSomebodyElse, KeyRevoked) as found:
            refusal = found  # raised after the commit: the challenge is used up although the proof is wrong
    if proof is None:
        assert refusal is not None
        facts = {"reason": refusal.code, "key_sha256": hashlib.sha256(shown.spki).hexdigest()}
        await note_refused(services, visiting, "key-refused", facts)
        raise refusal
    return proof


def _is_plain(services: Services, visiting: Visit, shown: ShownKey, presented: KeyEvidence) -> bool:
    """Return whether nothing has to be asked or noted before the certificate of this key is ordered."""
    if shown.custody == Custody.APP_KEYSTORE or presented.passkey is not None:
        return False
    accepted = accepted_custody(services, visiting.contract, visiting.signer)
    return not accepted or choose_custody(shown.custody) in accepted


def _check_challenge(origin: str, used: UsedChallenge | None, shown: ShownKey) -> bytes:
    """Return the challenge. Raises WrongProof, KeyOfSomebodyElse, KeyRevoked."""
    if used is None or used.value is None:
        raise WrongProof("this challenge has already been used; request a new one")
    _check_proof(origin, used.value, shown)
    if used.is_key_of_another:
        raise KeyOfSomebodyElse
    if used.is_key_revoked:
        raise KeyRevoked
    return used.value


def _check_proof(origin: str, challenge: bytes, shown: ShownKey) -> None:
    """Check the signature over purpose ‖ challenge ‖ SHA-256(origin) ‖ SPKI. Raises WrongProof.

    So a proof is valid for one purpose, one challenge, one hub and one key only.
    """
    try:
        verified_der(shown.spki, key_statement(origin, challenge, shown.spki), shown.proof)
    except WrongSignature as error:
        raise WrongProof from error


def key_statement(origin: str, challenge: bytes, spki: bytes) -> bytes:
    return KEY_PURPOSE + challenge + hashlib.sha256(origin.encode()).digest() + spki


def _key_of(certificate: bytes) -> bytes:
    try:
        return certified_key(certificate)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput("the certificate cannot be read", field="certificate_chain") from error


async def _check_custody(services: Services, visiting: Visit, shown: ShownKey, proved: Custody) -> None:
    """Check the proved custody against the template. A refusal is written into the record. Raises CustodyTooLow."""
    try:
        check_custody(services, visiting, proved)
    except CustodyTooLow as refusal:
        await note_refused_custody(services, visiting, shown.spki, shown.custody, refusal)
        raise


# ---- a fresh key


@dataclass(frozen=True)
class _Application:
    """A signer's application for a certificate. `facts` for the record: the agreement, and the proof of possession.
    `order`: the order for the certificate, if it has begun already."""

    shown: ShownKey
    facts: dict[str, str]
    order: CertificateOrder | None


def _agreed(services: Services, visiting: Visit) -> dict[str, str]:
    """Return version and hash of the agreement under which the signer applies: the consent text on the page."""
    consent = consent_for(services, visiting.contract, visiting.signer.language)
    return {"consent_version": consent.version, "consent_sha256": consent.sha256}


def _proof_facts(services: Services, challenge: bytes, shown: ShownKey) -> dict[str, str]:
    """Return the statement that the signer's key signed, and the signature (DER). Anybody can check them later."""
    statement = key_statement(services.origin, challenge, shown.spki)
    return {"key_statement": statement.hex(), "key_proof": verified_der(shown.spki, statement, shown.proof).hex()}


async def _begin_order(
    services: Services, tx: Transaction, visiting: Visit, spki: bytes, binding: PasskeyBinding | None = None
) -> CertificateOrder:
    """Begin the order for a fresh key. Raises as `begin_order` does."""
    life = max(SIGNER_LIFE, _time_to_last(tx, visiting))
    return await begin_order(services, tx, visiting.contract, (spki, binding), life)


async def _certificate_for(
    services: Services, visiting: Visit, applied: _Application, holding: HeldKey, passkey: Passkey | None
) -> CertifiedKey:
    shown = applied.shown
    binding = PasskeyBinding.to(passkey.public_key, services.origin) if passkey else None
    order = applied.order
    if order is None:
        async with services.database.transaction(EVERYTHING) as tx:
            order = await _begin_order(services, tx, visiting, shown.spki, binding)
    obtained = await obtain_certificate(services, visiting, order)
    issued = obtained.issued
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(obtained.attempt, tx.now)
        whose, life = (visiting.contract.id, visiting.signer.id), (tx.now, issued.not_after)
        await tx.certificates.add(
            IssuedCertificate(obtained.authority, issued.serial, issued.certificate, *life, *whose)
        )
        certified = CertifiedKey(shown.spki, shown.custody, holding.custody, issued.chain, holding)
        facts = applied.facts | {"authority": obtained.authority, "serial": str(issued.serial)}
        if obtained.passed_over:
            facts["passed_over"] = " ".join(obtained.passed_over)
        if passkey is not None and find_binding(issued.certificate) == binding:
            facts["passkey"] = str(passkey.id)
        await _note_certified(tx, visiting, certified, "certificate-issued", facts)
    return certified


def _time_to_last(tx: Transaction, visiting: Visit) -> timedelta:
    """Return how long a signer's certificate must be valid.

    All certificates must still be valid when the file is closed after the last signature. So the time is longer while
    other signers still have to sign.
    """
    others = [party.task for party in visiting.case.parties if party.task.id != visiting.task.id]
    if all(task.state.final for task in others):
        return MIN_LIFE
    return visiting.contract.deadline - tx.planning_now + TIME_TO_CLOSE


# ---- a certificate that the signer brings


async def _accepted(services: Services, visiting: Visit, chain: Sequence[bytes]) -> Accepted:
    accepted = await brought.check_chain(chain, services.signing.signer_trust, services.clock())
    if not any(same_name(name, visiting.signer.name) for name in accepted.names):
        raise CertificateOfSomebodyElse
    async with services.database.transaction(EVERYTHING) as tx:
        needed = tx.now + _time_to_last(tx, visiting)
        ours = {serial for serial, _, _ in await tx.certificates.list_revoked(services.sealing.authority_name)}
    if accepted.not_after <= needed:
        raise CertificateNotValid(f"it expires on {accepted.not_after:%Y-%m-%d}, before the contract can be completed")
    if accepted.chain[-1] == services.signing.signer_trust.own:
        if accepted.serial in ours:
            raise CertificateRevoked
        return accepted
    await _check_revocation(services, visiting, accepted)
    return accepted


async def _check_revocation(services: Services, visiting: Visit, accepted: Accepted) -> None:
    """Check the certificate against its authority's revocation list, with an attempt row. Raises CertificateRevoked.

    Raises CertificateNotValid if the certificate expires before the list's next update: no later list would name it.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("revocation", visiting.contract.id, None, tx.now)
    failure = None
    try:
        status = await services.signing.revocation.of(accepted.chain)
        if status.revoked:
            raise CertificateRevoked
        if status.next_update >= accepted.not_after:
            raise CertificateNotValid("it expires before the next update of its revocation list")
    except (Refused, Unavailable) as error:
        failure = f"{error.code}: {error}"
        raise
    finally:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(attempt, tx.now, failure=failure)


# ---- the end of a key


async def note_key_deleted(services: Services, secret: str) -> None:
    """Record, in each contract signed with this session's key, that the page reported the deletion of the key.

    The entry says that this is only the page's report. Further calls do nothing.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        session = await session_of(tx, secret)
        for request in await tx.signatures.mark_key_deleted(session.id, tx.now):
            contract = await tx.contracts.get(request.contract)
            actor, sha256 = f"signer:{session.signer}", hashlib.sha256(request.chain[0]).hexdigest()
            facts = {"field": request.field, "reported_by": "page", "certificate_sha256": sha256}
            await tx.record.append(contract.id, contract.campus, "key-deletion-reported", actor, facts)


# ---- both


async def _note_certified(
    tx: Transaction, visiting: Visit, certified: CertifiedKey, kind: str, facts: dict[str, str]
) -> None:
    session, contract = visiting.session, visiting.contract
    # Update the session before `bind_key` appends to the record: consistent order, to avoid deadlocks.
    await tx.sessions.store_certificate(
        session.id, certified.spki, certified.claimed, certified.custody.value, certified.chain
    )
    if session.pairing is not None:
        await tx.pairings.store_certificate(session.pairing, certified.chain[0])
    await bind_key(tx, visiting, certified.held)
    facts = facts | {"certificate_sha256": hashlib.sha256(certified.chain[0]).hexdigest()}
    facts |= {"custody_claimed": certified.claimed, "custody": certified.custody.value}
    await tx.record.append(contract.id, contract.campus, kind, visiting.actor, facts)
