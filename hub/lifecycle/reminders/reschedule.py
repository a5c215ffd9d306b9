"""Reschedule planned steps after a change of deadline or policy, or after a question was answered."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from hub.errors import Unavailable
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.signer import SigningTask, TaskState
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.reminders.may_send import SkipReason
from hub.model.reminders.schedule import NextStep, ReminderPlan, StepKind, replanned, spread_of
from hub.model.staff.scope import EVERYTHING
from hub.router.policy import get_policies, get_policy
from hub.store.contract.tasks import MAX_SLEEP
from hub.store.operation.jobs import REPLAN
from hub.store.reminders.ledger import LedgerNote
from hub.store.reminders.plans import PlannedTask
from hub.store.transaction import Transaction

AT_A_TIME = 2000
TOGETHER = 250
FIRST = UUID(int=0)
POLICY_CHANGED, UNPAUSED, OPTED_IN = "policy-changed", "unpaused", "opted-in"
log = structlog.get_logger()


async def replan(services: Services, tx: Transaction, contract: Contract) -> None:
    """Reschedule every open task of the contract, which the caller has locked, under its new deadline."""
    now, policy = tx.planning_now, await get_policy(tx, services.messaging.policy, contract)
    zones = {signer.id: ZoneInfo(signer.zone) for signer in await tx.contracts.list_signers(contract.id)}
    deliveries = await tx.deliveries.list_of_contract(contract.id)
    for task in await tx.tasks.list_of_contract(contract.id):
        if task.state is not TaskState.OPEN or task.step is None or task.invited_at is None:
            continue
        plan = ReminderPlan(policy, task.invited_at, contract.deadline, zones[task.signer], spread_of(task.id))
        step = replanned(plan, old=task.step, done=last_step(task, deliveries), now=now)
        if await tx.tasks.plan(task.id, step):
            await tx.reminders.note(task, LedgerNote("planned", step=step, reason="deadline-moved"), now)


async def unpause(services: Services, tx: Transaction, number: bytes, contracts: Sequence[UUID]) -> None:
    """Resume reminders to this number (given by its hash) in these contracts, which the caller has locked."""
    await tx.tasks.pause_at(number, contracts, False)
    tasks = [task for each in contracts for task in await tx.tasks.list_of_contract(each)]
    await make_up_last_calls(services, tx, tasks, SkipReason.PAUSED)


async def make_up_last_calls(
    services: Services, tx: Transaction, tasks: Sequence[SigningTask], skipped: SkipReason
) -> None:
    """Plan the last calls of these tasks again that were skipped for this reason (PAUSED or OPTED_OUT), which is over:
    no other message would follow. The caller has locked the contracts."""
    for task in tasks:
        if task.step is not None and task.step.kind is StepKind.EXPIRY and not task.paused:
            contract = await tx.contracts.get(task.contract)
            if tx.planning_now < contract.deadline:
                await _make_up(services, tx, contract, task, skipped)


async def _make_up(
    services: Services, tx: Transaction, contract: Contract, task: SigningTask, skipped: SkipReason
) -> None:
    ledger = [entry for entry in await tx.reminders.list_of_contract(contract.id) if entry["task"] == task.id]
    last = next((entry for entry in reversed(ledger) if entry["step"] == StepKind.LAST_CALL.value), None)
    if last is None or last["kind"] != "skipped" or last["reason"] != skipped.value:
        return
    now, reason = tx.planning_now, OPTED_IN if skipped is SkipReason.OPTED_OUT else UNPAUSED
    policy = await get_policy(tx, services.messaging.policy, contract)
    zone = ZoneInfo((await tx.contracts.get_signer(task.signer)).zone)
    due_at = ReminderPlan(policy, now, contract.deadline, zone, spread_of(task.id)).in_any_window(now)
    step = NextStep(StepKind.LAST_CALL, 0, due_at) if due_at else None
    if step and await tx.tasks.plan(task.id, step):
        await tx.reminders.note(task, LedgerNote("planned", step=step, reason=reason), now)


async def replan_scope(
    services: Services, campus: str, course: str | None = None, after: UUID = FIRST, most: int = AT_A_TIME
) -> UUID | None:
    """Reschedule up to `most` contracts of the campus and those below it, several in each transaction.

    `course`: only contracts of this course. `after`: the id after which to begin. Return the id after which to
    continue, or None if all are done. Can be repeated after a crash: contracts already rescheduled stay as they are.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        below = await tx.school.get_scope_below(campus)
        campuses = [each.id for each in await tx.school.list_campuses() if below.covers(each.id)]
        found = await tx.tasks.list_contracts_with_open(campuses, course, after, most)
    for begin in range(0, len(found), TOGETHER):
        for each in await _replan_together(services, found[begin : begin + TOGETHER]):
            await _replan_alone(services, each)
    return found[-1] if len(found) == most else None


async def _replan_together(services: Services, contracts: Sequence[UUID]) -> Sequence[UUID]:
    """Reschedule these contracts in one transaction. Return the contracts that have to be rescheduled alone: those that
    another transaction has locked, or all of them if this transaction failed."""
    try:
        async with services.database.transaction(EVERYTHING) as tx:
            held = await tx.plans.lock(contracts, wait=False)
            await replan_under_new_policy(services, tx, held)
    except Exception as error:  # run alone, each contract shows its own error
        log.info("contracts rescheduled one by one", contracts=len(contracts), error=repr(error)[:300])
        return contracts
    planned = set(held)
    return [each for each in contracts if each not in planned]


async def _replan_alone(services: Services, contract: UUID) -> None:
    """Reschedule one contract. If that fails, it keeps its old plan, and the others continue. Raises Unavailable."""
    try:
        async with services.database.transaction(EVERYTHING) as tx:
            await replan_under_new_policy(services, tx, await tx.plans.lock([contract], wait=True))
    except Unavailable:
        raise  # the job goes on later
    except Exception:
        log.exception("contract not rescheduled", contract=str(contract))


async def replan_under_new_policy(services: Services, tx: Transaction, held: Sequence[UUID]) -> None:
    """Reschedule every open task of these contracts, which the caller has locked.

    A task whose step stays the same is not written, because a worker may just have leased it.
    """
    now = tx.planning_now
    tasks, done = await tx.plans.list_open_tasks(held), await tx.plans.get_last_steps(held)
    places = list(dict.fromkeys(each.place for each in tasks))
    policies = (await get_policies(tx, services.messaging.policy, places)).policies
    planned: list[PlannedTask] = []
    for task in tasks:
        plan = ReminderPlan(
            policies[task.place], task.invited_at, task.deadline, ZoneInfo(task.zone), spread_of(task.id)
        )
        step = replanned(plan, old=task.step, done=done.get(task.id), now=now, new_policy=True)
        if step != task.step:
            planned.append(PlannedTask(task.id, step, [LedgerNote("planned", step=step, reason=POLICY_CHANGED)]))
    if planned:
        await tx.plans.put(planned, now)
    if any(each.step.due_at < now + MAX_SLEEP for each in planned):
        await tx.tasks.tell_workers()


async def replan_next(services: Services, campus: str, after: str, course: str | None = None) -> None:
    """Reschedule the part that the job's payload describes, and enqueue the job for the next part."""
    if following := await replan_scope(services, campus, course, UUID(after)):
        async with services.database.transaction(EVERYTHING) as tx:
            await replan_later(tx, campus, course, following)


async def replan_later(tx: Transaction, campus: str, course: str | None, after: UUID = FIRST) -> None:
    """Enqueue the job that reschedules one part. The parts let a worker stop in between."""
    payload = {"campus": campus, "after": str(after)} | ({"course": course} if course else {})
    await tx.jobs.enqueue(REPLAN, payload, f"{REPLAN}-{campus}-{course or ''}-{after}-{tx.now.isoformat()}")


def last_step(task: SigningTask, deliveries: Sequence[Delivery]) -> NextStep | None:
    """Return the step of the last planned message about this task, with the time when it was sent. None if there is no
    message.

    The step has the highest number used so far, since no number may be used twice. A reminder by hand has no number of
    its own; an attempt by another channel has that of the message that it repeats. Messages from before the task was
    last opened do not count, because numbers begin again after a phone change. Times are on the planning clock.
    """
    since = task.invited_at
    sent = [each for each in deliveries if each.task == task.id and (since is None or each.created_at >= since)]
    number = max((int(each.variables.get("step_number") or 0) for each in sent if each.rung == 0), default=0)
    for delivery in reversed(sent):
        kind = "invitation" if delivery.purpose == Purpose.YOUR_TURN else delivery.purpose
        if kind in set(StepKind) and delivery.state is not DeliveryState.WITHDRAWN:
            return NextStep(StepKind(kind), number, delivery.created_at)
    return None
