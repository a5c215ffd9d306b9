"""Reminders until completed: what a worker does with due steps, as many as there are in one transaction.

"Sent" means: a `sending` attempt row was committed under the contract's row lock while the task was open. Signing
takes the same lock, so nothing is sent after a signature. The provider is called after that commit, and asked before
any second call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from hub.errors import BudgetSpent, Unavailable
from hub.lifecycle.contract.end import expire
from hub.lifecycle.messaging.quotas import raise_alarm
from hub.lifecycle.reminders.step_batch import StepBatch, load_steps
from hub.lifecycle.services import Services
from hub.model.contract.contract import STEP_FAILED, compute_error_backoff
from hub.model.reminders.due_step import Due, put_off
from hub.model.reminders.may_send import SkipReason
from hub.model.reminders.schedule import NextStep, StepKind
from hub.model.staff.accounts import EVERYTHING
from hub.router.failing import FailingMessage, show_failing
from hub.router.providers import Begun
from hub.store.contract.tasks import ClaimedTask
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

# A signature that is being written into the file holds up the expiry: it is looked at again after this time.
REVISION_RECHECK_INTERVAL = timedelta(minutes=30)
# Whatever a person's day is, it is over by then.
LOOK_AHEAD = timedelta(days=1)

log = structlog.get_logger()


@dataclass(frozen=True)
class RanSteps:
    """What became of due steps: how many there were, the calls that have to be made now, and those that were leased
    since each has to be run by itself."""

    number: int = 0
    calls: Sequence[Begun] = ()
    left: Sequence[ClaimedTask] = ()


async def run_due(services: Services, most: int, lease: timedelta) -> RanSteps:
    """Run steps that are due, those that were due first, in one transaction, in which their messages get a provider.

    Nobody is waited for: what somebody else holds stays due. Whatever is raised, none was run.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        now = tx.planning_now
        taken = await tx.due_steps.take(now, now + LOOK_AHEAD, most)
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
                apart.add(task)  # it writes much else, and no two contracts end alike
            else:
                batch.decide(task)
        calls = await batch.write(begin=True)
        left = sorted(apart - batch.planned_tasks)  # one may have gone into the message of another contract
        claimed = await tx.tasks.lease(left, now + lease) if left else []
    return RanSteps(len(taken), calls, claimed)


async def run_step(services: Services, claimed: ClaimedTask) -> UUID | None:
    """Run one claimed step in a transaction of its own, waiting for whoever holds what it needs.

    Returns the delivery that has to be carried now, after the commit; None if there is none.
    """
    try:
        return await _run_claimed(services, claimed)
    except BudgetSpent as spent:
        await raise_alarm(services, spent)
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
        others = await tx.due_steps.get_others(task, tx.planning_now + LOOK_AHEAD)
        batch = await _load(services, tx, claimed, others)
        if not batch.is_claimed(claimed):
            return None
        due = batch.due_of(task)
        if not _is_over(due):
            batch.decide(task)
        elif await tx.signatures.holds_revision(due.contract.id):
            # A signature that was accepted in time is first written into the file; what is still unsigned then expires.
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
    """The same step again, ever later, up to once an hour; the ledger has each try, and staff hear of it."""
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
    """What was undone for want of a budget: the same step, when the next period has begun."""
    async with services.database.transaction(EVERYTHING) as tx:
        batch = await _load(services, tx, claimed)
        if batch.is_claimed(claimed):
            due = batch.due_of(claimed.task.id)
            batch.skip(due, SkipReason.BUDGET, put_off(due, due.now + spent.wait))
            await batch.write(begin=False)
