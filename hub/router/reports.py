"""Write the outcomes of provider calls in batches, so that calls that end at the same time share a transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from channels import Receipt
from hub.model.messaging.delivery import Delivery, DeliveryState, compute_check_time
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider
from hub.router.receipts import SAY_MORE, convert_receipt
from hub.store.kernel.batcher import Batcher, BatchItem
from hub.store.messaging.deliveries import opening_report
from hub.store.messaging.reported_deliveries import DeliveryUpdate, KnownOutcome, opening_outcomes
from hub.store.operation.jobs import RUNNING_JOB, Job
from hub.store.transaction import Database, Transaction

log = structlog.get_logger()


# The type of `Router.apply_receipt`.
ApplyReceipt = Callable[[Transaction, UUID, Provider, Receipt, DeliveryState | None], Awaitable[DeliveryState]]


@dataclass(frozen=True)
class MessageOutcome:
    """What a provider says about a message. `delivery`: as it was known when the provider was called or asked.
    `began`: the earliest moment (real time) at which the last call can have begun. `state`: replaces the state given by
    the receipt. `job`: the job that ends once this is written."""

    delivery: Delivery
    provider: Provider
    receipt: Receipt
    began: datetime | None
    state: DeliveryState | None = None
    job: Job | None = field(default_factory=RUNNING_JOB.get)

    @property
    def concerns_more(self) -> bool:
        """Whether the receipt also concerns a number or a provider, and is therefore applied alone."""
        return self.receipt.failure in SAY_MORE

    def as_known(self, now: datetime) -> KnownOutcome:
        """Return the outcome in the form to be written. `now`: real time."""
        report = convert_receipt(self.receipt, self.state, receipts=self.provider.channel.rules.receipts)
        look = compute_check_time(self.delivery.purpose, report.state, now, receipts=report.receipts)
        learnt = DeliveryUpdate(self.delivery.id, report.state, report.reference)
        learnt = learnt.with_state(report.state, look, report.failure, report.failure_kind)
        return KnownOutcome(self.delivery.state, learnt, self.began, self.job.id if self.job else None)


class OutcomeBatcher:
    """The writer of outcomes."""

    def __init__(self, database: Database, apply_receipt: ApplyReceipt) -> None:
        self._database = database
        self._apply_receipt = apply_receipt
        self._batcher = Batcher(self._write)

    async def add(self, outcome: MessageOutcome) -> DeliveryState:
        """Return the state of the delivery once the outcome is committed. Raises Unavailable as a transaction does."""
        return await self._batcher.add(outcome)

    async def _write(self, batch: list[BatchItem[MessageOutcome, DeliveryState]]) -> None:
        # If there are two outcomes of one delivery, the second is applied after the first one has been written.
        plain = {item.value.delivery.id: item for item in reversed(batch) if not item.value.concerns_more}
        written = await self._write_together([item.value for item in plain.values()])
        for item in batch:
            delivery = item.value.delivery.id
            if delivery in written and plain.get(delivery) is item:
                item.succeed(written[delivery])
            else:
                await self._write_one(item)

    async def _write_together(self, outcomes: Sequence[MessageOutcome]) -> dict[UUID, DeliveryState]:
        """Write these outcomes in one statement. Return the states of the deliveries that had not changed meanwhile."""
        if not outcomes:
            return {}
        now = self._database.clock()
        opening = opening_outcomes([each.as_known(now) for each in outcomes], now)
        try:
            async with self._database.transaction(EVERYTHING, opening) as tx:
                rows = await tx.connection.execute(opening.statement, opening.values)
        except Exception as error:
            log.warning("outcomes noted one by one", outcomes=len(outcomes), error=repr(error)[:300])
            return {}
        states = {row["id"]: DeliveryState(row["state"]) for row in rows}
        for each in outcomes:
            if each.delivery.id in states:
                log_state(each.delivery, each.provider.name, states[each.delivery.id])
                if each.job:
                    each.job.has_ended = True
        for name in {row["provider"] for row in rows if row["closes_breaker"]}:
            log.info("provider works again", provider=name)
        return states

    async def _write_one(self, item: BatchItem[MessageOutcome, DeliveryState]) -> None:
        outcome, delivery = item.value, item.value.delivery.id
        try:
            async with self._database.transaction(EVERYTHING, opening_report(delivery)) as tx:
                state = await self._apply_receipt(tx, delivery, outcome.provider, outcome.receipt, outcome.state)
        except Exception as error:
            item.fail(error)
        else:
            item.succeed(state)


def log_state(delivery: Delivery, provider: str | None, state: DeliveryState) -> None:
    """Log the state of a delivery, with the contract that it is about (the first one if there are several)."""
    log.info(
        "delivery",
        id=str(delivery.id),
        contract=str(delivery.contract) if delivery.contract else None,
        provider=provider,
        purpose=delivery.purpose,
        state=state.value,
    )
