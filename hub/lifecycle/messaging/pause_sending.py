"""Pause sending, and resume it. Pages, signatures and sealing go on meanwhile.

The pause is a row. The queries for due steps and for the next channel read it, and so does the router before it calls a
provider. So the pause takes effect in every process as soon as it is committed.
"""

from __future__ import annotations

from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.services import Services
from hub.model.messaging.delivery import COPY_TIMEOUT
from hub.model.messaging.message import COPIES
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

# The limit up to which due steps are counted.
MAX_COUNTED = 100_000


async def pause_sending(services: Services, actor: str) -> bool:
    """Pause sending. Return False if it was already paused."""
    async with services.database.transaction(EVERYTHING) as tx:
        begun = await tx.pause.begin(tx.now)
        if begun:
            await record_act(tx, await _headquarters(tx), "sending-paused", actor, {})
    return begun


async def resume_sending(services: Services, actor: str) -> bool:
    """Resume sending, and wake the workers. Return False if it was not paused."""
    async with services.database.transaction(EVERYTHING) as tx:
        ended = await tx.pause.end()
        if ended:
            # Staff get a task about a copy that is not sent within a day. That day begins again after the pause.
            await tx.deliveries.postpone_checks(COPIES, tx.planning_now + COPY_TIMEOUT)
            await record_act(tx, await _headquarters(tx), "sending-resumed", actor, {})
            await tx.tasks.tell_workers()
    return ended


async def count_due_steps(services: Services) -> int:
    """Return how many steps are due now, counted up to MAX_COUNTED: reminders, invitations and expiries."""
    async with services.database.transaction(EVERYTHING) as tx:
        return await tx.tasks.count_overdue(tx.planning_now, MAX_COUNTED)


async def _headquarters(tx: Transaction) -> str:
    found = await tx.school.find_headquarters()
    return found.id if found else ""
