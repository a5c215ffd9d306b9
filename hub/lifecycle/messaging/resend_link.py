"""The link once more, to whoever still has to sign and asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hub.lifecycle.messaging.send import send_at_once
from hub.lifecycle.services import Parts
from hub.model.contract.signer import Signer, TaskState
from hub.model.messaging.message import Purpose
from hub.model.signing.link import normalised_ticket
from hub.model.staff.accounts import EVERYTHING
from hub.store.unit import Unit

RELINK_APART = timedelta(minutes=10)
RELINKS_A_DAY = 3


async def relink(parts: Parts, *, ticket: str | None = None, phone: str | None = None) -> None:
    """A new message with the link to the *current* phone of somebody who still has to sign; silence otherwise.

    The caller answers the same in every case. Once in 10 minutes, 3 a day.
    """
    async with parts.database.unit(EVERYTHING) as unit:
        await resend(parts, unit, await _asked_for(unit, ticket, phone))


async def resend(parts: Parts, unit: Unit, signers: Sequence[Signer]) -> int:
    """The link, once more, to each of these who still has to sign and may have it. Returns to how many."""
    await unit.contracts.hold(signer.contract for signer in signers)
    await unit.sessions.one_at_a_time(*{signer.person for signer in signers})
    return sum([await _send_link(parts, unit, signer) for signer in signers])


async def _asked_for(unit: Unit, ticket: str | None, phone: str | None) -> list[Signer]:
    if ticket and (known := normalised_ticket(ticket)) and (link := await unit.links.by_ticket(known)):
        return [await unit.contracts.signer(link.signer)]
    return await unit.contracts.signers_at(phone) if phone else []


async def _send_link(parts: Parts, unit: Unit, known: Signer) -> bool:
    signer = await unit.contracts.signer(known.id)  # their number may just have changed
    task = await unit.tasks.of_signer(signer.id)
    if task.state is not TaskState.OPEN:
        return False
    now = await unit.planning_now()
    sent = await unit.deliveries.sent_to_person(signer.person, now - timedelta(days=1), [Purpose.NEW_LINK.value])
    if len(sent) >= RELINKS_A_DAY or (sent and now - sent[-1] < RELINK_APART):
        return False
    contract = await unit.contracts.get(signer.contract)
    key = f"new-link-{task.id}-{unit.now.isoformat()}"
    return await send_at_once(parts, unit, contract, signer, Purpose.NEW_LINK, key, task=task) is not None
