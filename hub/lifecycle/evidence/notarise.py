"""Give the roots of hash trees to the configured notaries, and keep their receipts.

An attempt row is committed before each call. A call that fails is tried again in the next round, an hour later. Giving
a root twice does no harm. A notary that is unavailable does not hold up the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from hub.errors import NotaryUnavailable
from hub.lifecycle.services import Services
from hub.model.evidence.notary import DepositedRoot, StoredReceipt
from hub.model.staff.accounts import EVERYTHING
from hub.notaries import Notary, NotaryReceipt

# Roots for each notary in one round. A newly configured notary also gets the roots of earlier days.
ROOTS_A_ROUND = 50
log = structlog.get_logger()


async def notarise(services: Services) -> int:
    """Give every notary the roots for which it has no receipt, and ask for the receipts that it promised.

    Return how many receipts were stored.
    """
    stored = 0
    for name, notary in services.sealing.notaries.items():
        try:
            stored += await _deposit(services, name, notary) + await _complete(services, name, notary)
        except NotaryUnavailable as error:
            log.warning("roots of hash trees not given to a notary", notary=name, reason=str(error))
    return stored


async def _deposit(services: Services, name: str, notary: Notary) -> int:
    async with services.database.transaction(EVERYTHING) as tx:
        roots = await tx.notary_receipts.list_without(name, ROOTS_A_ROUND)
    return sum([await _ask(services, name, each, partial(notary.deposit, each.root)) for each in roots])


async def _complete(services: Services, name: str, notary: Notary) -> int:
    async with services.database.transaction(EVERYTHING) as tx:
        roots = await tx.notary_receipts.list_promised(name, ROOTS_A_ROUND)
    stored = 0
    for each in roots:
        earlier = NotaryReceipt(each.reference or "", each.receipt or b"", is_final=False)
        stored += await _ask(services, name, each, partial(notary.complete, each.root, earlier))
    return stored


async def _ask(
    services: Services, name: str, root: DepositedRoot, call: Callable[[], Awaitable[NotaryReceipt | None]]
) -> bool:
    """Make the call, with an attempt row around it. Return whether a receipt was stored. Raises NotaryUnavailable."""
    async with services.database.transaction(EVERYTHING) as tx:
        attempt = await tx.signatures.begin_attempt("notary", None, None, tx.now)
    try:
        receipt = await call()
    except NotaryUnavailable as error:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.end_attempt(attempt, tx.now, failure=f"{error.code}: {error}")
        raise
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.signatures.end_attempt(attempt, tx.now)
        if receipt is None:
            return False
        facts = (root.day, name, receipt.is_final, receipt.reference, receipt.receipt, tx.now)
        return await tx.notary_receipts.add(StoredReceipt(*facts))
