"""Give the roots of hash trees to the configured notaries, and keep their receipts.

An attempt row is committed before each call. A call that fails is tried again in the next round, an hour later. Giving
a root twice does no harm. A notary that is unavailable does not hold up the others, and a stored receipt that cannot be
read does not hold up other roots: `doctor --records` names it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from hub.errors import NotaryUnavailable
from hub.lifecycle.services import Services
from hub.model.evidence.notary import DepositedRoot, StoredReceipt
from hub.model.staff.scope import EVERYTHING
from hub.notaries import Notary, NotaryReceipt

# Roots for each notary in one round. A newly configured notary also gets the roots of earlier days.
ROOTS_A_ROUND = 50
# After this many failed calls, a notary is not called again until the next round.
FAILURES_A_ROUND = 3
Call = Callable[[], Awaitable[NotaryReceipt | None]]
log = structlog.get_logger()


async def notarise(services: Services) -> int:
    """Give every notary the roots for which it has no receipt, and ask for the receipts that it promised.

    Return how many receipts were stored.
    """
    stored = 0
    for name, notary in services.sealing.notaries.items():
        stored += await _deposit(services, name, notary) + await _complete(services, name, notary)
    return stored


async def _deposit(services: Services, name: str, notary: Notary) -> int:
    async with services.database.transaction(EVERYTHING) as tx:
        roots = await tx.notary_receipts.list_without(name, ROOTS_A_ROUND)
    return await _ask_each(services, name, [(each, partial(notary.deposit, each.root)) for each in roots])


async def _complete(services: Services, name: str, notary: Notary) -> int:
    async with services.database.transaction(EVERYTHING) as tx:
        roots = await tx.notary_receipts.list_promised(name, ROOTS_A_ROUND)
    promised = [NotaryReceipt(each.reference or "", each.receipt or b"", is_final=False) for each in roots]
    calls = [(each, partial(notary.complete, each.root, given)) for each, given in zip(roots, promised, strict=True)]
    return await _ask_each(services, name, calls)


async def _ask_each(services: Services, name: str, calls: Sequence[tuple[DepositedRoot, Call]]) -> int:
    """Make the calls, and return how many receipts were stored. After a failed call the next one is still made, but an
    unavailable notary is not called for every root."""
    stored = failed = 0
    for root, call in calls:
        try:
            stored += await _ask(services, name, root, call)
        except NotaryUnavailable as error:
            log.warning("root of a hash tree not given to a notary", notary=name, day=str(root.day), reason=str(error))
            failed += 1
            if failed == FAILURES_A_ROUND:
                break
    return stored


async def _ask(services: Services, name: str, root: DepositedRoot, call: Call) -> bool:
    """Make the call, with an attempt row around it. Return whether a receipt was stored. Raises NotaryUnavailable."""
    async with services.database.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("notary", None, None, tx.now)
    try:
        receipt = await call()
    except (NotaryUnavailable, ValueError) as error:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(attempt, tx.now, failure=f"{NotaryUnavailable.code}: {error}")
        if isinstance(error, NotaryUnavailable):
            raise
        log.error("the receipt of a notary cannot be read", notary=name, day=str(root.day), reason=str(error))
        return False
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now)
        if receipt is None:
            return False
        facts = (root.day, name, receipt.is_final, receipt.reference, receipt.receipt, tx.now)
        return await tx.notary_receipts.add(StoredReceipt(*facts))
