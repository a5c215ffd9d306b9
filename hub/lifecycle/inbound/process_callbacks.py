"""What providers tell us by themselves: receipts, in any order and any number of times, and what people answer.

The call was verified and stored before it was answered. Whoever cannot sign its calls is asked before it is believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from channels import CALL_TIMEOUT, CannotAsk, Fate, Receipt, ReceiptReport
from hub.errors import Unavailable
from hub.lifecycle.inbound.inbound_sms import take_inbound
from hub.lifecycle.inbound.unread import show_unread
from hub.lifecycle.services import Services
from hub.model.messaging.delivery import Delivery
from hub.model.staff.accounts import EVERYTHING
from hub.router.providers import LEFT_TO_OTHERS, Carrier
from hub.router.receipts import Reported, is_plain, note_together
from hub.store.inbound.callbacks import Callback
from hub.store.messaging.providers import OfProviders
from hub.store.transaction import Transaction

# A receipt can come before our call has returned, or before the provider's own query knows of it. Then no more.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 300, 600))
TOGETHER = 200
# So long a call that is worked on by itself is in its worker's hands.
HELD = timedelta(minutes=1)
log = structlog.get_logger()


async def hear_together(services: Services) -> tuple[int, list[UUID]]:
    """Take up calls that are due: what can be noted with others is, in one transaction. Returns how many were taken,
    and those that are left to `hear`, one by one."""
    async with services.database.transaction(EVERYTHING) as tx:
        ours = OfProviders(services.router.carriers.names, tx.now - LEFT_TO_OTHERS)
        due = list(await tx.callbacks.due(tx.now, TOGETHER, ours))
    if not due:
        return 0, []
    try:
        async with services.database.transaction(EVERYTHING) as tx:
            taken = await tx.callbacks.take(due)
            noted = await _note_plain(services, tx, taken)
            left = [each.id for each in taken if each.id not in noted]
            await tx.callbacks.hold(left, tx.now + HELD)
    except Unavailable:
        raise
    except Exception:
        log.exception("calls could not be worked on together", number=len(due))
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.callbacks.hold(due, tx.now + HELD)
        return len(due), due
    return len(taken), left


async def _note_plain(services: Services, tx: Transaction, taken: Sequence[Callback]) -> set[UUID]:
    """Those of which all is noted now."""
    found = [(each, services.router.carriers.get(each.provider)) for each in taken]
    plain = [
        (each, carrier)
        for each, carrier in found
        if carrier and not each.unread and is_plain(carrier, each.reports, each.inbound)
    ]
    reported = [(each.id, Reported(carrier, report)) for each, carrier in plain for report in each.reports]
    heard = await note_together(tx, [report for _, report in reported])
    unknown = {callback for (callback, _), known in zip(reported, heard, strict=True) if not known}
    noted = {each.id for each, _ in plain} - unknown
    await tx.callbacks.done(sorted(noted), tx.now, "noted")
    return noted


async def hear(services: Services, callback_id: UUID) -> None:
    """Work on one stored call; what cannot be settled now is taken up again by itself, also what fails: nothing that
    somebody told us is lost, and the others do not wait for it."""
    try:
        await _hear(services, callback_id)
    except Unavailable:
        raise
    except Exception:
        log.exception("a call could not be worked on", callback=str(callback_id))
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.callbacks.again(callback_id, tx.now + PAUSES[-1])


async def _hear(services: Services, callback_id: UUID) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        callback = await tx.callbacks.open(callback_id, lock=True)
        if callback is None:
            return
        carrier = services.router.carriers.get(callback.provider)
        if services.router.carriers.left_to_others(callback.provider, callback.received_at, tx.now):
            return
        if carrier is None:
            await tx.callbacks.done([callback.id], tx.now, "unmatched")
            return
        if carrier.channel.rules.signed:
            await _note(services, tx, carrier, callback, callback.reports)
            return
    reports = await _believed(services, carrier, callback.reports)
    async with services.database.transaction(EVERYTHING) as tx:
        if await tx.callbacks.open(callback_id, lock=True):
            await _note(services, tx, carrier, callback, reports)


async def _note(
    services: Services, tx: Transaction, carrier: Carrier, callback: Callback, reports: Sequence[ReceiptReport | None]
) -> None:
    """What was told, in this transaction; what cannot be settled yet is looked at again."""
    for message in callback.inbound:  # first: it locks contracts, and those come before messages
        await take_inbound(services, tx, carrier, message)
    heard = [report is not None and await services.router.hear(tx, carrier, report) for report in reports]
    if not all(heard) and callback.tries < len(PAUSES):
        await tx.callbacks.again(callback.id, tx.now + PAUSES[callback.tries])
    elif callback.unread:
        await show_unread(tx, callback)
        await tx.callbacks.kept(callback, tx.now)
    else:
        await tx.callbacks.done([callback.id], tx.now, "noted" if all(heard) else "unmatched")


async def _believed(
    services: Services, carrier: Carrier, reports: Sequence[ReceiptReport]
) -> list[ReceiptReport | None]:
    """What may be noted; None where the provider itself does not say so (yet), or the message is not known (yet)."""
    return list(await asyncio.gather(*(_confirmed(services, carrier, each) for each in reports)))


async def _confirmed(services: Services, carrier: Carrier, report: ReceiptReport) -> ReceiptReport | None:
    """The provider's own answer takes the place of what somebody called to us."""
    async with services.database.transaction(EVERYTHING) as tx:
        delivery = await services.router.meant(tx, carrier, report)
        message = await services.router.wording.message(tx, delivery) if delivery else None
    if delivery is None or message is None:
        return None
    try:
        reference = delivery.provider_reference or report.receipt.reference
        answer = await asyncio.wait_for(carrier.channel.find(message, reference), CALL_TIMEOUT)
    except (CannotAsk, TimeoutError):
        return None if carrier.channel.rules.queryable else report  # nobody else can say so
    return _of(report, delivery, answer) if answer and answer.fate is not Fate.ACCEPTED else None


def _of(report: ReceiptReport, delivery: Delivery, answer: Receipt) -> ReceiptReport:
    return ReceiptReport(answer, delivery.key, report.to)
