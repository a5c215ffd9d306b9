"""Reminders until completed: what a worker does with a due step, and reminders that staff send by hand.

"Sent" means: a `sending` attempt row was committed under the contract's row lock while the task was open. Signing
takes the same
lock, so nothing is sent after a signature. The provider is called after that commit, and asked before any second call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import structlog

from hub.errors import BudgetSpent, IllegalMove, TooSoon, Unavailable
from hub.lifecycle.contract.end import expire
from hub.lifecycle.messaging.quotas import raise_alarm
from hub.lifecycle.messaging.send import NewMessage, send_at_once, ways, write_message
from hub.lifecycle.reminders.bundling import due_of, mates, said_of, shares_of
from hub.lifecycle.reminders.escalate import escalate, hand_to_staff
from hub.lifecycle.services import Services
from hub.model.contract.contract import STEP_FAILED, Contract, ContractState, retry_after_error
from hub.model.contract.signer import Signer, SigningTask, TaskState
from hub.model.messaging.delivery import PLANNED, Delivery
from hub.model.messaging.message import Purpose
from hub.model.reminders.due_step import LATE, PURPOSES, Due, following, held_back, is_late, put_off, said_by
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import NextStep, SkipReason, StepKind, local_day, manual_reminder_allowed
from hub.model.staff.accounts import EVERYTHING, Scope, StaffTask
from hub.router import Begun
from hub.router.failing import FailingMessage, show_failing, show_recovered
from hub.router.policy import policy_of
from hub.store.ahead import foresee_steps
from hub.store.contract.tasks import ClaimedTask
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

LOOK_AGAIN = timedelta(minutes=30)
# Whatever a person's day is, it is over by then.
LOOK_AHEAD = timedelta(days=1)
# So many steps that are overdue by more than an hour were held up together.
CROWD = 50
UNREACHABLE = "There is no way to reach this signer: no channel is configured or wanted, or an address is missing."
# Keys of reminders sent by hand begin so, and are counted by it.
HAND = "hand-"


log = structlog.get_logger()


class _ClaimLost(Exception):
    """Another worker has the step by now: whatever was written here is undone."""


@dataclass(frozen=True)
class _Outcome:
    """`delivery` has to be carried now, after the commit. `others`: nothing was done yet, since these contracts of the
    same person are to be spoken of as well."""

    delivery: UUID | None = None
    others: Sequence[UUID] = ()


async def run_step(services: Services, claimed: ClaimedTask) -> UUID | None:
    """Run one claimed step. Returns the delivery that has to be carried now, after the commit; None if there is
    none."""
    try:
        return await _run_or_put_off(services, claimed)
    except _ClaimLost:
        return None
    except Unavailable:
        raise
    except Exception as error:
        log.exception("step failed", task=str(claimed.task.id))
        await _put_back(services, claimed, error)
        return None


async def _put_back(services: Services, claimed: ClaimedTask, error: Exception) -> None:
    """The same step again, ever later, up to once an hour; the ledger has each try, and staff hear of it."""
    task, step = claimed.task, claimed.task.step
    assert step is not None
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.contracts.hold([task.contract])
        now = tx.planning_now
        if not await tx.tasks.put_back(claimed, now + retry_after_error(step.due_at, now)):
            return
        await tx.reminders.note(task, LedgerNote("failed", step=step, reason=STEP_FAILED), now)
        await show_failing(tx, error, FailingMessage(step.due_at, task.contract, task.signer, task.campus))


async def _run_or_put_off(services: Services, claimed: ClaimedTask) -> UUID | None:
    try:
        return await _run_step(services, claimed)
    except BudgetSpent as spent:
        await raise_alarm(services, spent)
        await _put_off(services, claimed, spent)
        return None


async def _put_off(services: Services, claimed: ClaimedTask, spent: BudgetSpent) -> None:
    """What was undone for want of a budget: the same step, when the next period has begun."""
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.locked(claimed.task.contract)
        if not await tx.tasks.still_claimed(claimed):
            return
        due = await _due(services, tx, contract, claimed)
        await tx.reminders.note(due.task, LedgerNote("skipped", step=due.step, reason=SkipReason.BUDGET.value), due.now)
        await _plan(tx, due, put_off(due, due.now + spent.wait), claimed)


async def run_steps(services: Services, claimed: Sequence[ClaimedTask]) -> tuple[list[Begun], list[ClaimedTask]]:
    """Run claimed steps in one transaction, in which their messages get a provider, too. Returns what has to be
    finished now, after the commit, and the steps that could not be run together. Whatever is raised: none was run."""
    async with services.database.transaction(EVERYTHING, together=True) as tx:
        several = await tx.tasks.with_others(claimed, tx.planning_now + LOOK_AHEAD)
        together = await foresee_steps(tx, [each for each in claimed if each.task.id not in several])
        written = [(await _step(services, tx, each)).delivery for each in together]
        begun = [await services.router.begin(tx, delivery) for delivery in written if delivery]
    ran = {each.task.id for each in together}
    return [each for each in begun if each], [each for each in claimed if each.task.id not in ran]


async def _run_step(services: Services, claimed: ClaimedTask) -> UUID | None:
    outcome = await _in_one_transaction(services, claimed)
    if outcome.others:
        outcome = await _in_one_transaction(services, claimed, outcome.others)
    return outcome.delivery


async def _in_one_transaction(services: Services, claimed: ClaimedTask, also: Sequence[UUID] = ()) -> _Outcome:
    async with services.database.transaction(EVERYTHING) as tx:
        return await _step(services, tx, claimed, also)


async def _step(services: Services, tx: Transaction, claimed: ClaimedTask, also: Sequence[UUID] = ()) -> _Outcome:
    """`also`: other contracts of the same person, which are locked with its own."""
    contracts = await tx.contracts.locked_all((claimed.task.contract, *also))
    others = await tx.tasks.claimed_with(claimed, tx.planning_now + LOOK_AHEAD)
    if others is None:
        return _Outcome()
    due = await _due(services, tx, contracts[claimed.task.contract], claimed)
    if due.step.kind is StepKind.EXPIRY or due.now >= due.contract.deadline:
        await _expire_or_wait(services, tx, due, claimed)
        return _Outcome()
    if not await _may_go(tx, due, claimed):
        return _Outcome()
    if others and due.policy.bundle and not also:
        return _Outcome(others=others)
    dues = [due, *await mates(services, tx, due, contracts.values())]
    return _Outcome(await _send(services, tx, dues, claimed))


async def _due(services: Services, tx: Transaction, contract: Contract, claimed: ClaimedTask) -> Due:
    task = await tx.tasks.get(claimed.task.id)
    return await due_of(services, tx, contract, task, await tx.contracts.signer(task.signer))


async def _expire_or_wait(services: Services, tx: Transaction, due: Due, claimed: ClaimedTask) -> None:
    """A signature that was accepted in time is first written into the file; what is still unsigned then expires."""
    if await tx.signatures.holds_revision(due.contract.id):
        await _plan(tx, due, NextStep(StepKind.EXPIRY, 0, due.now + LOOK_AGAIN), claimed)
        return
    await expire(services, tx, due.contract)


async def _may_go(tx: Transaction, due: Due, claimed: ClaimedTask) -> bool:
    """Whether something goes out now. If not, the ledger says why, and what takes its place is planned."""
    if held := await _held_back(tx, due):
        reason, step = held
        await tx.reminders.note(due.task, LedgerNote("skipped", step=due.step, reason=reason.value), due.now)
        await _plan(tx, due, step, claimed)
        return False
    if due.task.paused:
        await tx.reminders.note(due.task, LedgerNote("skipped", step=due.step, reason=SkipReason.PAUSED.value), due.now)
        await _plan(tx, due, following(due), claimed)
        return False
    return True


async def _held_back(tx: Transaction, due: Due) -> tuple[SkipReason, NextStep] | None:
    if due.answers_an_act:
        return None
    if not due.awake:
        return held_back(due, sent_today=0, crowded=False)
    since, _ = local_day(due.now, due.zone)
    await tx.sessions.one_at_a_time(due.signer.person)  # two contracts of one person may be due at this moment
    sent = await tx.deliveries.sent_to_person(due.signer.person, since, PLANNED)
    crowded = is_late(due) and await tx.tasks.overdue(due.now - LATE, CROWD) >= CROWD
    return held_back(due, sent_today=len(sent), crowded=crowded)


async def _send(services: Services, tx: Transaction, dues: Sequence[Due], claimed: ClaimedTask) -> UUID | None:
    """One message for all of these, the first of which is the claimed one."""
    lead = dues[0]
    if len(dues) > 1:
        await tx.sessions.one_at_a_time(lead.signer.person)
    said = said_of(lead.signer, [due.contract for due in dues], lead.now) | {"step_number": str(lead.step.number)}
    message = NewMessage(
        said_by(dues), lead.key, task=lead.task, variables=said, first=lead.through, shares=shares_of(dues)
    )
    delivery = await write_message(services, tx, lead.contract, lead.signer, message)
    if delivery is None and await tx.deliveries.by_key(lead.key, lead.contract.id):
        await _plan(tx, lead, following(lead), claimed)  # it was written before: only what follows is missing
        return None
    # Where nothing went out, the others see for themselves.
    for due in sorted(dues if delivery else [lead], key=lambda each: each.contract.id):
        await _note_sent(tx, due, delivery)
        if delivery:
            await escalate(tx, due)
        await _plan(tx, due, following(due), claimed if due is lead else None)
    return delivery.id if delivery else None


async def next_channel(
    services: Services, tx: Transaction, policy: ReminderPolicy, signer: Signer, task: SigningTask
) -> str | None:
    """The channel that the next step of a task would take now. None: there is no message next, or no way."""
    purpose = PURPOSES.get(task.step.kind) if task.step else None
    if purpose is None:
        return None
    return next(iter(await ways(services, tx, signer, purpose, policy.through(purpose))), None)


async def _note_sent(tx: Transaction, due: Due, delivery: Delivery | None) -> None:
    if delivery:
        await tx.reminders.note(due.task, LedgerNote("sent", step=due.step, delivery=delivery.id), due.now)
        return
    unwanted = await tx.opt_outs.channels(due.signer.phone)
    kind, reason = ("skipped", SkipReason.OPTED_OUT.value) if unwanted else ("failed", "no-channel")
    await tx.reminders.note(due.task, LedgerNote(kind, step=due.step, reason=reason), due.now)
    if unwanted:
        await hand_to_staff(tx, due.signer, by_mail=False)
        return
    text = UNREACHABLE
    task = StaffTask(uuid4(), "unreachable", text, due.contract.campus, tx.now, due.contract.id, due.signer.id)
    await tx.staff_tasks.add_task_once(task)


async def _plan(tx: Transaction, due: Due, step: NextStep, claimed: ClaimedTask | None) -> None:
    """`claimed` None: it is planned under the contract's lock, and whoever holds a claim on it finds it gone.
    Raises _ClaimLost."""
    if await tx.tasks.plan(due.task.id, step, claimed.leased_until if claimed else None, now=due.now):
        await tx.reminders.note(due.task, LedgerNote("planned", step=step), due.now)
        if due.contract.stuck_reason == STEP_FAILED:
            await show_recovered(tx, due.contract.id, due.signer.id)
    elif claimed:
        raise _ClaimLost


# ---- by hand


async def remind_by_hand(
    services: Services,
    scope: Scope,
    contract_id: UUID,
    actor: str,
    also: Callable[[Transaction, Sequence[Delivery]], Awaitable[None]] | None = None,
) -> list[Delivery]:
    """Remind everybody whose turn it is, now; a number that said "not me" stays silent, and whoever was written to
    just now is left out. `also` is done in the same transaction. Raises IllegalMove when nobody may be reminded,
    TooSoon when each of them has to wait, BudgetSpent when a limit of messages is reached."""
    try:
        return await _remind_by_hand(services, scope, contract_id, actor, also)
    except BudgetSpent as spent:
        await raise_alarm(services, spent)
        raise


async def _remind_by_hand(
    services: Services,
    scope: Scope,
    contract_id: UUID,
    actor: str,
    also: Callable[[Transaction, Sequence[Delivery]], Awaitable[None]] | None,
) -> list[Delivery]:
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.locked(contract_id)
        tasks = await _to_remind(tx, contract)
        signers = [await tx.contracts.signer(task.signer) for task in tasks]
        # Another contract of one of them may be reminded of at this moment: their limits are counted one by one.
        await tx.sessions.one_at_a_time(*{signer.person for signer in signers})
        waits, tried = [], []
        for task, signer in zip(tasks, signers, strict=True):
            try:
                tried.append(await _by_hand(services, tx, contract, task, signer))
            except TooSoon as wait:
                waits.append(wait)
        if not tried:
            raise min(waits, key=lambda wait: wait.retry_after or timedelta(0))
        sent = [delivery for delivery in tried if delivery]
        await tx.record.append(contract.id, contract.campus, "reminded-by-hand", actor, {"tasks": len(tried)})
        if also:
            await also(tx, sent)
    return sent


async def _to_remind(tx: Transaction, contract: Contract) -> list[SigningTask]:
    tasks = [task for task in await tx.tasks.of_contract(contract.id) if task.state is TaskState.OPEN]
    if contract.state is not ContractState.ISSUED or not tasks:
        raise IllegalMove("nobody has to sign this contract now")
    if all(task.paused for task in tasks):
        raise IllegalMove("Reminders are paused until the question from this number is settled.")
    return [task for task in tasks if not task.paused]


async def _by_hand(
    services: Services, tx: Transaction, contract: Contract, task: SigningTask, signer: Signer
) -> Delivery | None:
    """The caller has the contract and the person locked."""
    now = tx.planning_now
    policy = await policy_of(tx, services.policy, contract)
    await _refuse_too_soon(policy, tx, task, signer, now)
    key = f"{HAND}{task.id}-{now.isoformat()}"
    first = policy.through(Purpose.REMINDER)
    delivery = await send_at_once(
        services, tx, contract, signer, NewMessage(Purpose.REMINDER, key, task=task, first=first)
    )
    if delivery:
        await tx.reminders.note(task, LedgerNote("sent", reason="by-hand", delivery=delivery.id), now)
    return delivery


async def _refuse_too_soon(
    policy: ReminderPolicy, tx: Transaction, task: SigningTask, signer: Signer, now: datetime
) -> None:
    messages = await tx.deliveries.sent_to_person(signer.person, now - timedelta(days=1), PLANNED)
    verdict = manual_reminder_allowed(
        policy,
        now=now,
        last_message_at=messages[-1] if messages else None,
        zone=ZoneInfo(signer.zone),
        manual_times_today=await tx.deliveries.sent_for_task(task.id, PLANNED, HAND),
    )
    if not verdict.allowed:
        raise TooSoon(verdict.reason, retry_after=verdict.earliest - now)
