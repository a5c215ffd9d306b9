"""What became of calls: those that end at the same time are noted in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import structlog

from channels import Fate, Receipt
from hub.model.messaging.delivery import DeliveryState, began_at, joined, look_again_at
from hub.model.staff.accounts import EVERYTHING
from hub.router.circuit_breaker import arrived
from hub.router.providers import Carrier
from hub.router.receipts import SAY_MORE, report_of
from hub.store.messaging.reported_deliveries import Learnt
from hub.store.transaction import Database, Transaction

MAX_BATCH = 50
log = structlog.get_logger()


class Note(Protocol):
    """`Router.note`."""

    async def __call__(
        self, tx: Transaction, delivery_id: UUID, carrier: Carrier, receipt: Receipt, state: DeliveryState | None = None
    ) -> DeliveryState:
        """Join a receipt to what is known, in this transaction."""


@dataclass(frozen=True)
class _Report:
    delivery: UUID
    carrier: Carrier
    receipt: Receipt
    state: DeliveryState | None
    noted: asyncio.Future[DeliveryState]

    @property
    def says_more(self) -> bool:
        """Whether it says something about a number or a provider as well: such a one is noted alone."""
        return self.receipt.failure in SAY_MORE


class Reports:
    """Nothing waits for more to come: what comes while one transaction is under way goes into the next."""

    def __init__(self, database: Database, note: Note) -> None:
        self._database = database
        self._note = note
        self._waiting: list[_Report] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(
        self, delivery: UUID, carrier: Carrier, receipt: Receipt, state: DeliveryState | None
    ) -> DeliveryState:
        """Returns once it is committed. Raises Unavailable as a unit does."""
        noted: asyncio.Future[DeliveryState] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Report(delivery, carrier, receipt, state, noted))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await noted

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            if len(batch) == 1 or not await self._together(batch):
                for each in batch:
                    await self._alone(each)

    async def _together(self, batch: list[_Report]) -> bool:
        if len({each.delivery for each in batch}) < len(batch) or any(each.says_more for each in batch):
            return False
        try:
            async with self._database.transaction(EVERYTHING) as tx:
                states = await _note_many(tx, batch)
        except Exception as error:
            log.warning("noted one by one", reports=len(batch), error=repr(error)[:300])
            return False
        for each in batch:
            _settle(each.noted, states[each.delivery])
        return True

    async def _alone(self, report: _Report) -> None:
        try:
            async with self._database.transaction(EVERYTHING) as tx:
                state = await self._note(tx, report.delivery, report.carrier, report.receipt, report.state)
        except Exception as error:
            if not report.noted.done():
                report.noted.set_exception(error)
        else:
            _settle(report.noted, state)


async def _note_many(tx: Transaction, batch: Sequence[_Report]) -> dict[UUID, DeliveryState]:
    """Join each receipt to what is known, as `Router.note` does; returns the states that result."""
    known = await tx.reported_deliveries.lock([each.delivery for each in batch])
    learnt, after, arrivals = list[Learnt](), dict[UUID, DeliveryState](), dict[str, datetime]()
    for each in batch:
        delivery = known[each.delivery]
        report = report_of(each.receipt, each.state, receipts=each.carrier.channel.rules.receipts)
        state = after[delivery.id] = joined(delivery.state, report.state)
        now = Learnt(delivery.id, delivery.state, delivery.provider_reference).naming(report.reference or "")
        if state is not delivery.state:
            look = look_again_at(delivery.purpose, state, tx.planning_now, receipts=report.receipts)
            now = now.moved(state, look, report.failure, report.failure_kind)
        learnt.append(now)
        if each.receipt.fate is Fate.DELIVERED and (began := began_at(delivery.called_at)):
            arrivals[each.carrier.name] = max(arrivals.get(each.carrier.name, began), began)
        log.info("delivery", id=str(delivery.id), purpose=delivery.purpose, state=state.value)
    await tx.reported_deliveries.learn(learnt, tx.planning_now)
    for carrier in {each.carrier.name: each.carrier for each in batch}.values():
        await arrived(tx, carrier, arrivals.get(carrier.name))
    return after


def _settle(noted: asyncio.Future[DeliveryState], state: DeliveryState) -> None:
    if not noted.done():  # whoever waited may have gone
        noted.set_result(state)
