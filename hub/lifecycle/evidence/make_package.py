"""Make the evidence package of a contract that has ended: read everything, sign once with the seal, store, record.

One transaction reads; for a completed contract, it is the one that completed it. Another transaction writes. The token
and the timestamp service are called between the two. A process that dies in between leaves at most a stored file that
no row names. The next try makes the package again, since nobody has received the first one. The role `app` cannot
change a stored version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from hub.authorities import CertificateStatus, Revoked
from hub.content_hash import hash_content
from hub.documents.computing import compute
from hub.documents.contract.contract_templates import Consent
from hub.documents.evidence.container import (
    digests_of_parts,
    signed_attributes,
    signed_manifest,
    signed_package,
)
from hub.documents.evidence.hash_tree import group_leaf
from hub.documents.evidence.package_items import PackageFiles, package_items
from hub.documents.evidence.report import package_texts
from hub.documents.pades.cms import assembled
from hub.documents.signing.signature import embedded_timestamp
from hub.errors import BadInput, CertificateRevoked, QiandaError
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract, ContractState
from hub.model.evidence.package import FIRST_VERSION, EvidencePackage, PackageFacts, PackageParts, leave_out, next_try
from hub.model.signing.signature_request import RequestState, SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import opening_lock
from hub.store.evidence.packages import opening_of_package
from hub.store.transaction import Transaction
from qianda.certificate_loading import load_certificate

log = structlog.get_logger()


@dataclass(frozen=True)
class BegunPackage:
    """The data that was read for a package, and the attempt row for its outside calls. `revoked`: the revocations of
    the built-in authority. `sm2_chain`: the certificate chain of the seal of its OFD. `final`: the finished file, if it
    is in memory."""

    facts: PackageFacts
    attempt: UUID
    revoked: tuple[Revoked, ...]
    sm2_chain: tuple[bytes, ...]
    final: bytes | None = None


@dataclass(frozen=True)
class _MadePackage:
    """A package: its SHA-256 (hex), its size in bytes, its leaf in the hash tree of a day, and what is stored of it."""

    sha256: str
    size: int
    leaf: bytes
    parts: PackageParts


async def make_package(services: Services, contract_id: UUID) -> None:
    """Make version 1, unless it exists or the contract has not ended. A failure is retried with backoff."""
    opening = opening_of_package(contract_id, services.sealing.authority_name)
    try:
        async with services.database.transaction(EVERYTHING, opening) as tx:
            begun = await _begin(services, tx, contract_id)
    except Exception:
        log.exception("evidence package not begun", contract=str(contract_id))
        async with services.database.transaction(EVERYTHING) as tx:
            tries = await tx.packages.get_tries(contract_id)
            await tx.packages.put_off(contract_id, next_try(tx.now, tries or 0))
            await tx.jobs.end_running()
        return
    if begun is not None:
        await finish_package(services, begun)


async def begin_with_end(services: Services, tx: Transaction, contract: Contract, final: bytes) -> BegunPackage | None:
    """Plan a package and begin it, in the transaction that completes the contract with the file `final`.

    Return None if that fails: a separate job then makes the package, and the contract is completed anyway.
    """
    await tx.packages.plan(contract, tx.now)
    await tx.read_together(opening_of_package(contract.id, services.sealing.authority_name).reads)
    try:
        begun = await _begin(services, tx, contract.id)
    except Exception:  # for example, one of its many rows cannot be decrypted
        log.exception("evidence package not begun", contract=str(contract.id))
        return None
    return begun and replace(begun, final=final)


async def finish_package(services: Services, begun: BegunPackage) -> None:
    """Make the package that was begun. A failure is not raised: it is noted with the attempt, and tried again."""
    contract_id = begun.facts.case.contract.id
    try:
        await _store(services, begun, await _made(services, begun))
    except Exception as error:
        known = isinstance(error, QiandaError)
        if not known:
            log.exception("unexpected error while making an evidence package", contract=str(contract_id))
        await _note_failure(services, begun, f"{error.code}: {error}" if known else type(error).__name__)  # type: ignore[attr-defined]


async def _begin(services: Services, tx: Transaction, contract_id: UUID) -> BegunPackage | None:
    """Begin the attempt and plan the next one. The caller has read `opening_of_package`. None: nothing to do."""
    tries = await tx.packages.get_tries(contract_id)
    if tries is None:
        return None
    facts, newest = await _read_facts(tx, contract_id), await tx.packages.find_newest(contract_id)
    revoked = tuple(Revoked(*each) for each in await tx.certificates.list_revoked(services.sealing.authority_name))
    if newest is not None or not facts.case.contract.state.final:
        await tx.packages.forget_due(contract_id)
        return None
    await tx.packages.put_off(contract_id, next_try(tx.now, tries))
    attempt = await tx.signatures.begin_attempt("evidence", contract_id, None, tx.now)
    return BegunPackage(facts, attempt, revoked, await _sm2_chain(tx, facts))


async def _sm2_chain(tx: Transaction, facts: PackageFacts) -> tuple[bytes, ...]:
    """Return the certificate chain that sealed the contract's OFD; empty if the seal has a new certificate by now."""
    sealed = next((entry.facts for entry in facts.entries if entry.kind == "ofd-sealed"), None)
    side = await tx.sm2_seals.get(UUID(str(sealed["seal"]))) if sealed else None
    if sealed is None or side is None or hashlib.sha256(side.chain[0]).hexdigest() != sealed["certificate_sha256"]:
        return ()
    return side.chain


async def _read_facts(tx: Transaction, contract_id: UUID) -> PackageFacts:
    """Read all facts that a package contains. They fit together if `opening_of_package` opened the transaction."""
    return PackageFacts(
        case=await tx.cases.get(contract_id),
        entries=await tx.record.list_entries(contract_id),
        versions=await tx.contracts.list_versions(contract_id),
        requests=await tx.signatures.list_of_contract(contract_id),
        attempts=await tx.signatures.list_attempts(contract_id),
        deliveries=await tx.deliveries.list_of_contract(contract_id),
        ledger=await tx.reminders.list_of_contract(contract_id),
        identities=await tx.packages.list_identities(contract_id),
        pages=await tx.packages.list_pages(contract_id),
    )


async def _made(services: Services, begun: BegunPackage) -> _MadePackage:
    facts, seal, timestamps = begun.facts, services.sealing.seal, services.sealing.timestamps
    lists = await list_seal_lists(services, begun.revoked)
    pdf, ofds = begun.final or await _file(services, facts), await _ofds(services, facts)
    made_at, is_completed = services.clock(), facts.case.contract.state is ContractState.COMPLETED

    def items_and_manifest() -> tuple[dict[str, bytes], bytes]:
        files = PackageFiles(
            pdf=pdf,
            ofds=ofds,
            sm2_chain=begun.sm2_chain,
            consents=_consents(services, facts),
            template_sha256=_template_sha256(services, facts),
            timestamps=_timestamps_in(pdf, facts.requests) if is_completed else {},
            seal_chain=seal.chain,
            timestamp_certificates=timestamps.certificates,
            lists=lists,
            origin=services.origin,
            school=services.documents.school.name,
        )
        texts = package_texts(facts, services.documents.school.name, services.origin, made_at)
        items = package_items(facts, files, texts)
        return items, signed_manifest(items)

    items, manifest = await compute(pdf, items_and_manifest)
    attributes = signed_attributes(manifest, seal.chain[0], made_at)
    signature = await seal.key.sign(attributes)
    token = await timestamps.timestamp(hashlib.sha256(signature).digest())
    signed = assembled(attributes, signature, seal.chain, token)

    def packed() -> _MadePackage:
        package = signed_package(items, manifest, signed, made_at)
        leaf = group_leaf(digests_of_parts(items, manifest, signed))
        sha256 = hash_content(package).hexdigest()
        parts = leave_out(package, pdf) if pdf else PackageParts(package, sha256, None)
        return _MadePackage(sha256, len(package), leaf, parts)

    return await compute(pdf, packed)


async def list_seal_lists(services: Services, revoked: Sequence[Revoked]) -> list[bytes]:
    """Return CRLs that show that the seal's certificate is not revoked. `revoked`: by the built-in authority.

    Raises CertificateRevoked, AuthorityUnavailable.
    """
    chain = services.sealing.seal.chain
    if chain[-1] != services.signing.signer_trust.own:
        status = await services.signing.revocation.of(chain)
        if status.revoked:
            raise CertificateRevoked("the certificate of the seal was revoked")
        return list(status.lists)
    if await services.sealing.authority.status(chain[0], revoked) is CertificateStatus.REVOKED:
        raise CertificateRevoked("the certificate of the seal was revoked")
    ends = load_certificate(chain[0]).not_valid_after_utc
    return [await services.sealing.authority.revocation_list(revoked, speaks_until=ends)]


async def _file(services: Services, facts: PackageFacts) -> bytes:
    """Return the final file or, without one, the issued file. A file that only some have signed is never given out."""
    contract = facts.case.contract
    sha256 = contract.document if contract.state is ContractState.COMPLETED else contract.issued_sha256
    return await services.files.get(sha256) if sha256 else b""


async def _ofds(services: Services, facts: PackageFacts) -> dict[str, bytes]:
    """Return the issued OFD, whose hash the consents name, and the sealed one, by the names of their items."""
    contract = facts.case.contract
    names = {"contract/issued.ofd": contract.issued_ofd_sha256, "contract/final.ofd": contract.final_ofd_sha256}
    return {name: await services.files.get(sha256) for name, sha256 in names.items() if sha256}


def _consents(services: Services, facts: PackageFacts) -> Mapping[str, Consent]:
    """Return the consent texts by field, with the hashes of both files where there are two. For an old contract, the
    texts are those of its template as it is now; the result is empty if that template no longer exists."""
    contract, templates = facts.case.contract, services.documents.printer.templates
    try:
        return {
            party.signer.field: templates.get_consent(contract, party.signer.language) for party in facts.case.parties
        }
    except BadInput:  # this template is not in use any more
        return {}


def _template_sha256(services: Services, facts: PackageFacts) -> str:
    contract = facts.case.contract
    try:
        return services.documents.printer.templates.demands_on(contract).sha256
    except BadInput:  # this template is not in use any more
        return ""


def _timestamps_in(pdf: bytes, requests: Sequence[SignatureRequest]) -> dict[str, bytes]:
    """Return the timestamp over each signature of a finished file, by field.

    Only the places where the hub embedded them are read. Parsing the whole file would take longer than all other steps.
    """
    embedded = [request for request in requests if request.state is RequestState.EMBEDDED]
    found = {request.field: embedded_timestamp(pdf, request.gap) for request in embedded}
    return {field: token for field, token in found.items() if token is not None}


async def _store(services: Services, begun: BegunPackage, package: _MadePackage) -> None:
    contract = begun.facts.case.contract
    await services.files.put(package.parts.own)
    async with services.database.transaction(EVERYTHING, opening_lock(contract.id, with_record=True)) as tx:
        await tx.cases.lock(contract.id, with_record=True)
        await tx.signatures.end_attempt(begun.attempt, tx.now)
        # Not if it was erased, or another package made, while this one was being signed: each of them adds an entry.
        if tx.record.has_newest(begun.facts.entries[-1]) or await tx.packages.needs_first(contract.id):
            who = (contract.id, FIRST_VERSION, contract.campus)
            is_made_of = (package.sha256, package.size, package.leaf)
            made = EvidencePackage(*who, *is_made_of, tx.now, package.parts.file, package.parts.pieces)
            await tx.packages.add(made)
            seal = services.sealing.seal
            facts = {"package_sha256": package.sha256, "version": FIRST_VERSION, "key": seal.key.label}
            facts["organisation"] = seal.organisation
            await tx.record.append(contract.id, contract.campus, "evidence-made", "hub", facts)
        await tx.packages.forget_due(contract.id)
        await tx.jobs.end_running()


async def _note_failure(services: Services, begun: BegunPackage, failure: str) -> None:
    contract = begun.facts.case.contract
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(begun.attempt, tx.now, failure=failure)
        await tx.jobs.end_running()
    log.warning("evidence package not made", contract=str(contract.id), reason=failure)
