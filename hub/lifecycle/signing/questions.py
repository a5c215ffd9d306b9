"""What a signer may say before they sign: a question, "not me", or that something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import BadInput, TooSoon
from hub.lifecycle.services import Parts
from hub.lifecycle.signing.open_link import session_of
from hub.model.reminders.schedule import local_day
from hub.model.staff.accounts import EVERYTHING, StaffTask
from hub.store.unit import Unit

LONGEST_TEXT = 1000
QUESTIONS = ("not-me", "wrong", "question")
QUESTIONS_A_DAY = 10


async def ask(parts: Parts, secret: str, kind: str, text: str) -> None:
    """ "Not me", "wrong" or "I have a question": a task for staff, and reminders to that number stop until it is
    settled.

    Works before the visitor is verified too: whoever got somebody else's message cannot pass the identity check. What
    was said already and is not settled yet changes nothing. Raises TooSoon after QUESTIONS_A_DAY.
    """
    if kind not in QUESTIONS:
        raise BadInput("kind is not-me, wrong or question", field="kind")
    words = checked_words(text)
    async with parts.database.unit(EVERYTHING) as unit:
        session = await session_of(unit, secret, before_code=True)
        there = await hold_all(unit, session.signer, session.contract)
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


@dataclass(frozen=True)
class AtNumber:
    """A phone number, by its hash, and the contracts in which somebody who has it may still have something to do."""

    number: bytes
    contracts: Sequence[UUID]


async def hold_all(unit: Unit, signer_id: UUID, contract: UUID | None) -> AtNumber:
    """Lock everything at this signer's number, beside the contract that it is about."""
    number = unit.cipher.found_by("phone", (await unit.contracts.signer(signer_id)).phone)
    there = await unit.contracts.unfinished_at(number)
    await unit.contracts.hold([*there, contract] if contract else there)
    return AtNumber(number, there)


def checked_words(text: str) -> str:
    words = text.strip()
    if len(words) > LONGEST_TEXT:
        raise BadInput(f"a text of up to {LONGEST_TEXT} characters", field="text")
    return words
