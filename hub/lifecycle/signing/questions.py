"""Take reports that signers make before they sign: a question, "not me", or that something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import BadInput, TooSoon
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import session_of
from hub.model.reminders.schedule import local_day
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

MAX_TEXT_LENGTH = 1000
QUESTIONS = ("not-me", "wrong", "question")
QUESTIONS_A_DAY = 10


async def ask(services: Services, secret: str, kind: str, text: str) -> None:
    """Create a staff task for the signer's report, and pause reminders to their phone number until staff answer it.

    Unverified sessions may report too, because a person who got somebody else's message cannot pass the identity check.
    While the same report is open, a repetition changes nothing. Raises BadInput for an unknown kind or a long text,
    TooSoon after QUESTIONS_A_DAY.
    """
    if kind not in QUESTIONS:
        raise BadInput("kind is not-me, wrong or question", field="kind")
    words = checked_words(text)
    async with services.database.transaction(EVERYTHING) as tx:
        session = await session_of(tx, secret, before_code=True)
        there = await lock_all(tx, session.signer, session.contract)
        session = await session_of(tx, secret, before_code=True)  # read again: a phone change ends the session
        signer = await tx.contracts.get_signer(session.signer)
        await tx.tasks.pause_at(there.number, there.contracts, True)
        asked = StaffTask(uuid4(), kind, words, signer.campus, tx.now, signer.contract, signer.id)
        if not await tx.staff_tasks.add_task_once(asked, same_text=True):
            return
        begins, ends = local_day(tx.now, ZoneInfo(signer.zone))
        if not await tx.budgets.consume("question-day", str(signer.id), begins, QUESTIONS_A_DAY):
            raise TooSoon(retry_after=ends - tx.now, zone=signer.zone)
        facts = {"kind": kind, "verified": session.verified_at is not None}
        await tx.record.append(signer.contract, signer.campus, "question-asked", f"signer:{signer.id}", facts)


@dataclass(frozen=True)
class AtNumber:
    """The hash of a phone number, and the unfinished contracts of the people with this number."""

    number: bytes
    contracts: Sequence[UUID]


async def lock_all(tx: Transaction, signer_id: UUID, contract: UUID | None) -> AtNumber:
    """Lock all unfinished contracts of this signer's phone number, and `contract`."""
    number = tx.cipher.found_by("phone", (await tx.contracts.get_signer(signer_id)).phone)
    there = await tx.contracts.list_unfinished_at(number)
    await tx.contracts.lock([*there, contract] if contract else there)
    return AtNumber(number, there)


def checked_words(text: str) -> str:
    words = text.strip()
    if len(words) > MAX_TEXT_LENGTH:
        raise BadInput(f"a text of up to {MAX_TEXT_LENGTH} characters", field="text")
    return words
