"""Create staff tasks for acts that wait for somebody else's approval, and finish them with the decision."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import uuid4

from hub.lifecycle.services import Services
from hub.model.staff.accounts import StaffTask
from hub.model.staff.roles import Permission, may
from hub.model.staff.task_outcome import MOOT
from hub.router.policy import get_policy_at
from hub.store.transaction import Transaction

APPROVE_TEXT = "approve-text"
ISSUE_WAITS = "Contracts wait for somebody else's approval. Nothing is issued before that."
TEXT_WAITS = "A changed text waits for the approval of somebody who wrote none of it."


@dataclass(frozen=True)
class ApprovalTask:
    """An act that waits. `address`: the page on which it is approved. `campus`: the campus of the task. `of_campus`:
    accounts of this campus and of those above it may approve if they have `permission`. `asked_by`: the actors who may
    not approve."""

    kind: str
    sentence: str
    address: str
    campus: str
    of_campus: str
    permission: Permission
    asked_by: Collection[str]

    @property
    def text(self) -> str:
        return f"{self.sentence}\n{self.address}"


async def add_approval_task(services: Services, tx: Transaction, wanted: ApprovalTask) -> None:
    """Create the task, and give it to the first account that may approve: of this campus, then of those above it.

    If there is no such account, it gets an owner like any other task.
    """
    task = StaffTask(uuid4(), wanted.kind, wanted.text, wanted.campus, tx.now)
    if not await tx.staff_tasks.add_task_once(task, same_text=True):
        return
    above = await tx.school.list_campuses_above(wanted.of_campus)
    nearest_first = sorted(await tx.owners.list_at(above), key=lambda each: above.index(each.campus))
    able = (each for each in nearest_first if may(each.role, wanted.permission))
    owner = next((each for each in able if each.actor not in wanted.asked_by), None)
    if owner is not None:
        policy, now = await get_policy_at(tx, services.messaging.policy, wanted.campus), tx.planning_now
        await tx.owners.give(task.id, owner.id, now, now + policy.escalate_within, now + policy.climbs_after)


async def finish_approval_task(tx: Transaction, kind: str, address: str, actor: str) -> None:
    """Finish the task of this kind about this page, because it was decided."""
    await tx.staff_tasks.finish_about(kind, address, (actor, MOOT), tx.now)
