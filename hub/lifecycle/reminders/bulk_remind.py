"""Remind the signers of many contracts: preview the outcome for each task, then send the reminders by a job.

The outcome of a task is written in the transaction of its message, under the contract's lock. A job that was killed,
or that runs twice, therefore goes on with the remaining tasks and sends nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import structlog

from hub.errors import BadInput, BudgetSpent, Unavailable
from hub.lifecycle.messaging.quotas import alert_spent
from hub.lifecycle.messaging.send import NewMessage, get_channels, send_at_once
from hub.lifecycle.reminders.remind_by_hand import HAND
from hub.lifecycle.reminders.reschedule import last_step
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Signer, SigningTask, TaskState
from hub.model.messaging.delivery import PLANNED, Delivery, DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.reminders.may_send import ByHand, Drop, MessageCase, Send, SkipReason, Wait, may_send
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import ReminderPlan, brought_forward, local_day, spread_of
from hub.model.staff.scope import EVERYTHING, Scope
from hub.router.policy import get_policy
from hub.store.operation.jobs import REMIND_MANY
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

MAX_AT_ONCE = 1000
AT_A_TIME = 100
NO_SUCH_NUMBER = "address"
log = structlog.get_logger()


class BulkOutcome(StrEnum):
    """The outcome for one task. The values are stored in the database and must not change."""

    SENT = "sent"
    MORNING = "morning"
    TOO_SOON = "too-soon"
    CAP = "cap"
    BAD_NUMBER = "bad-number"
    PAUSED = "paused"
    NOBODY = "nobody"
    TOO_LATE = "too-late"
    BUDGET = "budget"
    FAILED = "failed"


_OUTCOMES = {
    SkipReason.PAUSED: BulkOutcome.PAUSED,
    SkipReason.NO_CHANNEL: BulkOutcome.BAD_NUMBER,
    SkipReason.TOO_SOON: BulkOutcome.TOO_SOON,
    SkipReason.CAP: BulkOutcome.CAP,
}


@dataclass(frozen=True)
class _TaskToRemind:
    contract: Contract
    task: SigningTask
    signer: Signer
    policy: ReminderPolicy
    deliveries: Sequence[Delivery]
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.signer.zone)

    @property
    def opening(self) -> datetime | None:
        """The earliest moment at which a planned message may go out. None if the deadline is earlier."""
        plan = ReminderPlan(self.policy, self.now, self.contract.deadline, self.zone, spread_of(self.task.id))
        return plan.in_any_window(self.now)


@dataclass(frozen=True)
class ReminderPreview:
    """What a bulk reminder would do now. `counts`: the tasks by outcome; NOBODY counts contracts without an open task.
    `first_at`: when the first message with the outcome MORNING goes out; None if there is none."""

    counts: Counter[BulkOutcome]
    first_at: datetime | None


async def preview_reminding(services: Services, scope: Scope, contracts: Iterable[UUID]) -> ReminderPreview:
    """Return what reminding these contracts would do now. Changes nothing."""
    found: Counter[BulkOutcome] = Counter()
    openings: list[datetime] = []
    written_to: set[str] = set()
    async with services.database.transaction(scope) as tx:
        for contract_id in dict.fromkeys(contracts):
            contract = await tx.contracts.get(contract_id)
            cases = await _list_tasks_to_remind(services, tx, contract)
            if not cases:
                found[BulkOutcome.NOBODY] += 1
            for case in cases:
                verdict = await _judge(services, tx, case)
                if verdict is BulkOutcome.SENT and case.signer.person in written_to:
                    verdict = BulkOutcome.TOO_SOON  # the person's first message already counts by then
                if verdict is BulkOutcome.SENT:
                    written_to.add(case.signer.person)
                if verdict is BulkOutcome.MORNING and case.opening:
                    openings.append(case.opening)
                found[verdict] += 1
    return ReminderPreview(found, min(openings, default=None))


async def begin_reminding(
    services: Services, scope: Scope, contracts: Iterable[UUID], actor: str, act: UUID | None = None
) -> UUID:
    """Create an act that reminds the signers of all open tasks of these contracts, and its job. Return the act's id.

    `act`: the id to use; a second call with the same id creates nothing. Raises BadInput for no or too many contracts
    or if none has an open task, ContractNotFound for a contract of another campus.
    """
    wanted = list(dict.fromkeys(contracts))
    if not 0 < len(wanted) <= MAX_AT_ONCE:
        raise BadInput(f"choose 1 to {MAX_AT_ONCE} contracts", field="contracts")
    act = act or uuid4()
    async with services.database.transaction(scope) as tx:
        tasks = []
        for contract in wanted:
            await tx.contracts.get(contract)
            tasks += [task for task in await tx.tasks.list_of_contract(contract) if task.state is TaskState.OPEN]
        if not tasks:
            raise BadInput("no signature is due for these contracts", field="contracts")
        await tx.bulk_reminders.begin(act, tasks, actor, tx.now)
        await tx.jobs.enqueue(REMIND_MANY, {"act": str(act)}, f"{REMIND_MANY}-{act}")
    return act


async def remind_many(services: Services, act: UUID) -> bool:
    """Process up to AT_A_TIME contracts of an act. Return whether some may be left.

    A worker can stop between two such calls. While sending is paused, this does nothing, and `PeriodicTasks.reconcile`
    gives the act another job.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        contracts = [] if await tx.pause.get() else await tx.bulk_reminders.list_contracts_left(act, AT_A_TIME)
    for contract in contracts:
        await _try_to_remind(services, act, contract)
    return len(contracts) == AT_A_TIME


async def _try_to_remind(services: Services, act: UUID, contract: UUID) -> None:
    try:
        await _remind_contract(services, act, contract)
    except BudgetSpent as spent:
        await alert_spent(services, spent)
        await _give_up(services, act, contract, BulkOutcome.BUDGET)
    except Unavailable:
        raise  # the database or a key is unavailable: the job goes on later
    except Exception:
        log.exception("one of many reminders failed", contract=str(contract))
        await _give_up(services, act, contract, BulkOutcome.FAILED)


async def _give_up(services: Services, act: UUID, contract: UUID, verdict: BulkOutcome) -> None:
    """Note the outcome of one contract that failed. The others continue. All of them keep their planned reminders."""
    async with services.database.transaction(EVERYTHING) as tx:
        for task in await tx.bulk_reminders.list_tasks_left(act, contract):
            await tx.bulk_reminders.end(act, task, verdict.value, tx.now)


async def _remind_contract(services: Services, act: UUID, contract_id: UUID) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        left = set(await tx.bulk_reminders.list_tasks_left(act, contract_id))
        cases = [case for case in await _list_tasks_to_remind(services, tx, contract) if case.task.id in left]
        await tx.sessions.lock_persons(*{case.signer.person for case in cases})
        sent = 0
        for case in cases:
            verdict = await _carry_out(services, tx, act, case, await _judge(services, tx, case))
            sent += verdict is BulkOutcome.SENT
            await tx.bulk_reminders.end(act, case.task.id, verdict.value, tx.now)
        for task in left - {case.task.id for case in cases}:
            await tx.bulk_reminders.end(act, task, BulkOutcome.NOBODY.value, tx.now)
        if sent and (asked := await tx.bulk_reminders.find_counts(act)):
            facts = {"tasks": sent, "act": str(act)}
            await tx.record.append(contract.id, contract.campus, "reminded-by-hand", asked.asked_by, facts)


async def _carry_out(
    services: Services, tx: Transaction, act: UUID, case: _TaskToRemind, verdict: BulkOutcome
) -> BulkOutcome:
    if verdict is BulkOutcome.SENT:
        key, first = f"{HAND}{case.task.id}-{act}", case.policy.through(Purpose.REMINDER)
        message = NewMessage(Purpose.REMINDER, key, task=case.task, first=first)
        delivery = await send_at_once(services, tx, case.contract, case.signer, message)
        if delivery is None:
            return BulkOutcome.BAD_NUMBER
        await tx.reminders.note(case.task, LedgerNote("sent", reason="by-hand", delivery=delivery.id), case.now)
    if verdict is BulkOutcome.MORNING:
        await _remind_in_next_window(tx, case)
    return verdict


async def _remind_in_next_window(tx: Transaction, case: _TaskToRemind) -> None:
    """Bring the task's own next step forward to the next opening of the window, so that all limits still apply."""
    assert case.task.step and case.opening
    done = last_step(case.task, case.deliveries)
    step = brought_forward(case.task.step, done=done, due_at=case.opening)
    if step != case.task.step and await tx.tasks.plan(case.task.id, step):
        await tx.reminders.note(case.task, LedgerNote("planned", step=step, reason="by-hand"), case.now)


# ---- the verdict


async def _list_tasks_to_remind(services: Services, tx: Transaction, contract: Contract) -> list[_TaskToRemind]:
    tasks = [task for task in await tx.tasks.list_of_contract(contract.id) if task.state is TaskState.OPEN]
    if contract.state is not ContractState.ISSUED or not tasks:
        return []
    policy, now = await get_policy(tx, services.messaging.policy, contract), tx.planning_now
    signers = {signer.id: signer for signer in await tx.contracts.list_signers(contract.id)}
    deliveries = await tx.deliveries.list_of_contract(contract.id)
    return [_TaskToRemind(contract, task, signers[task.signer], policy, deliveries, now) for task in tasks]


async def _judge(services: Services, tx: Transaction, case: _TaskToRemind) -> BulkOutcome:
    """Return the outcome for one task now. Unlike a reminder by hand, it respects quiet hours, closed days and the
    daily cap, because nobody looks at each task."""
    begins, _ = local_day(case.now, case.zone)
    person, since = case.signer.person, min(case.now - timedelta(days=1), begins)
    messages = await tx.deliveries.list_sent_to_person(person, since, PLANNED)
    by_hand = ByHand(messages[-1] if messages else None, await tx.deliveries.list_sent_for_task(case.task.id, HAND))
    message = MessageCase(
        Purpose.REMINDER,
        case.zone,
        spread_of(case.task.id),
        tasks=[case.task],
        deadline=case.contract.deadline,
        sent_today=sum(at >= begins for at in messages),
        by_hand=by_hand,
    )
    match may_send(message, await _channel(services, tx, case), case.policy, case.now):
        case Wait(reason=SkipReason.QUIET_HOURS | SkipReason.CLOSED_DAY):
            return BulkOutcome.MORNING if case.opening else BulkOutcome.TOO_LATE
        case Wait(reason=reason) | Drop(reason):
            return _OUTCOMES[reason]
        case Send():
            return BulkOutcome.TOO_LATE if case.opening is None else BulkOutcome.SENT


async def _channel(services: Services, tx: Transaction, case: _TaskToRemind) -> str | None:
    """Return the signer's first channel whose last message did not fail because the address does not exist, or None."""
    open_ways = await get_channels(services, tx, case.signer, Purpose.REMINDER, case.policy.through(Purpose.REMINDER))
    last = {each.channel: each for each in case.deliveries if each.signer == case.signer.id}
    good = (each for each in open_ways if not _failed_for_address(last.get(each), case.signer.address_for(each)))
    return next(good, None)


def _failed_for_address(last: Delivery | None, address: str | None) -> bool:
    failed = (DeliveryState.REFUSED, DeliveryState.UNDELIVERED)
    if last is None or last.to != address or last.state not in failed:
        return False
    return last.failure_kind == NO_SUCH_NUMBER
