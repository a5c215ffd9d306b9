"""Use a seal: ask before its key signs, and say afterwards what became of it. Each is a line of the register.

Whoever seals something calls `begin_seal_uses` in the transaction before the key signs, signs only documents whose line
says `may_sign`, and calls `end_seal_uses` in the transaction that stores the result. A process that dies in between
asks again with the same ids: nothing is counted twice, and what was sealed is answered as sealed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from hub.model.sealing.seal_use import (
    DocumentToSeal,
    EndedUse,
    SealAsk,
    SealRules,
    SealUse,
    UseOutcome,
    begin_uses,
)
from hub.store.transaction import Transaction


async def begin_seal_uses(tx: Transaction, asked: SealAsk, documents: Sequence[DocumentToSeal]) -> list[SealUse]:
    """Check state, certificate, grant, campus, template and remaining uses, and write a line for each document.

    Returns the lines in the order of the documents. A refusal is a line as well, so nothing is raised for it. The scope
    of the transaction has to be all campuses. Raises SealNotFound. Of locks it takes the seal's (shared), then those
    of grants that have a limit: both are held until the transaction ends.
    """
    if not documents:
        return []
    seal = await tx.seals.hold(asked.seal)
    candidates = await tx.seals.lock_candidates(asked.seal, asked.grantees, asked.campus)
    known = await tx.seal_register.get_known([document.use for document in documents])
    begun = begin_uses(asked, documents, SealRules(seal, candidates), known, tx.now)
    await tx.seal_register.put([use for use in begun.uses if use.outcome is not UseOutcome.SEALED])
    await tx.seals.count_uses(begun.counted)
    return list(begun.uses)


async def end_seal_uses(tx: Transaction, ended: Sequence[EndedUse]) -> None:
    """Write what became of attempts. One that failed is given back to its grant. What has ended already stays."""
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
