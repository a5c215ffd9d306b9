"""Hand out a contract's evidence package. Every export of a version returns the same stored bytes."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from hub.errors import NotFound, PackageNotMade
from hub.model.contract.contract import Contract
from hub.model.evidence.package import EvidencePackage
from hub.store.transaction import Transaction

DOWNLOADED = "evidence-downloaded"
# When to ask again for a package that is still being made. It is usually ready within seconds of the contract's end.
PACKAGE_PAUSE: Final = timedelta(seconds=5)


async def find_package(tx: Transaction, contract: UUID, version: int | None = None) -> EvidencePackage:
    """Return a version of the package, by default the newest. Raises NotFound if there is none, or after an erasure;
    PackageNotMade while it is being made."""
    found = await (tx.packages.find_newest(contract) if version is None else tx.packages.get(contract, version))
    if await tx.packages.is_erased(contract):
        raise NotFound("the evidence package is gone: a person was erased from this contract")
    if found is None:
        await refuse_while_due(tx, contract)
        raise NotFound("there is no such evidence package: it is made within a minute after the contract has ended")
    return found


async def refuse_while_due(tx: Transaction, contract: UUID) -> None:
    """Raise PackageNotMade if the contract has no package yet, but one is due."""
    if await tx.packages.get_tries(contract) is not None:
        raise PackageNotMade(retry_after=PACKAGE_PAUSE)


async def open_package(tx: Transaction, contract: Contract, actor: str, version: int | None = None) -> EvidencePackage:
    """Return a version as `find_package` does, and record that `actor` exported it."""
    package = await find_package(tx, contract.id, version)
    facts = {"package_sha256": package.sha256, "version": package.version}
    await tx.record.append(contract.id, contract.campus, DOWNLOADED, actor, facts)
    return package
