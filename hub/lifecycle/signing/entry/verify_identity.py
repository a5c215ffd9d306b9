"""Verify a session by a one-time code to the phone on file and an identity check, before anything personal is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from hub.errors import BudgetSpent, WrongAnswer
from hub.lifecycle.messaging.quotas import alert_spent
from hub.lifecycle.messaging.send import NewMessage, send_at_once
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.identity_provider_check import (
    ask_provider,
    begin_check,
    identify_by_data_on_file,
    note_not_matched,
)
from hub.lifecycle.signing.entry.open_link import check_session, contracts_of, new_secret
from hub.lifecycle.signing.entry.otp_limits import count_wrong_answer, is_same_code, lock_pickup_phone, refuse
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, SigningTask
from hub.model.messaging.message import Purpose
from hub.model.signing.pickup_code import DAY_OF, is_pickup_secret
from hub.model.signing.session import CODE_LIFE, PassedIdentityCheck, SigningSession
from hub.model.staff.accounts import UNREACHED, StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.cases import LockedAnswer, opening_lock_for_answer, opening_lock_for_code, opening_with_signer
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

# The most contracts of one person that a session shows. The link's own contract is always among them.
MAX_CONTRACTS = 20


@dataclass(frozen=True)
class VerifiedSession:
    """The session's new secret, and the contracts and tasks that it may sign."""

    secret: str
    session: SigningSession
    contracts: list[tuple[Contract, SigningTask]]


async def send_code(services: Services, secret: str, channel: str | None = None) -> None:
    """Send a new one-time code, which replaces the old one.

    `channel`: the channel that the person prefers; another one is used if it does not reach their phone. Raises
    Locked, TooSoon or BudgetSpent (with `retry_after`).
    """
    wished = (channel,) if channel else ()
    try:
        await _send_code(services, secret, wished)
    except BudgetSpent as spent:
        await alert_spent(services, spent)
        # The same zone as in `pickup_codes.send_no_code`: the zone on file would reveal that the signer exists.
        if is_pickup_secret(secret):
            spent.zone = DAY_OF.key
        raise


async def _send_code(services: Services, secret: str, wished: Sequence[str]) -> None:
    opening = opening_with_signer(secret) if is_pickup_secret(secret) else opening_lock_for_code(secret)
    async with services.database.transaction(EVERYTHING, opening) as tx:
        await lock_pickup_phone(tx, secret)
        locked = await tx.cases.lock_for_code(secret)
        session = check_session(tx, locked.session if locked else None)
        assert locked is not None
        contract, signer = locked.contract, locked.signer
        await refuse(tx, secret, signer, locked.history, code=True)
        code = await tx.sessions.add_code(signer.person, session.id, tx.now)
        minutes = {"minutes": str(int(CODE_LIFE.total_seconds() // 60))}
        message = NewMessage(Purpose.CODE, f"code-{code}", code=code, variables=minutes, first=wished)
        await send_at_once(services, tx, contract, signer, message)


async def verify(services: Services, secret: str, code: str, name: str, id_tail: str) -> VerifiedSession:
    """Verify the session by its one-time code and the identity check.

    Raises WrongAnswer without telling which answer was wrong; Locked after too many wrong answers. If an outside
    provider has to be asked, raises TooSoon after too many checks, and IdentityUnavailable if the provider does not
    answer. In both cases the code stays valid.
    """
    entered = _Entered(code, name, id_tail)
    opening = opening_with_signer(secret) if is_pickup_secret(secret) else opening_lock_for_answer(secret)
    async with services.database.transaction(EVERYTHING, opening) as tx:
        answered, right = await _check_entered(services, tx, secret, entered)
        if right is None:
            await _count_wrong(tx, answered.signer)
            asked = None
        elif (asked := await begin_check(services, tx, answered.session, answered.signer)) is None:
            return await _admit(tx, answered, right, identify_by_data_on_file(services, answered.signer))
    if asked is None:
        raise WrongAnswer
    verdict, identified = await ask_provider(services, asked)
    async with services.database.transaction(EVERYTHING) as tx:
        answered, right = await _check_entered(services, tx, secret, entered)  # read again under the locks
        if right is not None and verdict.matched:
            return await _admit(tx, answered, right, identified)
        if not verdict.matched:
            await note_not_matched(tx, answered.session, answered.signer, identified)
            await _count_wrong(tx, answered.signer, identified.facts)
    raise WrongAnswer


@dataclass(frozen=True)
class _Entered:
    """What a visitor entered to prove their identity."""

    code: str
    name: str
    id_tail: str


async def _check_entered(
    services: Services, tx: Transaction, secret: str, entered: _Entered
) -> tuple[LockedAnswer, UUID | None]:
    """Lock the rows that an answer needs. Return them, with the contracts that the verified session may show, and the
    id of the one-time code if everything that was entered is correct, else None."""
    await lock_pickup_phone(tx, secret)
    locked = await tx.cases.lock_for_answer(secret)
    session = check_session(tx, locked.session if locked else None)
    assert locked is not None
    await refuse(tx, secret, locked.signer, locked.history, code=False)
    live = locked.history.find_live_code(tx.now)
    is_person = services.signing.identity.matches(locked.signer, entered.name, entered.id_tail)
    right = is_same_code(services, live, entered.code) & is_person
    shown = replace(locked, contracts=_in_order(session.contract, locked.contracts))
    return shown, live if right else None


async def _admit(
    tx: Transaction, answered: LockedAnswer, code: UUID, identified: PassedIdentityCheck
) -> VerifiedSession:
    session, signer, contracts = answered.session, answered.signer, answered.contracts
    secret = new_secret()
    verified = replace(session, contracts=tuple(contracts), verified_at=tx.now)
    found = await contracts_of(tx, verified, signer.person)
    await tx.sessions.use_code(code, tx.now)
    await tx.sessions.mark_verified(session.id, contracts, secret, tx.now)
    await tx.sessions.forget_pickup_tries(tx.visitors.person(signer.phone))
    await tx.staff_tasks.finish_tasks_of([task.signer for _, task in found], UNREACHED, "hub", tx.now)
    await tx.record.lock_heads(contracts)
    opening = _Opening(session, answered.door or "unknown", identified)
    # Consistent order, to avoid deadlocks: two people may share contracts and lock the records of both.
    for contract, task in sorted(found, key=lambda each: each[0].id):
        await _note_opened(tx, opening, contract, task)
    return VerifiedSession(secret, verified, found)


def _in_order(own: UUID, newest_first: Sequence[UUID]) -> list[UUID]:
    """Return the link's own contract, then the newest of the others in the order in which they were issued."""
    others = [contract for contract in newest_first if contract != own]
    return [own, *reversed(others[: MAX_CONTRACTS - 1])]


@dataclass(frozen=True)
class _Opening:
    """A session that was just verified, the door of its link, and how its person was identified."""

    session: SigningSession
    door: str
    identified: PassedIdentityCheck


async def _note_opened(tx: Transaction, opening: _Opening, contract: Contract, task: SigningTask) -> None:
    door, identified = opening.door, opening.identified
    at = tx.planning_now
    await tx.tasks.note_opened(task.id, door, at)
    if not task.opened:
        await tx.reminders.note(task, LedgerNote("opened", reason=door), at)
    await tx.sessions.add_identity_check(opening.session, contract.id, task.signer, identified, tx.now)
    facts = {**identified.facts, "result": identified.result, "door": door, "first_opening": task.opened_at is None}
    await tx.record.append(contract.id, contract.campus, "identity-checked", f"signer:{task.signer}", facts)


async def _count_wrong(tx: Transaction, signer: Signer, facts: Mapping[str, str] | None = None) -> None:
    is_locked = await count_wrong_answer(tx, signer.person, signer.zone)
    actor = f"signer:{signer.id}"
    await tx.record.append(signer.contract, signer.campus, "identity-refused", actor, dict(facts or {}))
    if is_locked:
        text = "Too many wrong codes or identity answers today; locked until tomorrow."
        await tx.staff_tasks.add_task_once(
            StaffTask(uuid4(), "locked", text, signer.campus, tx.now, signer.contract, signer.id)
        )
