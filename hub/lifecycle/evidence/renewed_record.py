"""Assemble the present evidence record of a package, with every renewal since the package's newest version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.documents.evidence.container import covered_items
from hub.documents.evidence.hash_tree import HashTree, renewed_digests, with_renewed_timestamp, with_renewed_tree
from hub.lifecycle.evidence.add_version import ProofVersion, add_version
from hub.lifecycle.services import Services
from hub.model.evidence.package import FIRST_VERSION, EvidencePackage
from hub.model.evidence.renewal import RenewalStep
from hub.model.staff.scope import EVERYTHING
from qianda.evidence.container import PROOFS
from qianda.evidence.items import read_items

_RECORDS = [record for _, record in PROOFS]


@dataclass(frozen=True)
class RenewedRecord:
    """The evidence record of a package. `file`: the bytes of version 1; `renewals`: how many renewals `record` has;
    `beside`: the record with a second authority's timestamp, if there is one; it is not renewed."""

    first: EvidencePackage
    newest: EvidencePackage
    file: bytes
    record: bytes
    renewals: int
    beside: Sequence[bytes]


async def add_renewed_version(services: Services, contract: UUID) -> bool:
    """Make a version of the package with all renewals, if its newest version lacks some. Return whether it was made."""
    async with services.database.transaction(EVERYTHING) as tx:
        newest, day = await tx.packages.find_newest(contract), await tx.trees.find_day(contract)
        steps = await tx.renewals.list_steps(contract, day) if day else []
        erased = bool(steps) and await tx.packages.is_erased(contract)
    if newest is None or newest.version == FIRST_VERSION or len(steps) == newest.renewals or erased:
        return False
    found = await get_record(services, contract)
    assert found is not None
    version = ProofVersion(found.newest.version + 1, found.renewals)
    await add_version(services, (found.first, found.file), [found.record, *found.beside], version)
    return True


async def get_record(services: Services, contract: UUID) -> RenewedRecord | None:
    """Return the evidence record with all its renewals; None if there is no record yet."""
    async with services.database.transaction(EVERYTHING) as tx:
        first, newest = await tx.packages.get(contract, FIRST_VERSION), await tx.packages.find_newest(contract)
        day = await tx.trees.find_day(contract)
        if first is None or newest is None or day is None or newest.version == FIRST_VERSION:
            return None
        steps = (await tx.renewals.list_steps(contract, day))[newest.renewals :]
        leaves = {step.renewal.id: await tx.renewals.list_leaves(step.renewal.id) for step in steps}
    file, later = await services.files.get(first.sha256), await services.files.get(newest.sha256)

    def renewed() -> tuple[bytes, list[bytes]]:
        record, *beside = [item.content for item in read_items(later) if item.name in _RECORDS]
        covered = covered_items(file)
        for step in steps:
            record = _renewed(record, covered, step, HashTree(leaves[step.renewal.id], step.renewal.algorithm))
        return record, beside

    record, beside = await asyncio.to_thread(renewed)
    return RenewedRecord(first, newest, file, record, newest.renewals + len(steps), beside)


def _renewed(record: bytes, covered: Mapping[str, bytes], step: RenewalStep, tree: HashTree) -> bytes:
    renewal, path = step.renewal, tree.path(step.position)
    if not renewal.is_tree:
        return with_renewed_timestamp(record, renewal.timestamp, path)
    digests = renewed_digests(record, list(covered.values()), renewal.algorithm)
    return with_renewed_tree(record, digests, renewal.algorithm, renewal.timestamp, path)
