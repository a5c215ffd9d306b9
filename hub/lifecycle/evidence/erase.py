"""Erase what stands behind the record: the words of one entry, or everything of one signer.

The entries stay, and with them the chain: what is left in them are commitments that nobody can open any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hub.errors import NotFound
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.staff.accounts import Scope
from hub.store.transaction import Transaction


async def erase_of_number(services: Services, scope: Scope, number: str, what: int | str, actor: str) -> None:
    """`what`: the number of an entry, whose words go, or the field of a signer, of whom everything goes. Raises
    ContractNotFound and NotFound."""
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.by_number(number)
    if isinstance(what, int):
        await erase_words(services, scope, contract.id, what, actor)
    else:
        await erase_signer(services, scope, contract.id, what, actor)


async def erase_words(services: Services, scope: Scope, contract_id: UUID, sequence: int, actor: str) -> None:
    """What somebody wrote, which one entry of the contract's record is about, and its copies at the contract, in tasks
    of staff and in wishes for another phone number. Raises NotFound where nothing is behind that entry (any more)."""
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.locked(contract_id)
        words = await tx.record.erase_words(contract.id, sequence)
        if not words:
            raise NotFound("nothing that somebody wrote stands behind this entry")
        await _forget_copies(tx, contract, words)
        await tx.record.append(contract.id, contract.campus, "words-erased", actor, {"entry": sequence})


async def erase_signer(services: Services, scope: Scope, contract_id: UUID, field: str, actor: str) -> None:
    """Everything behind the record of whoever signs in this field: name, phone, document, relation, words and salt, and
    what others wrote about the contract, in which they may be named. What is on file to write to them, and the files,
    stay. Raises NotFound."""
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.locked(contract_id)
        signer = next((each for each in await tx.contracts.signers(contract.id) if each.field == field), None)
        if signer is None:
            raise NotFound("the contract has no such signer")
        await _forget_copies(tx, contract, await tx.record.erase(signer.id))
        await tx.record.append(contract.id, contract.campus, "signer-erased", actor, {"signer": str(signer.id)})


async def _forget_copies(tx: Transaction, contract: Contract, words: Sequence[str]) -> None:
    if contract.reason in words:
        await tx.contracts.change(contract, reason=None)
    await tx.staff_tasks.forget_words(contract.id, words)
    await tx.phone_changes.forget_words(contract.id, words)
