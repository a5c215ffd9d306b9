"""Use a seal: ask for permission before its key signs, and report the outcome. Each use is a line of the register.

The caller runs `begin_seal_uses` in the transaction before the key signs, signs only documents whose line says
`may_sign`, and runs `end_seal_uses` in the transaction that stores the result. After a crash in between, the caller
asks again with the same ids: no use is counted twice, and a document already sealed is reported as sealed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from hub.model.sealing.seal_use import DocumentToSeal, EndedUse, SealAsk, SealUse, UseOutcome, begin_uses
from hub.store.transaction import Transaction


async def begin_seal_uses(tx: Transaction, asked: SealAsk, documents: Sequence[DocumentToSeal]) -> list[SealUse]:
    """Check state, certificate, grant, campus, template and remaining uses, and write a line for each document.

    Returns the lines in the order of the documents. A refusal is a line too and raises nothing. The transaction's scope
    must be all campuses. Locks the seal (shared), then the grants that have a limit, until the transaction ends. Raises
    SealNotFound.
    """
    if not documents:
        return []
    rules, known = await tx.seal_register.hold(asked, [document.use for document in documents])
    begun = begin_uses(asked, documents, rules, known, tx.now)
    await tx.seal_register.put([use for use in begun.uses if use.outcome is not UseOutcome.SEALED])
    await tx.seals.count_uses(begun.counted)
    return list(begun.uses)


async def end_seal_uses(tx: Transaction, ended: Sequence[EndedUse]) -> None:
    """Write the outcomes of uses, except for those that have already ended. A failed use is given back to its grant."""
    if not ended:
        return
    if failed := [use.use for use in ended if use.failure is not None]:
        await tx.seals.lock_counted(failed)
    changed = await tx.seal_register.end(ended, tx.now)
    given_back: Counter[UUID] = Counter()
    for use in changed:
        if use.outcome is UseOutcome.FAILED and use.seal_grant is not None:
            given_back[use.seal_grant] -= use.count
    await tx.seals.count_uses(given_back)
