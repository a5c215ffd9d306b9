"""Let signers sign in their order: open tasks with their first step, and close them when a contract ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import AlreadySigned, AnswersMissing, IllegalMove, NotYourTurn
from hub.lifecycle.services import Services
from hub.model.contract.case import Case, Party
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import SigningTask, TaskState, select_tasks_to_open
from hub.model.reminders.due_step import HOLD
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import FirstSend, ReminderPlan, StepKind, first_step, spread_of
from hub.router.policy import get_policy
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class Invitation:
    """When the first message to a signer goes out. `policy`: of the contract. `hold`: an immediate message waits a
    moment, so that other contracts can share it."""

    policy: ReminderPolicy
    send: FirstSend = "policy"
    hold: bool = False


async def add_tasks(tx: Transaction, case: Case, invitation: Invitation) -> Case:
    """Add the tasks of a new contract, and open those whose turn comes first. Return the changed case."""
    due = _list_due(case)
    parties = [
        open_party(case.contract, party, invitation, tx.planning_now) if party.task.id in due else party
        for party in case.parties
    ]
    for party in parties:
        await tx.tasks.add(party.task)
        if party.task.id in due:
            await _note_opened(tx, case.contract, party)
    await tx.tasks.tell_workers()
    return replace(case, parties=tuple(parties))


async def open_next(services: Services, tx: Transaction, case: Case) -> Case:
    """Open the tasks whose turn has come, each with its first step. Return the changed case."""
    due = _list_due(case)
    parties = [
        await open_task(services, tx, case.contract, party) if party.task.id in due else party for party in case.parties
    ]
    return replace(case, parties=tuple(parties))


async def open_task(services: Services, tx: Transaction, contract: Contract, party: Party) -> Party:
    """Open one task with its first step. Return the changed party."""
    invitation = Invitation(await get_policy(tx, services.messaging.policy, contract))
    opened = open_party(contract, party, invitation, tx.planning_now)
    assert opened.task.step is not None
    await tx.tasks.open(opened.task.id, opened.task.step, tx.planning_now)
    await _note_opened(tx, contract, opened)
    return opened


def _list_due(case: Case) -> set[UUID]:
    return {task.id for task in select_tasks_to_open([party.task for party in case.parties])}


def open_party(contract: Contract, party: Party, invitation: Invitation, now: datetime) -> Party:
    """Return a party whose turn has come, its task open and the first step planned. `now`: of the planning clock."""
    policy, task = invitation.policy, party.task
    plan = ReminderPlan(policy, now, contract.deadline, ZoneInfo(party.signer.zone), spread_of(task.id))
    step = first_step(plan, invitation.send)
    at_once = step.kind is StepKind.INVITATION and step.due_at == now
    if invitation.hold and policy.bundle and at_once and now < contract.deadline - HOLD:
        step = replace(step, due_at=now + HOLD)
    return replace(party, task=replace(task, state=TaskState.OPEN, step=step, invited_at=now, accepted_at=None))


async def _note_opened(tx: Transaction, contract: Contract, party: Party) -> None:
    signer, task = party.signer, party.task
    await tx.reminders.note(task, LedgerNote("planned", step=task.step), tx.planning_now)
    facts = {"signer": str(signer.id), "role": signer.role.value, "order": task.order, "field": signer.field}
    await tx.record.append(contract.id, contract.campus, "task-opened", "hub", facts)


async def close_tasks(tx: Transaction, contract: Contract, reason: str, at: datetime) -> None:
    """Close all unfinished tasks of a contract that ended without completion, and stop their reminders."""
    for task in await tx.tasks.list_of_contract(contract.id):
        if not task.state.final:
            await tx.tasks.end(task.id, TaskState.CLOSED, at)
            await tx.reminders.note(task, LedgerNote("stopped", step=task.step, reason=reason), at)


def check_turn(contract: Contract, task: SigningTask) -> None:
    """Raise AlreadySigned, NotYourTurn, AnswersMissing, or IllegalMove unless this task can be signed now."""
    check_open(contract, task)
    if contract.lacks_answers:
        raise AnswersMissing


def check_open(contract: Contract, task: SigningTask) -> None:
    """Raise AlreadySigned, NotYourTurn or IllegalMove unless it is this signer's turn."""
    match task.state:
        case TaskState.SIGNED:
            raise AlreadySigned
        case TaskState.WAITING:
            raise NotYourTurn
        case TaskState.OPEN if contract.state is ContractState.ISSUED:
            return
    raise IllegalMove(f"a contract in this state cannot be signed:\n{contract.state}")
