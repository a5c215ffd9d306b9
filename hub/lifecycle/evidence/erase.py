"""Erase personal values of a contract's record: the text of one entry, or all values of one signer.

The entries and their hash chain stay. Without the values, the commitments in the entries reveal nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hub.errors import NotFound
from hub.lifecycle.evidence.hold import refuse_if_held
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.transaction import Transaction


async def erase_of_number(services: Services, number: str, what: int | str, actor: str) -> None:
    """Erase values of a contract. `what`: the number of an entry, to erase its text, or the field of a signer, to erase
    all values of that signer. Raises ContractNotFound, and as `erase_words` and `erase_signer` do."""
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.get_by_number(number)
    if isinstance(what, int):
        await erase_words(services, EVERYTHING, contract.id, what, actor)
    else:
        await erase_signer(services, EVERYTHING, contract.id, what, actor)


async def erase_words(services: Services, scope: Scope, contract_id: UUID, sequence: int, actor: str) -> None:
    """Erase the text of an entry, and its copies in the contract, staff tasks, phone number changes and holds.

    Raises NotFound if the entry has no such text (any more), and Refused while the contract is held.
    """
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        await refuse_if_held(tx, contract.id)
        words = await tx.record.erase_words(contract.id, sequence)
        if not words:
            raise NotFound("this entry has no text that could be erased")
        await forget_copies(tx, contract, words)
        await tx.record.append(contract.id, contract.campus, "words-erased", actor, {"entry": sequence})


async def erase_signer(services: Services, scope: Scope, contract_id: UUID, field: str, actor: str) -> None:
    """Erase the record's values of the signer with this field: name, phone, document, relation, texts and salt.

    Texts that other people wrote about the contract are erased too, since they may name the signer. The signer's
    contact data and the files stay. Raises NotFound, and Refused while the contract is held.
    """
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        await refuse_if_held(tx, contract.id)
        signer = next((each for each in await tx.contracts.list_signers(contract.id) if each.field == field), None)
        if signer is None:
            raise NotFound("the contract has no such signer")
        await forget_copies(tx, contract, await tx.record.erase(signer.id))
        await tx.record.append(contract.id, contract.campus, "signer-erased", actor, {"signer": str(signer.id)})


async def forget_copies(tx: Transaction, contract: Contract, words: Sequence[str]) -> None:
    """Erase the copies of these texts in the contract, staff tasks, phone changes, replies and ended holds."""
    if contract.reason in words:
        await tx.contracts.change(contract, reason=None)
    await tx.staff_tasks.forget_words(contract.id, words)
    await tx.phone_changes.forget_words(contract.id, words)
    await tx.holds.forget_words(contract.id, words)
    await tx.deliveries.forget_replies(contract.id, words)
