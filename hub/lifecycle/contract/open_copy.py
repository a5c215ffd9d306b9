"""Open a copy of a completed contract by the link in an e-mail, for those who know the student's document number."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hub.errors import ContractNotFound, LinkNotValid, Locked, WrongAnswer
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import (
    COPY_LIFE,
    COPY_REFUSED,
    CopyRecipient,
    copies_of,
    find_copy,
    is_answer_right,
    is_locked,
)
from hub.model.signing.link import normalise_ticket
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

SOMEBODY = "somebody"


@dataclass(frozen=True)
class CopyLink:
    """The link of one recipient. `number`: the recipient's position among the contract's copies."""

    contract: Contract
    number: int

    @property
    def recipient(self) -> CopyRecipient:
        return copies_of(self.contract)[self.number]

    @property
    def language(self) -> str:
        return self.recipient.language


async def find_copy_link(services: Services, contract: str, ticket: str) -> CopyLink:
    """Return the link for this address. Raises LinkNotValid for any fault of the link."""
    async with services.database.transaction(EVERYTHING) as tx:
        return await _find(services, tx, contract, ticket)


async def open_copy(services: Services, contract: str, ticket: str, answer: str) -> bytes:
    """Return the completed file if `answer` is the end of the student's document number. Both outcomes are recorded.

    Raises LinkNotValid, WrongAnswer, and Locked after too many wrong answers; then the link stays closed.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        link = await _find(services, tx, contract, ticket, lock=True)
        entries = await tx.record.list_entries(link.contract.id)
        refused = [int(each.facts["copy"]) for each in entries if each.kind == COPY_REFUSED]
        if is_locked(refused, link.number):
            raise Locked(retry_after=COPY_LIFE)
        student = link.contract.data["asked"]["student"]
        is_right = is_answer_right(str(student["id_number"]), answer)
        facts = {"copy": link.number, "copy_role": link.recipient.role.value}
        kind = "copy-opened" if is_right else COPY_REFUSED
        await tx.record.append(link.contract.id, link.contract.campus, kind, SOMEBODY, facts)
    if not is_right:
        raise WrongAnswer
    assert link.contract.document
    return await services.files.get(link.contract.document)


async def _find(services: Services, tx: Transaction, contract: str, ticket: str, *, lock: bool = False) -> CopyLink:
    normalised = normalise_ticket(ticket)
    try:
        wanted = UUID(contract)
        found = await (tx.contracts.lock_contract(wanted) if lock else tx.contracts.get(wanted))
    except (ValueError, ContractNotFound):
        raise LinkNotValid from None
    number = find_copy(services.signing.keys.link, found, normalised, tx.now) if normalised else None
    if number is None:
        raise LinkNotValid
    return CopyLink(found, number)
