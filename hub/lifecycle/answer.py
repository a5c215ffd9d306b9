"""What a signer may answer instead of signing: a question, "not me", declining, or asking for a new link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import BadInput, IllegalMove, PhoneChangeWaiting, TooSoon
from hub.lifecycle.dispatch import send_at_once
from hub.lifecycle.land import session_of, visit
from hub.lifecycle.parts import Parts
from hub.lifecycle.replan import unpause
from hub.lifecycle.withdraw import end
from hub.model.contract import ContractState
from hub.model.link import normalised_ticket
from hub.model.message import Purpose
from hub.model.phone_change import PHONE_CHANGE
from hub.model.reminder import local_day
from hub.model.signer import Signer, TaskState
from hub.model.staff import EVERYTHING, Scope, StaffTask
from hub.store.unit import Unit

LONGEST_TEXT = 1000
QUESTIONS = ("not-me", "wrong", "question")
QUESTIONS_A_DAY = 10
RELINK_APART = timedelta(minutes=10)
RELINKS_A_DAY = 3
DECLINED = "A signer declined, and gave this reason:"
DECLINED_SILENTLY = "A signer declined, and gave no reason."


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
        text = f"{DECLINED}\n{words}" if words else DECLINED_SILENTLY
        await unit.desk.add_task(
            StaffTask(uuid4(), "declined", text, contract.campus, unit.now, contract.id, visiting.signer.id)
        )
    return ended.state


async def ask(parts: Parts, secret: str, kind: str, text: str) -> None:
    """ "Not me", "wrong" or "I have a question": a task for staff, and reminders to that number stop until it is
    settled.

    Works before the visitor is verified too: whoever got somebody else's message cannot pass the identity check. What
    was said already and is not settled yet changes nothing. Raises TooSoon after QUESTIONS_A_DAY.
    """
    if kind not in QUESTIONS:
        raise BadInput("kind is not-me, wrong or question", field="kind")
    words = _text(text, required=False)
    async with parts.database.unit(EVERYTHING) as unit:
        session = await session_of(unit, secret, before_code=True)
        there = await _hold_all(unit, session.signer, session.contract)
        session = await session_of(unit, secret, before_code=True)  # the phone may just have changed, which ends it
        signer = await unit.contracts.signer(session.signer)
        await unit.tasks.pause_at(there.number, there.contracts, True)
        asked = StaffTask(uuid4(), kind, words, signer.campus, unit.now, signer.contract, signer.id)
        if not await unit.desk.add_task_once(asked, same_text=True):
            return
        begins, ends = local_day(unit.now, ZoneInfo(signer.zone))
        if not await unit.budgets.spend("question-day", str(signer.id), begins, QUESTIONS_A_DAY):
            raise TooSoon(retry_after=ends - unit.now, zone=signer.zone)
        facts = {"kind": kind, "verified": session.verified_at is not None}
        await unit.record.append(signer.contract, signer.campus, "question-asked", f"signer:{signer.id}", facts)


async def settle(parts: Parts, scope: Scope, staff_task: UUID, actor: str) -> bool:
    """Staff have settled what somebody asked: reminders to that number go on. False when it was settled before.

    While another question from the same number is open, they stay silent. Raises PhoneChangeWaiting where the task
    stands for a change that still waits: it is settled by approving the change, or by turning it down.
    """
    async with parts.database.unit(scope) as unit:
        asked = await unit.desk.task(staff_task)
    if asked is None:
        return False
    async with parts.database.unit(EVERYTHING) as unit:  # the number that fell silent may be known at other campuses
        silent = None
        if asked.kind == PHONE_CHANGE and asked.signer and asked.signer in await unit.phone_changes.signers(unit.now):
            raise PhoneChangeWaiting
        if asked.kind in QUESTIONS and asked.signer is not None:
            silent = await _hold_all(unit, asked.signer, asked.contract)
        if not await unit.desk.finish_task(staff_task, actor, unit.now):
            return False
        if silent and not await unit.desk.questions_at(silent.number, QUESTIONS):
            await unpause(parts, unit, silent.number, silent.contracts)
        if asked.contract is not None:
            facts = {"kind": asked.kind, "staff_task": str(asked.id)}
            await unit.record.append(asked.contract, asked.campus, "staff-task-settled", actor, facts)
    return True


@dataclass(frozen=True)
class _Held:
    """A phone number, by its hash, and the contracts in which somebody who has it may still have something to do."""

    number: bytes
    contracts: Sequence[UUID]


async def _hold_all(unit: Unit, signer_id: UUID, contract: UUID | None) -> _Held:
    """Lock everything at this signer's number, beside the contract that it is about."""
    number = unit.cipher.found_by("phone", (await unit.contracts.signer(signer_id)).phone)
    there = await unit.contracts.unfinished_at(number)
    await unit.contracts.hold([*there, contract] if contract else there)
    return _Held(number, there)


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


def _text(text: str, *, required: bool) -> str:
    words = text.strip()
    if len(words) > LONGEST_TEXT or (required and not words):
        raise BadInput(f"a text of up to {LONGEST_TEXT} characters", field="text")
    return words
