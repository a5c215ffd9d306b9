"""Apply a batch of receipts in one transaction, with a constant number of statements.

This is only for receipts that concern nothing but a message. Those that also concern a number or a provider (opted out,
filtered as spam, account trouble) are applied one by one, by `Router.apply_receipt`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from channels import Failure, Fate, Inbound, Receipt, ReceiptReport
from hub.model.messaging.delivery import (
    Delivery,
    DeliveryState,
    StateReport,
    compute_check_time,
    earliest_start,
    merge_states,
)
from hub.model.reminders.may_send import SkipReason
from hub.router.circuit_breaker import record_arrival
from hub.router.providers import Provider
from hub.store.messaging.reported_deliveries import DeliveryUpdate, ReportedDelivery
from hub.store.transaction import Transaction

FATES = {
    Fate.ACCEPTED: DeliveryState.SENT,
    Fate.DELIVERED: DeliveryState.DELIVERED,
    Fate.UNDELIVERED: DeliveryState.UNDELIVERED,
}
SAY_MORE = (Failure.OPTED_OUT, Failure.FILTERED, Failure.ACCOUNT)
log = structlog.get_logger()


@dataclass(frozen=True)
class ProviderReport:
    """A report, and the provider that signed it."""

    provider: Provider
    report: ReceiptReport


def convert_receipt(receipt: Receipt, state: DeliveryState | None, *, receipts: bool) -> StateReport:
    """Convert a receipt to a state report. `state`: replaces the receipt's state, if the caller knows better."""
    return StateReport(
        state or FATES[receipt.fate],
        receipts=receipts,
        reference=receipt.reference or None,
        failure=receipt.detail or None,
        failure_kind=receipt.failure.value if receipt.failure else None,
    )


def dropped_report(reason: SkipReason) -> StateReport:
    """Return the report that ends a message which will not be sent any more."""
    if reason is SkipReason.OPTED_OUT:
        return StateReport(DeliveryState.REFUSED, failure="opted out meanwhile", failure_kind=Failure.OPTED_OUT.value)
    return StateReport(DeliveryState.WITHDRAWN, failure=reason.value)


def is_plain(provider: Provider, reports: Sequence[ReceiptReport], inbound: Sequence[Inbound]) -> bool:
    """Return whether a callback can be applied in a batch: it is signed, and contains only reports that have our own
    key and concern nothing but a message."""
    plain = all(each.key and each.receipt.failure not in SAY_MORE for each in reports)
    return plain and provider.channel.rules.signed and not inbound


async def apply_receipts(tx: Transaction, reported: Sequence[ProviderReport]) -> list[bool]:
    """Apply the reports in order. Return, for each report, whether its message is known here yet."""
    if not reported:
        return []
    locked = await tx.reported_deliveries.lock_by_keys(sorted({each.report.key for each in reported}))
    deliveries = [_find_called(each, locked) for each in reported]
    at, learnt = tx.planning_now, dict[str, DeliveryUpdate]()
    arrivals: dict[str, datetime] = {}
    for each, delivery in zip(reported, deliveries, strict=True):
        if delivery is None:
            continue
        key = each.report.key
        before = learnt.get(key) or DeliveryUpdate(delivery.id, delivery.state, delivery.provider_reference)
        after = _merge_receipt(before, delivery.purpose, each, at)
        if after != before:
            learnt[key] = after
        if each.report.receipt.fate is Fate.DELIVERED and (began := earliest_start(delivery.called_at)):
            arrivals[each.provider.name] = max(arrivals.get(each.provider.name, began), began)
    await tx.reported_deliveries.write_updates(list(learnt.values()), at)
    for provider in {each.provider.name: each.provider for each in reported}.values():
        await record_arrival(tx, provider, arrivals.get(provider.name))
    log.info("receipts", number=len(reported), changed=len(learnt))
    return [delivery is not None for delivery in deliveries]


async def find_reported(tx: Transaction, provider: Provider, report: ReceiptReport) -> Delivery | None:
    """Return the delivery that a report is about, or None.

    It is found by our own key or by the provider's reference. If the provider can be asked and its callbacks are
    unsigned, the phone number alone is enough.
    """
    if report.key and (found := await tx.deliveries.find_by_key(report.key)):
        return found if found.provider == provider.name else None
    rules = provider.channel.rules
    asked = rules.queryable and not rules.signed  # the report is only a hint: the provider's answer counts
    return await tx.deliveries.find_by_report(provider.name, report.receipt.reference, report.to if asked else "")


def _find_called(reported: ProviderReport, locked: Mapping[str, ReportedDelivery]) -> ReportedDelivery | None:
    """Return the delivery that a report is about, if its provider is the one that was called."""
    delivery = locked.get(reported.report.key)
    return delivery if delivery and delivery.provider == reported.provider.name else None


def _merge_receipt(before: DeliveryUpdate, purpose: str, reported: ProviderReport, at: datetime) -> DeliveryUpdate:
    """Return what is known about a delivery after one more receipt. `at`: on the planning clock."""
    receipt = reported.report.receipt
    known, state = before.with_reference(receipt.reference), merge_states(before.state, FATES[receipt.fate])
    if state is before.state:
        return known
    look = compute_check_time(purpose, state, at, receipts=reported.provider.channel.rules.receipts)
    return known.with_state(state, look, receipt.detail or None, receipt.failure.value if receipt.failure else None)
