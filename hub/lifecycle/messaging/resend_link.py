"""Send the link again to signers who still have to sign and ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hub.lifecycle.messaging.send import NewMessage, send_at_once
from hub.lifecycle.services import Services
from hub.model.contract.signer import Signer, TaskState
from hub.model.messaging.message import Purpose
from hub.model.signing.link import normalise_ticket
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

RELINK_APART = timedelta(minutes=10)
RELINKS_A_DAY = 3


async def relink(services: Services, *, ticket: str | None = None, phone: str | None = None) -> None:
    """Send the link to the *current* phone of a signer who still has to sign; for anybody else do nothing.

    The caller gives the same answer in both cases. A signer gets at most one such message in 10 minutes and 3 a day.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        await resend(services, tx, await _asked_for(tx, ticket, phone))


async def resend(services: Services, tx: Transaction, signers: Sequence[Signer]) -> int:
    """Send the link again to each of these signers who still has to sign and is within the limits. Return the number of
    messages."""
    await tx.contracts.lock(signer.contract for signer in signers)
    await tx.sessions.lock_persons(*{signer.person for signer in signers})
    return sum([await _send_link(services, tx, signer) for signer in signers])


async def _asked_for(tx: Transaction, ticket: str | None, phone: str | None) -> list[Signer]:
    if ticket and (known := normalise_ticket(ticket)) and (link := await tx.links.find_by_ticket(known)):
        return [await tx.contracts.get_signer(link.signer)]
    return await tx.contracts.list_signers_at(phone) if phone else []


async def _send_link(services: Services, tx: Transaction, known: Signer) -> bool:
    signer = await tx.contracts.get_signer(known.id)  # read again: the number may just have changed
    task = await tx.tasks.get_of_signer(signer.id)
    if task.state is not TaskState.OPEN:
        return False
    now = tx.planning_now
    sent = await tx.deliveries.list_sent_to_person(signer.person, now - timedelta(days=1), [Purpose.NEW_LINK.value])
    if len(sent) >= RELINKS_A_DAY or (sent and now - sent[-1] < RELINK_APART):
        return False
    contract = await tx.contracts.get(signer.contract)
    key = f"new-link-{task.id}-{tx.now.isoformat()}"
    return await send_at_once(services, tx, contract, signer, NewMessage(Purpose.NEW_LINK, key, task=task)) is not None
