"""Open a contract's document for staff. The contract's record has an entry for each opening: who read what."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from hub.errors import ContractNotFound
from hub.model.contract.contract import Contract
from hub.store.transaction import Transaction

READ = "read-by-staff"
DOWNLOADED = "downloaded-by-staff"
# Page images requested within this time belong to the opening before them. A later request is a new opening.
IMAGES_BELONG_FOR = timedelta(hours=1)


async def open_document(tx: Transaction, contract_id: UUID, kind: str, actor: str) -> tuple[Contract, str]:
    """Return the contract and the SHA-256 of its present document, and record that `actor` opens it.

    `kind`: READ or DOWNLOADED. Raises ContractNotFound, also for a contract without a document.
    """
    contract, sha256 = await _current(tx, contract_id)
    await tx.record.append(contract.id, contract.campus, kind, actor, {"document_sha256": sha256})
    return contract, sha256


async def open_ofd(tx: Transaction, contract_id: UUID, actor: str) -> tuple[Contract, str]:
    """Return the contract and the SHA-256 of its present OFD, and record that `actor` downloads it.

    Raises ContractNotFound, also for a contract without an OFD.
    """
    contract = await tx.contracts.get(contract_id)
    if contract.ofd_sha256 is None:
        raise ContractNotFound("the contract has no OFD")
    facts = {"document_sha256": contract.ofd_sha256}
    await tx.record.append(contract.id, contract.campus, DOWNLOADED, actor, facts)
    return contract, contract.ofd_sha256


async def open_page(tx: Transaction, contract_id: UUID, actor: str) -> tuple[Contract, str]:
    """Return the same as `open_document`, for the image of one page.

    The opening is recorded only if `actor` has not opened this same document within IMAGES_BELONG_FOR.
    """
    contract, sha256 = await _current(tx, contract_id)
    before = await tx.record.find_latest(contract.id, READ, actor)
    known = before is not None and before.facts.get("document_sha256") == sha256
    if before is None or not known or tx.now - before.at >= IMAGES_BELONG_FOR:
        return await open_document(tx, contract_id, READ, actor)
    return contract, sha256


async def _current(tx: Transaction, contract_id: UUID) -> tuple[Contract, str]:
    contract = await tx.contracts.get(contract_id)
    if contract.document is None:
        raise ContractNotFound
    return contract, contract.document
