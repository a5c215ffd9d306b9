"""Reminders until completed: what a worker does with a due step, and reminders that staff send by hand.

"Sent" means: a `sending` attempt row was committed under the contract's row lock while the task was open. Signing
takes the same
lock, so nothing is sent after a signature. The provider is called after that commit, and asked before any second call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import BudgetSpent, IllegalMove, TooSoon
from hub.lifecycle.dispatch import send_at_once, ways, write_message
from hub.lifecycle.parts import Parts
from hub.lifecycle.spend import raise_alarm
from hub.lifecycle.withdraw import expire
from hub.model.contract import Contract, ContractState
from hub.model.delivery import PLANNED, Delivery
from hub.model.message import Purpose
from hub.model.reminder import (
    NextStep,
    SkipReason,
    StepKind,
    allowed_today,
    deferred_by_cap,
    following_step,
    into_window,
    last_call_at,
    local_day,
    manual_reminder_allowed,
    on_every_day,
    postponed,
    spread_of,
)
from hub.model.reminder_policy import ReminderPolicy
from hub.model.signer import Signer, SigningTask, TaskState
from hub.model.staff import EVERYTHING, Scope, StaffTask
from hub.router import Begun
from hub.router.policy import policy_of
from hub.store.ahead import foresee_steps
from hub.store.tasks import ClaimedTask
from hub.store.unit import Unit

PURPOSES = {
    StepKind.INVITATION: Purpose.INVITATION,
    StepKind.REMINDER: Purpose.REMINDER,
    StepKind.LAST_CALL: Purpose.LAST_CALL,
}
AT_ONCE = timedelta(minutes=15)
LOOK_AGAIN = timedelta(minutes=30)
HAND = "hand-"
"""Keys of reminders sent by hand begin so, and are counted by it."""


@dataclass(frozen=True)
class _Due:
    """A claimed step with what is needed to decide about it, all under the contract's lock."""

    contract: Contract
    task: SigningTask
    signer: Signer
    step: NextStep
    claimed: ClaimedTask
    now: datetime
    policy: ReminderPolicy

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.signer.zone)

    @property
    def spread(self) -> float:
        return spread_of(self.task.id)

    @property
    def answers_an_act(self) -> bool:
        """An invitation "now", on time. One that a long outage delayed is no answer to anybody any more."""
        invited = self.step.kind is StepKind.INVITATION and self.step.due_at == self.task.invited_at
        return invited and self.now - self.step.due_at < AT_ONCE

    @property
    def key(self) -> str:
        """One per intent: the same step of the same task is the same message, whoever runs it."""
        invited = self.task.invited_at.isoformat() if self.task.invited_at else ""
        # A deadline that moved makes a second last call, which is another intent than the first.
        which = self.contract.deadline.isoformat() if self.step.kind is StepKind.LAST_CALL else self.step.number
        return f"step-{self.task.id}-{invited}-{self.step.kind.value}-{which}"


async def run_step(parts: Parts, claimed: ClaimedTask) -> UUID | None:
    """Run one claimed step. Returns the delivery that has to be carried now, after the commit; None if there is
    none."""
    try:
        return await _run_step(parts, claimed)
    except BudgetSpent as spent:
        await raise_alarm(parts, spent)
        await _put_off(parts, claimed, spent)
        return None


async def _put_off(parts: Parts, claimed: ClaimedTask, spent: BudgetSpent) -> None:
    """What was undone for want of a budget: the same step, when the next period has begun."""
    async with parts.database.unit(EVERYTHING) as unit:
        contract = await unit.contracts.locked(claimed.task.contract)
        if not await unit.tasks.still_claimed(claimed):
            return
        task = await unit.tasks.get(claimed.task.id)
        assert task.step is not None
        due = _Due(contract, task, await unit.contracts.signer(task.signer), task.step, claimed,
                   await unit.planning_now(), await policy_of(unit, parts.policy, contract))  # fmt: skip
        until = into_window(due.policy, due.now + spent.wait, due.zone, due.spread)
        await unit.reminders.note(task, "skipped", due.now, step=task.step, reason=SkipReason.BUDGET.value)
        await _plan(unit, due, postponed(task.step, until=until, deadline=contract.deadline))


async def run_steps(parts: Parts, claimed: Sequence[ClaimedTask]) -> tuple[list[Begun], list[ClaimedTask]]:
    """Run claimed steps in one transaction, in which their messages get a provider, too. Returns what has to be
    finished now, after the commit, and the steps that could not be run together. Whatever is raised: none was run."""
    async with parts.database.unit(EVERYTHING, together=True) as unit:
        together = await foresee_steps(unit, claimed)
        written = [await _step(parts, unit, each) for each in together]
        begun = [await parts.router.begin(unit, delivery) for delivery in written if delivery]
    ran = {each.task.id for each in together}
    return [each for each in begun if each], [each for each in claimed if each.task.id not in ran]


async def _run_step(parts: Parts, claimed: ClaimedTask) -> UUID | None:
    async with parts.database.unit(EVERYTHING) as unit:
        return await _step(parts, unit, claimed)


async def _step(parts: Parts, unit: Unit, claimed: ClaimedTask) -> UUID | None:
    contract = await unit.contracts.locked(claimed.task.contract)
    if not await unit.tasks.still_claimed(claimed):
        return None
    task = await unit.tasks.get(claimed.task.id)
    assert task.step is not None
    signer = await unit.contracts.signer(task.signer)
    policy = await policy_of(unit, parts.policy, contract)
    due = _Due(contract, task, signer, task.step, claimed, await unit.planning_now(), policy)
    if task.step.kind is StepKind.EXPIRY or due.now >= contract.deadline:
        await _expire_or_wait(parts, unit, due)
        return None
    return await _send_or_defer(parts, unit, due)


async def _expire_or_wait(parts: Parts, unit: Unit, due: _Due) -> None:
    """A signature that was accepted in time is first written into the file; what is still unsigned then expires."""
    if await unit.signatures.holds_revision(due.contract.id):
        await _plan(unit, due, NextStep(StepKind.EXPIRY, 0, due.now + LOOK_AGAIN))
        return
    awake = into_window(on_every_day(due.policy), due.now, due.zone, due.spread) == due.now
    await expire(parts, unit, due.contract, tell=awake)


async def _send_or_defer(parts: Parts, unit: Unit, due: _Due) -> UUID | None:
    if later := await _must_wait(unit, due):
        reason, step = later
        await unit.reminders.note(due.task, "skipped", due.now, step=due.step, reason=reason.value)
        await _plan(unit, due, step)
        return None
    if due.task.paused:
        await unit.reminders.note(due.task, "skipped", due.now, step=due.step, reason=SkipReason.OPTED_OUT.value)
        await _plan(unit, due, _following(due))
        return None
    delivery = await write_message(
        parts, unit, due.contract, due.signer, await _purpose(unit, due), due.key, task=due.task,
        variables={"step_number": str(due.step.number)}, first=due.policy.through(due.step.kind),
    )  # fmt: skip
    await _note_sent(unit, due, delivery)
    await _plan(unit, due, _following(due))
    return delivery.id if delivery else None


async def next_channel(
    parts: Parts, unit: Unit, policy: ReminderPolicy, signer: Signer, task: SigningTask
) -> str | None:  # fmt: skip
    """The channel that the next step of a task would take now. None: there is no message next, or no way."""
    purpose = PURPOSES.get(task.step.kind) if task.step else None
    if purpose is None:
        return None
    return next(iter(await ways(parts, unit, signer, purpose, policy.through(purpose))), None)


async def _purpose(unit: Unit, due: _Due) -> Purpose:
    """Whoever comes after somebody else is told that it is their turn."""
    tasks = await unit.tasks.of_contract(due.contract.id)
    if due.step.kind is StepKind.INVITATION and any(task.order < due.task.order for task in tasks):
        return Purpose.YOUR_TURN
    return PURPOSES[due.step.kind]


async def _note_sent(unit: Unit, due: _Due, delivery: Delivery | None) -> None:
    if delivery:
        await unit.reminders.note(due.task, "sent", due.now, step=due.step, delivery=delivery.id)
        return
    await unit.reminders.note(due.task, "failed", due.now, step=due.step, reason="no-channel")
    text = "There is no way to reach this signer: none of their channels is configured, or an address is missing."
    task = StaffTask(uuid4(), "unreachable", text, due.contract.campus, unit.now, due.contract.id, due.signer.id)
    await unit.desk.add_task_once(task)


async def _must_wait(unit: Unit, due: _Due) -> tuple[SkipReason, NextStep] | None:
    """Quiet hours, closed days and the day's cap hold for what we start; an invitation sent "now" answers somebody's
    act."""
    if due.answers_an_act:
        return None
    opening = _not_in_vain(due, into_window)
    if opening > due.now:
        closed = due.now.astimezone(due.zone).date() in due.policy.closed_days
        return SkipReason.CLOSED_DAY if closed else SkipReason.QUIET_HOURS, _put_back(due, opening)
    since, _ = local_day(due.now, due.zone)
    await unit.sessions.one_at_a_time(due.signer.person)  # two contracts of one person may be due at this moment
    sent = await unit.deliveries.sent_to_person(due.signer.person, since, PLANNED)
    if not allowed_today(due.policy, len(sent)):
        return SkipReason.CAP, _put_back(due, _not_in_vain(due, deferred_by_cap))
    return None


def _not_in_vain(due: _Due, when: Callable[[ReminderPolicy, datetime, ZoneInfo, float], datetime]) -> datetime:
    """The moment on an open day, or on a closed one where the deadline comes before the next open one."""
    moment = when(due.policy, due.now, due.zone, due.spread)
    if moment < due.contract.deadline or not due.policy.closed_days:
        return moment
    return when(on_every_day(due.policy), due.now, due.zone, due.spread)


def _put_back(due: _Due, until: datetime) -> NextStep:
    deadline, invited_at = due.contract.deadline, due.task.invited_at or due.now
    last_call = last_call_at(
        due.policy, invited_at=invited_at, deadline=deadline, zone=due.zone, spread=due.spread
    )  # fmt: skip
    return postponed(due.step, until=until, deadline=deadline, last_call=last_call)


def _following(due: _Due) -> NextStep:
    return following_step(
        due.policy, done=due.step, invited_at=due.task.invited_at or due.now, deadline=due.contract.deadline,
        now=due.now, zone=due.zone, spread=due.spread,
    )  # fmt: skip


async def _plan(unit: Unit, due: _Due, step: NextStep) -> None:
    if await unit.tasks.plan(due.task.id, step, due.claimed.leased_until, now=due.now):
        await unit.reminders.note(due.task, "planned", due.now, step=step)


# ---- by hand


async def remind_by_hand(parts: Parts, scope: Scope, contract_id: UUID, actor: str) -> list[Delivery]:
    """Remind everybody whose turn it is, now. Raises IllegalMove when nobody's is, TooSoon by the policy's limits."""
    async with parts.database.unit(scope) as unit:
        contract = await unit.contracts.locked(contract_id)
        tasks = [task for task in await unit.tasks.of_contract(contract_id) if task.state is TaskState.OPEN]
        if contract.state is not ContractState.ISSUED or not tasks:
            raise IllegalMove(f"nobody has to be reminded of a contract that is {contract.state}")
        sent = [await _by_hand(parts, unit, contract, task) for task in tasks]
        await unit.record.append(contract.id, contract.campus, "reminded-by-hand", actor, {"tasks": len(tasks)})
    return [delivery for delivery in sent if delivery]


async def _by_hand(parts: Parts, unit: Unit, contract: Contract, task: SigningTask) -> Delivery | None:
    signer, now = await unit.contracts.signer(task.signer), await unit.planning_now()
    policy = await policy_of(unit, parts.policy, contract)
    await _refuse_too_soon(policy, unit, task, signer, now)
    key = f"{HAND}{task.id}-{now.isoformat()}"
    first = policy.through(Purpose.REMINDER)
    delivery = await send_at_once(parts, unit, contract, signer, Purpose.REMINDER, key, task=task, first=first)
    if delivery:
        await unit.reminders.note(task, "sent", now, reason="by-hand", delivery=delivery.id)
    return delivery


async def _refuse_too_soon(
    policy: ReminderPolicy, unit: Unit, task: SigningTask, signer: Signer, now: datetime
) -> None:
    messages = await unit.deliveries.sent_to_person(signer.person, now - timedelta(days=1), PLANNED)
    verdict = manual_reminder_allowed(
        policy, now=now, last_message_at=messages[-1] if messages else None, zone=ZoneInfo(signer.zone),
        manual_times_today=await unit.deliveries.sent_for_task(task.id, PLANNED, HAND),
    )  # fmt: skip
    if not verdict.allowed:
        raise TooSoon(verdict.reason, retry_after=verdict.earliest - now)
