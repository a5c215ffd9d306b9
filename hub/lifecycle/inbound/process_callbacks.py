"""What providers tell us by themselves: receipts, in any order and any number of times, and what people answer.

The call was verified and stored before it was answered. Whoever cannot sign its calls is asked before it is believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from channels import SECONDS, CannotAsk, Fate, Receipt, Report
from hub.errors import Unavailable
from hub.lifecycle.inbound.inbound_sms import take_inbound
from hub.lifecycle.inbound.unread import show_unread
from hub.lifecycle.services import Parts
from hub.model.messaging.delivery import Delivery
from hub.model.staff.accounts import EVERYTHING
from hub.router.providers import LEFT_TO_OTHERS, Carrier
from hub.router.receipts import Reported, is_plain, note_together
from hub.store.inbound.callbacks import Callback
from hub.store.messaging.providers import OfProviders
from hub.store.unit import Unit

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 300, 600))
"""A receipt can come before our call has returned, or before the provider's own query knows of it. Then no more."""
TOGETHER = 200
HELD = timedelta(minutes=1)
"""So long a call that is worked on by itself is in its worker's hands."""
log = structlog.get_logger()


async def hear_together(parts: Parts) -> tuple[int, list[UUID]]:
    """Take up calls that are due: what can be noted with others is, in one transaction. Returns how many were taken,
    and those that are left to `hear`, one by one."""
    async with parts.database.unit(EVERYTHING) as unit:
        ours = OfProviders(parts.router.carriers.names, unit.now - LEFT_TO_OTHERS)
        due = list(await unit.callbacks.due(unit.now, TOGETHER, ours))
    if not due:
        return 0, []
    try:
        async with parts.database.unit(EVERYTHING) as unit:
            taken = await unit.callbacks.take(due)
            noted = await _note_plain(parts, unit, taken)
            left = [each.id for each in taken if each.id not in noted]
            await unit.callbacks.hold(left, unit.now + HELD)
    except Unavailable:
        raise
    except Exception:
        log.exception("calls could not be worked on together", number=len(due))
        async with parts.database.unit(EVERYTHING) as unit:
            await unit.callbacks.hold(due, unit.now + HELD)
        return len(due), due
    return len(taken), left


async def _note_plain(parts: Parts, unit: Unit, taken: Sequence[Callback]) -> set[UUID]:
    """Those of which all is noted now."""
    found = [(each, parts.router.carriers.get(each.provider)) for each in taken]
    plain = [
        (each, carrier) for each, carrier in found
        if carrier and not each.unread and is_plain(carrier, each.reports, each.inbound)
    ]  # fmt: skip
    reported = [(each.id, Reported(carrier, report)) for each, carrier in plain for report in each.reports]
    heard = await note_together(unit, [report for _, report in reported])
    unknown = {callback for (callback, _), known in zip(reported, heard, strict=True) if not known}
    noted = {each.id for each, _ in plain} - unknown
    await unit.callbacks.done(sorted(noted), unit.now, "noted")
    return noted


async def hear(parts: Parts, callback_id: UUID) -> None:
    """Work on one stored call; what cannot be settled now is taken up again by itself, also what fails: nothing that
    somebody told us is lost, and the others do not wait for it."""
    try:
        await _hear(parts, callback_id)
    except Unavailable:
        raise
    except Exception:
        log.exception("a call could not be worked on", callback=str(callback_id))
        async with parts.database.unit(EVERYTHING) as unit:
            await unit.callbacks.again(callback_id, unit.now + PAUSES[-1])


async def _hear(parts: Parts, callback_id: UUID) -> None:
    async with parts.database.unit(EVERYTHING) as unit:
        callback = await unit.callbacks.open(callback_id, lock=True)
        if callback is None:
            return
        carrier = parts.router.carriers.get(callback.provider)
        if parts.router.carriers.left_to_others(callback.provider, callback.received_at, unit.now):
            return
        if carrier is None:
            await unit.callbacks.done([callback.id], unit.now, "unmatched")
            return
        if carrier.channel.rules.signed:
            await _note(parts, unit, carrier, callback, callback.reports)
            return
    reports = await _believed(parts, carrier, callback.reports)
    async with parts.database.unit(EVERYTHING) as unit:
        if await unit.callbacks.open(callback_id, lock=True):
            await _note(parts, unit, carrier, callback, reports)


async def _note(
    parts: Parts, unit: Unit, carrier: Carrier, callback: Callback, reports: Sequence[Report | None]
) -> None:
    """What was told, in this transaction; what cannot be settled yet is looked at again."""
    for message in callback.inbound:  # first: it locks contracts, and those come before messages
        await take_inbound(parts, unit, carrier, message)
    heard = [report is not None and await parts.router.hear(unit, carrier, report) for report in reports]
    if not all(heard) and callback.tries < len(PAUSES):
        await unit.callbacks.again(callback.id, unit.now + PAUSES[callback.tries])
    elif callback.unread:
        await show_unread(unit, callback)
        await unit.callbacks.kept(callback, unit.now)
    else:
        await unit.callbacks.done([callback.id], unit.now, "noted" if all(heard) else "unmatched")


async def _believed(parts: Parts, carrier: Carrier, reports: Sequence[Report]) -> list[Report | None]:
    """What may be noted; None where the provider itself does not say so (yet), or the message is not known (yet)."""
    return list(await asyncio.gather(*(_confirmed(parts, carrier, each) for each in reports)))


async def _confirmed(parts: Parts, carrier: Carrier, report: Report) -> Report | None:
    """The provider's own answer takes the place of what somebody called to us."""
    async with parts.database.unit(EVERYTHING) as unit:
        delivery = await parts.router.meant(unit, carrier, report)
        message = await parts.router.wording.message(unit, delivery) if delivery else None
    if delivery is None or message is None:
        return None
    try:
        reference = delivery.provider_reference or report.receipt.reference
        answer = await asyncio.wait_for(carrier.channel.find(message, reference), SECONDS)
    except (CannotAsk, TimeoutError):
        return None if carrier.channel.rules.queryable else report  # nobody else can say so
    return _of(report, delivery, answer) if answer and answer.fate is not Fate.ACCEPTED else None


def _of(report: Report, delivery: Delivery, answer: Receipt) -> Report:
    return Report(answer, delivery.key, report.to)
