"""Make an addendum to an evidence package when somebody asks for it: a later hold, a question, a renewed record.

One transaction reads; then the token and the timestamp service are called outside any transaction; a second transaction
writes. An addendum never changes, so each export of it has the same bytes. Later events go into the next addendum.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from uuid import UUID

from asn1crypto import x509

from hub.authorities import Revoked
from hub.documents.evidence.addendum import addendum_items
from hub.documents.evidence.container import signed_attributes, signed_manifest, signed_package
from hub.documents.pades.cms import assembled
from hub.errors import NotFound, QiandaError
from hub.lifecycle.evidence.make_package import list_seal_lists
from hub.lifecycle.evidence.open_package import refuse_while_due
from hub.lifecycle.evidence.renewed_record import get_record
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.evidence.addendum import (
    EvidenceAddendum,
    LaterFacts,
    LaterRevocation,
    RevokedSeal,
    UsedCertificate,
    has_later_entries,
    later_revocations,
    moment_read,
)
from hub.model.evidence.package import FIRST_VERSION, EvidencePackage
from hub.model.evidence.record import RecordEntry
from hub.model.sealing.seal import SealState
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from qianda.evidence.container import SIGNED_MANIFEST
from qianda.evidence.contents import HEAD
from qianda.evidence.items import read_items

NOTHING_LATER = "nothing has happened to this contract since its evidence package was made"


async def has_addendum(tx: Transaction, contract: UUID) -> bool:
    """Return whether there is an addendum, or the record has later entries to make one from."""
    return await tx.addenda.find_newest(contract) is not None or has_later_entries(
        await tx.record.list_entries(contract)
    )


async def find_addendum(tx: Transaction, contract: UUID, number: int | None = None) -> EvidenceAddendum:
    """Return an addendum, the newest by default. Raises NotFound before there is one, or after an erasure."""
    found = await (tx.addenda.find_newest(contract) if number is None else tx.addenda.get(contract, number))
    if found is None or await tx.packages.is_erased(contract):
        raise NotFound(NOTHING_LATER)
    return found


async def open_addendum(tx: Transaction, contract: Contract, actor: str, number: int | None = None) -> EvidenceAddendum:
    """Return an addendum as `find_addendum` does, and record that `actor` of the school exported it."""
    found = await find_addendum(tx, contract.id, number)
    facts = {"addendum_sha256": found.sha256, "addendum": found.number}
    await tx.record.append(contract.id, contract.campus, "evidence-downloaded", actor, facts)
    return found


async def add_addendum(services: Services, contract_id: UUID) -> bool:
    """Make an addendum with everything that is missing in the package and in the newest addendum. Return whether one
    was made.

    Raises NotFound before there is a package (PackageNotMade if one is being made), TokenUnavailable,
    TimestampUnavailable.
    """
    facts = await _read_facts(services, contract_id)
    if not facts.is_new:
        return False
    async with services.database.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("addendum", contract_id, None, tx.now)
        revoked = tuple(Revoked(*each) for each in await tx.certificates.list_revoked(services.sealing.authority_name))
    try:
        content = await _signed(services, facts, revoked)
    except QiandaError as error:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(attempt, tx.now, failure=f"{error.code}: {error}")
        raise
    await services.files.put(content)
    return await _store(services, facts, content, attempt)


@dataclass(frozen=True)
class _Package:
    entries: int
    manifest_sha256: str


async def _read_facts(services: Services, contract_id: UUID) -> LaterFacts:
    async with services.database.transaction(EVERYTHING) as tx:
        first = await tx.packages.get(contract_id, FIRST_VERSION)
        is_erased = await tx.packages.is_erased(contract_id)
        if first is None and not is_erased:
            await refuse_while_due(tx, contract_id)
        if first is None or is_erased:
            raise NotFound("there is no evidence package of this contract to add to")
    package = await _read_package(services, first)
    record = await get_record(services, contract_id)
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        entries = [each for each in await tx.record.list_entries(contract_id) if each.sequence > package.entries]
        return LaterFacts(
            contract=contract_id,
            number=contract.number,
            package=(first.sha256, package.manifest_sha256),
            entries=entries,
            proof=record.record if record else b"",
            renewals=record.renewals if record else 0,
            before=await tx.addenda.find_newest(contract_id),
            revocations=await _list_revocations(tx, services.sealing.authority_name, first),
        )


async def _list_revocations(tx: Transaction, authority: str, package: EvidencePackage) -> list[LaterRevocation]:
    """Return which certificates of the contract's signatures were revoked after the data of its package was read."""
    signatures = await tx.signatures.list_of_contract(package.contract)
    used = [_used(each.field, each.chain[0]) for each in signatures if each.counts and each.chain]
    for entry in await tx.record.list_entries(package.contract):
        if entry.kind == "ofd-sealed":
            used.append(await _ofd_certificate(tx, entry))
    serials = [each.serial for each in used if each.serial is not None]
    revoked = {serial: (at, why) for serial, at, why in await tx.certificates.list_revoked(authority, serials)}
    seals = [  # including seals with a certificate of another authority
        RevokedSeal(each.id, _used("", each.chain[0]).spki, each.changed_at)
        for each in await tx.seals.list_all()
        if each.state is SealState.REVOKED and each.chain
    ]
    since = moment_read(await tx.signatures.list_attempts(package.contract), package.made_at)
    return later_revocations(used, revoked, seals, since)


def _used(field: str, certificate: bytes, seal: UUID | None = None) -> UsedCertificate:
    loaded = x509.Certificate.load(certificate)
    return UsedCertificate(field, loaded.serial_number, loaded.public_key.dump(), seal)


async def _ofd_certificate(tx: Transaction, entry: RecordEntry) -> UsedCertificate:
    """Return the certificate that sealed the OFD. If the seal has another certificate by now, the result only names the
    seal."""
    seal = UUID(str(entry.facts["seal"]))
    side = await tx.sm2_seals.get(seal)
    if side is None or hashlib.sha256(side.chain[0]).hexdigest() != entry.facts["certificate_sha256"]:
        return UsedCertificate("ofd-seal", None, b"", seal)
    return _used("ofd-seal", side.chain[0], seal)


async def _read_package(services: Services, first: EvidencePackage) -> _Package:
    content = await services.files.get(first.sha256)
    items = {each.name: each.content for each in await asyncio.to_thread(read_items, content)}
    head = dict(line.split(" ", 1) for line in items[HEAD].decode().splitlines())
    return _Package(int(head["entries"]), hashlib.sha256(items[SIGNED_MANIFEST]).hexdigest())


async def _signed(services: Services, facts: LaterFacts, revoked: tuple[Revoked, ...]) -> bytes:
    seal, made_at = services.sealing.seal, services.clock()
    items = addendum_items(facts, await list_seal_lists(services, revoked), made_at)
    manifest = signed_manifest(items)
    attributes = signed_attributes(manifest, seal.chain[0], made_at)
    signature = await seal.key.sign(attributes)
    token = await services.sealing.timestamps.timestamp(hashlib.sha256(signature).digest())
    signed = assembled(attributes, signature, seal.chain, token)
    return await asyncio.to_thread(signed_package, items, manifest, signed, made_at)


async def _store(services: Services, facts: LaterFacts, content: bytes, attempt: UUID) -> bool:
    sha256 = hashlib.sha256(content).hexdigest()
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.lock_contract(facts.contract)
        await tx.signatures.end_attempt(attempt, tx.now)
        if await tx.packages.is_erased(contract.id):  # erased while the addendum was being signed
            return False
        entries = facts.entries[-1].sequence if facts.entries else 0
        size = (len(content), tx.now, entries, facts.renewals, [each.name for each in facts.revocations])
        made = EvidenceAddendum(contract.id, facts.addendum_number, contract.campus, sha256, *size)
        if not await tx.addenda.add(made):  # another process was faster
            return False
        noted = {"addendum_sha256": sha256, "addendum": made.number}
        await tx.record.append(contract.id, contract.campus, "addendum-made", "hub", noted)
        return True
