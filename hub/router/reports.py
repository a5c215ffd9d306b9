"""What became of calls: those that end at the same time are noted in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from channels import Receipt
from hub.model.messaging.delivery import DeliveryState
from hub.model.staff.accounts import EVERYTHING
from hub.router.providers import Carrier
from hub.store.joint import Joint
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
        if len({each.delivery for each in batch}) < len(batch):
            return False
        try:
            async with self._database.transaction(EVERYTHING, together=True) as tx:
                assert isinstance(tx.connection, Joint)
                await tx.deliveries.hold(tx.connection, [each.delivery for each in batch])
                states = [await self._note(tx, each.delivery, each.carrier, each.receipt, each.state) for each in batch]
        except Exception as error:
            log.warning("noted one by one", reports=len(batch), error=repr(error)[:300])
            return False
        for each, state in zip(batch, states, strict=True):
            _settle(each.noted, state)
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


def _settle(noted: asyncio.Future[DeliveryState], state: DeliveryState) -> None:
    if not noted.done():  # whoever waited may have gone
        noted.set_result(state)
