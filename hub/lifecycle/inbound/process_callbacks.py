"""Process stored callbacks: inbound messages, and receipts, which may come in any order and repeatedly.

A callback is verified and stored before it is answered. If it is unsigned, its receipts are confirmed by asking the
provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from channels import CALL_TIMEOUT, CannotAsk, Fate, ReceiptReport
from hub.errors import Unavailable
from hub.lifecycle.inbound.inbound_sms import take_inbound
from hub.lifecycle.inbound.unreadable_callbacks import add_unreadable_task
from hub.lifecycle.services import Services
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import OTHER_HUBS_TIMEOUT, Provider
from hub.router.receipts import ProviderReport, apply_receipts, find_reported, is_plain
from hub.store.inbound.callbacks import Callback
from hub.store.messaging.providers import ProviderCondition
from hub.store.transaction import Transaction

# Pauses between retries: a receipt can arrive before our call has returned, or before the provider can be asked.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 300, 600))
# The most callbacks of one batch.
MAX_TOGETHER = 200
# Lease of a callback that is processed individually.
CALLBACK_LEASE = timedelta(minutes=1)
log = structlog.get_logger()


async def process_callback_batch(services: Services) -> tuple[int, list[UUID]]:
    """Process due callbacks, as many as possible in one transaction.

    Return the number of callbacks that were claimed, and the ids of those that `process_callback` has to process alone.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        ours = ProviderCondition(services.messaging.router.providers.names, tx.now - OTHER_HUBS_TIMEOUT)
        due = list(await tx.callbacks.list_due(tx.now, MAX_TOGETHER, ours))
    if not due:
        return 0, []
    try:
        async with services.database.transaction(EVERYTHING) as tx:
            taken = await tx.callbacks.lock_unprocessed(due)
            noted = await _apply_plain_callbacks(services, tx, taken)
            left = [each.id for each in taken if each.id not in noted]
            await tx.callbacks.lease(left, tx.now + CALLBACK_LEASE)
    except Unavailable:
        raise
    except Exception:
        log.exception("callbacks not processed together", number=len(due))
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.callbacks.lease(due, tx.now + CALLBACK_LEASE)
        return len(due), due
    return len(taken), left


async def _apply_plain_callbacks(services: Services, tx: Transaction, taken: Sequence[Callback]) -> set[UUID]:
    """Apply the callbacks that can be batched. Return the ids of those that are done."""
    found = [(each, services.messaging.router.providers.get(each.provider)) for each in taken]
    plain = [
        (each, provider)
        for each, provider in found
        if provider and not each.unread and is_plain(provider, each.reports, each.inbound)
    ]
    reported = [(each.id, ProviderReport(provider, report)) for each, provider in plain for report in each.reports]
    applied = await apply_receipts(tx, [report for _, report in reported])
    unknown = {callback for (callback, _), is_known in zip(reported, applied, strict=True) if not is_known}
    noted = {each.id for each, _ in plain} - unknown
    await tx.callbacks.mark_done(sorted(noted), tx.now, "noted")
    return noted


async def process_callback(services: Services, callback_id: UUID) -> None:
    """Process one stored callback. If it fails or is not final yet, it is retried later, and nothing is lost."""
    try:
        await _process_callback(services, callback_id)
    except Unavailable:
        raise
    except Exception:
        log.exception("callback not processed", callback=str(callback_id))
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.callbacks.retry_at(callback_id, tx.now + PAUSES[-1])


async def _process_callback(services: Services, callback_id: UUID) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        if not (found := await tx.callbacks.lock_unprocessed([callback_id])):
            return
        (callback,) = found
        provider = services.messaging.router.providers.get(callback.provider)
        if services.messaging.router.providers.is_left_to_others(callback.provider, callback.received_at, tx.now):
            return
        if provider is None:
            await tx.callbacks.mark_done([callback.id], tx.now, "unmatched")
            return
        if provider.channel.rules.signed:
            await _apply_callback(services, tx, provider, callback, callback.reports)
            return
    reports = await asyncio.gather(*(_confirm_report(services, provider, each) for each in callback.reports))
    async with services.database.transaction(EVERYTHING) as tx:
        if await tx.callbacks.lock_unprocessed([callback_id]):
            await _apply_callback(services, tx, provider, callback, reports)


async def _apply_callback(
    services: Services, tx: Transaction, provider: Provider, callback: Callback, reports: Sequence[ReceiptReport | None]
) -> None:
    """Apply a callback in this transaction; if a receipt cannot be applied yet, schedule a retry."""
    for message in callback.inbound:  # first, since it locks contracts, which come before deliveries in the lock order
        await take_inbound(services, tx, provider, message)
    applied = [
        report is not None and await services.messaging.router.apply_report(tx, provider, report) for report in reports
    ]
    if not all(applied) and callback.tries < len(PAUSES):
        await tx.callbacks.retry_at(callback.id, tx.now + PAUSES[callback.tries])
    elif callback.unread:
        await add_unreadable_task(tx, callback)
        await tx.callbacks.mark_kept(callback, tx.now)
    else:
        await tx.callbacks.mark_done([callback.id], tx.now, "noted" if all(applied) else "unmatched")


async def _confirm_report(services: Services, provider: Provider, report: ReceiptReport) -> ReceiptReport | None:
    """Ask the provider, and return its answer in place of the unsigned report; None if it does not confirm the report,
    or the message is not known (yet)."""
    async with services.database.transaction(EVERYTHING) as tx:
        delivery = await find_reported(tx, provider, report)
        message = await services.messaging.router.renderer.render_message(tx, delivery) if delivery else None
    if delivery is None or message is None:
        return None
    try:
        reference = delivery.provider_reference or report.receipt.reference
        answer = await asyncio.wait_for(provider.channel.find(message, reference), CALL_TIMEOUT)
    except (CannotAsk, TimeoutError):
        return None if provider.channel.rules.queryable else report  # it cannot be confirmed
    if answer is None or answer.fate is Fate.ACCEPTED:
        return None
    return ReceiptReport(answer, delivery.key, report.to)
