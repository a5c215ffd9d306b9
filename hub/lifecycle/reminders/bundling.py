"""Several contracts of one person in one message: who is told of what, while it is still so.

The contracts are locked in the order of their ids, by everybody who locks more than one; then comes the person. So a
contract that is signed meanwhile is not spoken of, and nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Signer, SigningTask
from hub.model.messaging.delivery import DeliveryItem
from hub.model.messaging.message import told_of
from hub.model.reminders.due_step import MAX_TOGETHER, Due, joins
from hub.model.reminders.schedule import StepKind
from hub.router.policy import policy_of
from hub.store.transaction import Transaction


async def due_of(services: Services, tx: Transaction, contract: Contract, task: SigningTask, signer: Signer) -> Due:
    """`contract` is locked by the caller, and `task` is open."""
    assert task.step is not None
    turn = False
    if task.step.kind is StepKind.INVITATION:
        turn = any(each.order < task.order for each in await tx.tasks.of_contract(contract.id))
    policy, now = await policy_of(tx, services.policy, contract), tx.planning_now
    return Due(contract, task, signer, task.step, now, policy, turn)


async def mates(services: Services, tx: Transaction, lead: Due, contracts: Iterable[Contract]) -> list[Due]:
    """What goes into the same message as `lead`, of these contracts, which the caller has locked."""
    found: list[Due] = []
    for contract in contracts:
        if contract.id == lead.contract.id or contract.state is not ContractState.ISSUED:
            continue
        for signer in await tx.contracts.signers(contract.id):
            task = await tx.tasks.of_signer(signer.id)
            if signer.person == lead.signer.person and task.step is not None:
                due = await due_of(services, tx, contract, task, signer)
                if joins(lead, due, await tx.reminders.last_sent(task.id)):
                    found.append(due)
    return sorted(found, key=lambda due: due.step.due_at)[: MAX_TOGETHER - 1]


def shares_of(dues: Sequence[Due]) -> list[DeliveryItem]:
    """None where there is one alone."""
    if len(dues) == 1:
        return []
    return [
        DeliveryItem(
            each.task.id, each.contract.id, each.signer.id, each.contract.campus, each.purpose, each.step.number
        )
        for each in dues
    ]


def said_of(signer: Signer, contracts: Sequence[Contract], now: datetime) -> dict[str, str]:
    return told_of([contract.deadline for contract in contracts], now, signer.zone, signer.language)
