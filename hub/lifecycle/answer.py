"""What a signer may answer instead of signing: a question, "not me", declining, or asking for a new link."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from hub.errors import BadInput, IllegalMove
from hub.lifecycle.dispatch import send_at_once
from hub.lifecycle.land import session_of, visit
from hub.lifecycle.parts import Parts
from hub.lifecycle.withdraw import end
from hub.model.contract import ContractState
from hub.model.link import normalised_ticket
from hub.model.message import Purpose
from hub.model.signer import Signer, TaskState
from hub.model.staff import EVERYTHING, StaffTask
from hub.store.unit import Unit

LONGEST_TEXT = 1000
RELINK_APART = timedelta(minutes=10)
RELINKS_A_DAY = 3


async def decline(parts: Parts, secret: str, contract_id: UUID | None, reason: str) -> ContractState:
    """The signer refuses to sign: the contract is over for everybody. Again: success, nothing changes."""
    async with parts.database.unit(EVERYTHING) as unit:
        visiting = await visit(unit, secret, contract_id)
        contract = await unit.contracts.locked(visiting.contract.id)
        visiting = await visit(unit, secret, contract.id)
        if visiting.task.state is TaskState.DECLINED:
            return contract.state
        if visiting.task.state is not TaskState.OPEN:
            raise IllegalMove("there is nothing to decline any more")
        await unit.tasks.end(visiting.task.id, TaskState.DECLINED, unit.now)
        planning = await unit.planning_now()
        await unit.reminders.note(visiting.task, "stopped", planning, step=visiting.task.step, reason="declined")
        words = _text(reason, required=False)
        ended = await end(parts, unit, contract, ContractState.DECLINED, words, visiting.actor, tell=None)
        text = f"A signer declined: {words or 'no reason given'}"
        await unit.desk.add_task(
            StaffTask(uuid4(), "declined", text, contract.campus, unit.now, contract.id, visiting.signer.id)
        )
    return ended.state


async def ask(parts: Parts, secret: str, kind: str, text: str) -> None:
    """ "Not me", "wrong" or "I have a question": a task for staff, and reminders to that number stop until it is
    settled.

    Works before the visitor is verified too: whoever got somebody else's message cannot pass the identity check.
    """
    if kind not in ("not-me", "wrong", "question"):
        raise BadInput("kind is not-me, wrong or question", field="kind")
    async with parts.database.unit(EVERYTHING) as unit:
        session = await session_of(unit, secret)
        task = await unit.tasks.of_signer(session.signer)
        await unit.tasks.pause(task.id, True)
        await unit.desk.add_task(
            StaffTask(uuid4(), kind, _text(text, required=False), task.campus, unit.now, task.contract, task.signer)
        )
        facts = {"kind": kind, "verified": session.verified_at is not None}
        await unit.record.append(task.contract, task.campus, "question-asked", f"signer:{task.signer}", facts)


async def relink(parts: Parts, *, ticket: str | None = None, phone: str | None = None) -> None:
    """A new message with the link to the *current* phone of somebody who still has to sign; silence otherwise.

    The caller answers the same in every case. Once in 10 minutes, 3 a day.
    """
    async with parts.database.unit(EVERYTHING) as unit:
        for signer in await _asked_for(unit, ticket, phone):
            await _send_link(parts, unit, signer)


async def _asked_for(unit: Unit, ticket: str | None, phone: str | None) -> list[Signer]:
    if ticket and (known := normalised_ticket(ticket)) and (link := await unit.links.by_ticket(known)):
        return [await unit.contracts.signer(link.signer)]
    return await unit.contracts.signers_at(phone) if phone else []


async def _send_link(parts: Parts, unit: Unit, signer: Signer) -> bool:
    await unit.sessions.one_at_a_time(signer.person)
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


def _text(text: str, *, required: bool) -> str:
    words = text.strip()
    if len(words) > LONGEST_TEXT or (required and not words):
        raise BadInput(f"a text of up to {LONGEST_TEXT} characters", field="text")
    return words
