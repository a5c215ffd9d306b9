"""Run due steps of reminders, as many as possible in one transaction.

"Sent" means: a `sending` attempt row was committed under the contract's row lock while the task was open. Signing takes
the same lock, so nothing is sent after a signature. The provider is called after that commit. Before a second call, it
is asked what became of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from hub.errors import BudgetSpent, Unavailable
from hub.lifecycle.contract.end import expire
from hub.lifecycle.messaging.quotas import alert_spent
from hub.lifecycle.reminders.step_batch import StepBatch, load_steps
from hub.lifecycle.services import Services
from hub.model.contract.contract import STEP_FAILED, compute_error_backoff
from hub.model.reminders.due_step import Due, put_off
from hub.model.reminders.may_send import SkipReason
from hub.model.reminders.schedule import NextStep, StepKind
from hub.model.staff.scope import EVERYTHING
from hub.router.failing_messages import FailingMessage, show_failing
from hub.router.providers import BegunCall
from hub.store.contract.tasks import MAX_SLEEP, ClaimedTask
from hub.store.reminders.due_steps import opening_due
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

# While a signature is being embedded, the contract does not expire. It is checked again after this time.
REVISION_RECHECK_INTERVAL = timedelta(minutes=30)
# After this time, today has ended for every person, whatever their time zone.
LOOK_AHEAD = timedelta(days=1)

log = structlog.get_logger()


@dataclass(frozen=True)
class RanSteps:
    """The result of `run_due`: the number of due steps, the calls to make now, and the tasks that were leased because
    their steps have to run alone. `rest`: time until the next step is due; None if it was not looked up."""

    number: int = 0
    calls: Sequence[BegunCall] = ()
    left: Sequence[ClaimedTask] = ()
    rest: timedelta | None = None


async def run_due(services: Services, most: int, lease: timedelta) -> RanSteps:
    """Run up to `most` steps, the longest overdue first, in one transaction, which also books providers for their
    messages.

    Contracts that another transaction has locked are skipped, and their steps stay due. If this raises, no step was
    run.
    """
    opening = opening_due(services.database.clock(), LOOK_AHEAD, most)
    async with services.database.transaction(EVERYTHING, opening) as tx:
        taken = await tx.due_steps.lock_due(opening)
        if not taken:
            return RanSteps()
        contracts = {each.contract.id: each.contract for each in taken}
        if others := frozenset[UUID]().union(*(each.others for each in taken)) - contracts.keys():
            contracts |= await tx.contracts.lock_many(others, wait=False)
        whole = [each.task for each in taken if each.others <= contracts.keys()]
        batch = await load_steps(services, tx, contracts.values(), whole)
        apart = {each.task for each in taken} - set(whole)
        for task in filter(batch.is_due, whole):
            if _is_over(batch.due_of(task)):
                apart.add(task)  # an expiry writes many other rows, so it runs alone
            else:
                batch.decide(task)
        calls = await batch.write(begin=True)
        left = sorted(apart - batch.planned_tasks)  # a step may have joined another contract's message
        claimed = await tx.tasks.lease(left, tx.planning_now + lease) if left else []
        rest = await time_until_due(tx) if len(taken) < most else None
    return RanSteps(len(taken), calls, claimed, rest)


async def time_until_due(tx: Transaction) -> timedelta:
    """Return the time until the next step is due, at most MAX_SLEEP; zero or less if one is due now."""
    earliest = await tx.tasks.find_earliest_due()
    return min(earliest - tx.planning_now, MAX_SLEEP) if earliest else MAX_SLEEP


async def run_step(services: Services, claimed: ClaimedTask) -> UUID | None:
    """Run one claimed step in its own transaction, waiting for locks. Return the id of a delivery to send after
    the commit, or None.

    A step that fails is planned again later. Raises Unavailable.
    """
    try:
        return await _run_claimed(services, claimed)
    except BudgetSpent as spent:
        await alert_spent(services, spent)
        await _put_off(services, claimed, spent)
    except Unavailable:
        raise
    except Exception as error:
        log.exception("step failed", task=str(claimed.task.id))
        await _put_back(services, claimed, error)
    return None


async def _run_claimed(services: Services, claimed: ClaimedTask) -> UUID | None:
    task = claimed.task.id
    async with services.database.transaction(EVERYTHING) as tx:
        others = await tx.due_steps.get_others(task, tx.now + LOOK_AHEAD)
        batch = await _load(services, tx, claimed, others)
        if not batch.is_claimed(claimed):
            return None
        due = batch.due_of(task)
        if not _is_over(due):
            batch.decide(task)
        elif await tx.signatures.is_revision_held(due.contract.id):
            # A signature that was accepted in time is embedded first. If signatures are still missing then, the
            # contract expires.
            batch.plan(due, NextStep(StepKind.EXPIRY, 0, due.now + REVISION_RECHECK_INTERVAL))
        else:
            await expire(services, tx, due.contract)
        await batch.write(begin=False)
        return batch.delivery_ids[0] if batch.delivery_ids else None


async def _load(services: Services, tx: Transaction, claimed: ClaimedTask, others: Iterable[UUID] = ()) -> StepBatch:
    contracts = await tx.contracts.lock_many([claimed.task.contract, *others])
    return await load_steps(services, tx, contracts.values(), [claimed.task.id])


def _is_over(due: Due) -> bool:
    return due.step.kind is StepKind.EXPIRY or due.now >= due.contract.deadline


async def _put_back(services: Services, claimed: ClaimedTask, error: Exception) -> None:
    """Plan a failed step again, with backoff up to one hour. Write the failure into the ledger, and tell staff."""
    task, step = claimed.task, claimed.task.step
    assert step is not None
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.contracts.lock([task.contract])
        now = tx.planning_now
        if not await tx.tasks.put_back(claimed, now + compute_error_backoff(step.due_at, now)):
            return
        await tx.reminders.note(task, LedgerNote("failed", step=step, reason=STEP_FAILED), now)
        await show_failing(tx, error, FailingMessage(step.due_at, task.contract, task.signer, task.campus))


async def _put_off(services: Services, claimed: ClaimedTask, spent: BudgetSpent) -> None:
    """Plan a step that exceeded a budget for the beginning of the next period."""
    async with services.database.transaction(EVERYTHING) as tx:
        batch = await _load(services, tx, claimed)
        if batch.is_claimed(claimed):
            due = batch.due_of(claimed.task.id)
            batch.skip(due, SkipReason.BUDGET, put_off(due, due.now + spent.wait))
            await batch.write(begin=False)
