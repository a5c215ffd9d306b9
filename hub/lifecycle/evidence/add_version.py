"""Add a version of an evidence package. Later versions differ from version 1 only by their evidence record."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.documents.evidence.container import items_length, with_proofs
from hub.lifecycle.services import Services
from hub.model.evidence.package import EvidencePackage, PackageParts, parts_with_tail
from hub.model.staff.scope import EVERYTHING


@dataclass(frozen=True)
class ProofVersion:
    """The number of a version, and how many further timestamps its evidence record has after the first."""

    number: int
    renewals: int = 0


async def add_version(
    services: Services, first: tuple[EvidencePackage, bytes], records: Sequence[bytes], version: ProofVersion
) -> None:
    """Store a version with these evidence records, unless a version of this number exists. `first`: version 1 and its
    bytes. `records`: the evidence record that is renewed and, if the root has two timestamps, the record with the
    second one.

    Only the bytes after the items of version 1 are stored.
    """
    package, file = first

    def made() -> tuple[PackageParts, str, int]:
        content = with_proofs(file, records, package.made_at)
        parts = parts_with_tail(package, length := items_length(file), content[length:])
        return parts, hashlib.sha256(content).hexdigest(), len(content)

    parts, sha256, size = await asyncio.to_thread(made)
    await services.files.put(parts.own)
    async with services.database.transaction(EVERYTHING) as tx:
        new = replace(package, version=version.number, sha256=sha256, size=size, made_at=tx.now, file=parts.file)
        await tx.packages.add(replace(new, pieces=parts.pieces, renewals=version.renewals))
