"""Write the outcomes of provider calls in batches, so that calls that end at the same time share a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from channels import Fate, Receipt
from hub.model.messaging.delivery import Delivery, DeliveryState, compute_check_time, earliest_start, merge_states
from hub.model.staff.accounts import EVERYTHING
from hub.router.circuit_breaker import record_arrival
from hub.router.providers import Carrier
from hub.router.receipts import SAY_MORE, convert_receipt
from hub.store.kernel.batcher import Batcher, BatchItem
from hub.store.messaging.deliveries import opening_report
from hub.store.messaging.reported_deliveries import Learnt, ReportedDelivery
from hub.store.transaction import Database, Transaction

log = structlog.get_logger()


class Note(Protocol):
    """The type of `Router.apply_receipt`."""

    async def __call__(
        self, tx: Transaction, delivery_id: UUID, carrier: Carrier, receipt: Receipt, state: DeliveryState | None = None
    ) -> DeliveryState:
        """Apply a receipt in this transaction."""


@dataclass(frozen=True)
class _Report:
    delivery: UUID
    carrier: Carrier
    receipt: Receipt
    state: DeliveryState | None

    @property
    def says_more(self) -> bool:
        """Return whether the receipt also concerns a number or a provider, and is therefore applied alone."""
        return self.receipt.failure in SAY_MORE


class OutcomeBatcher:
    """The writer of outcomes."""

    def __init__(self, database: Database, note: Note) -> None:
        self._database = database
        self._note = note
        self._batcher = Batcher(self._write)

    async def add(
        self, delivery: UUID, carrier: Carrier, receipt: Receipt, state: DeliveryState | None
    ) -> DeliveryState:
        """Return the state of the delivery once the outcome is committed. Raises Unavailable as a transaction does."""
        return await self._batcher.add(_Report(delivery, carrier, receipt, state))

    async def _write(self, batch: list[BatchItem[_Report, DeliveryState]]) -> None:
        if len(batch) == 1 or not await self._write_together(batch):
            for item in batch:
                await self._write_one(item)

    async def _write_together(self, batch: list[BatchItem[_Report, DeliveryState]]) -> bool:
        reports = [item.value for item in batch]
        if len({each.delivery for each in reports}) < len(reports) or any(each.says_more for each in reports):
            return False
        try:
            async with self._database.transaction(EVERYTHING) as tx:
                states = await _apply_receipts(tx, reports)
        except Exception as error:
            log.warning("reports noted one by one", reports=len(reports), error=repr(error)[:300])
            return False
        for item in batch:
            item.succeed(states[item.value.delivery])
        return True

    async def _write_one(self, item: BatchItem[_Report, DeliveryState]) -> None:
        report = item.value
        try:
            async with self._database.transaction(EVERYTHING, opening_report(report.delivery)) as tx:
                state = await self._note(tx, report.delivery, report.carrier, report.receipt, report.state)
        except Exception as error:
            item.fail(error)
        else:
            item.succeed(state)


async def _apply_receipts(tx: Transaction, batch: Sequence[_Report]) -> dict[UUID, DeliveryState]:
    """Apply the receipts as `Router.apply_receipt` does. Return the new states."""
    known = await tx.reported_deliveries.lock([each.delivery for each in batch])
    learnt, after, arrivals = list[Learnt](), dict[UUID, DeliveryState](), dict[str, datetime]()
    for each in batch:
        delivery = known[each.delivery]
        report = convert_receipt(each.receipt, each.state, receipts=each.carrier.channel.rules.receipts)
        state = after[delivery.id] = merge_states(delivery.state, report.state)
        now = Learnt(delivery.id, delivery.state, delivery.provider_reference).naming(report.reference or "")
        if state is not delivery.state:
            look = compute_check_time(delivery.purpose, state, tx.planning_now, receipts=report.receipts)
            now = now.moved(state, look, report.failure, report.failure_kind)
        learnt.append(now)
        if each.receipt.fate is Fate.DELIVERED and (began := earliest_start(delivery.called_at)):
            arrivals[each.carrier.name] = max(arrivals.get(each.carrier.name, began), began)
        log_state(delivery, state)
    await tx.reported_deliveries.learn(learnt, tx.planning_now)
    for carrier in {each.carrier.name: each.carrier for each in batch}.values():
        await record_arrival(tx, carrier, arrivals.get(carrier.name))
    return after


def log_state(delivery: Delivery | ReportedDelivery, state: DeliveryState) -> None:
    """Log the state of a delivery, with the contract that it is about (the first one if there are several)."""
    log.info(
        "delivery",
        id=str(delivery.id),
        contract=str(delivery.contract) if delivery.contract else None,
        provider=delivery.provider,
        purpose=delivery.purpose,
        state=state.value,
    )
