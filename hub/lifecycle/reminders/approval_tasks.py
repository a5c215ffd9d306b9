"""Create staff tasks for acts that wait for somebody else's approval, and finish them with the decision.

Nobody approves what they asked for themselves, so such a task is never given to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from hub.lifecycle.evidence.school_acts import find_key_maker
from hub.lifecycle.services import Services
from hub.model.school.issue_many import APPROVE_ISSUE
from hub.model.school.text_version import TextKind
from hub.model.staff.accounts import Staff, StaffTask
from hub.model.staff.phone_change import PHONE_CHANGE
from hub.model.staff.roles import Permission, may
from hub.model.staff.task_outcome import MOOT
from hub.router.policy import get_policy_at
from hub.store.transaction import Transaction

APPROVE_TEXT = "approve-text"
ISSUE_WAITS = "Contracts wait for somebody else's approval. Nothing is issued before that."
TEXT_WAITS = "A changed text waits for the approval of somebody who wrote none of it."


@dataclass(frozen=True)
class ApprovalTask:
    """An act that waits. `address`: the page on which it is approved. `campus`: the campus of the task."""

    kind: str
    sentence: str
    address: str
    campus: str

    @property
    def text(self) -> str:
        return f"{self.sentence}\n{self.address}"


@dataclass(frozen=True)
class Finishers:
    """Who may finish a task: accounts of `campus` and of those above it that have `permission`. `asked_by`: the actors
    who may not, because the task is to approve what they asked for."""

    campus: str
    permission: Permission
    asked_by: frozenset[str] = frozenset()

    def include(self, staff: Staff) -> bool:
        return may(staff.role, self.permission) and staff.actor not in self.asked_by


async def find_finishers(tx: Transaction, task: StaffTask) -> Finishers:
    """Return who may finish this task. For a phone change, the transaction's scope must be all campuses."""
    address = task.text.splitlines()[-1].split("/") if task.text else []
    if task.kind == APPROVE_TEXT:
        version = await tx.text_versions.get(TextKind(address[-3]), address[-2], address[-1])
        writers = frozenset((*version.writers, version.submitted_by or ""))
        return Finishers(task.campus, Permission.APPROVE_TEMPLATES, writers)
    if task.kind == APPROVE_ISSUE and (act := await tx.issue_acts.find(UUID(address[-1]))):
        return Finishers(act.campus, Permission.APPROVE_ISSUE, frozenset({act.asked_by}))
    if task.kind == PHONE_CHANGE and task.signer:
        change = await tx.phone_changes.find_open((await tx.contracts.get_signer(task.signer)).person)
        if change is not None:
            asked = frozenset((change.asked_by, await find_key_maker(tx, change.asked_by) or ""))
            return Finishers(task.campus, Permission.CHANGE_PHONE, asked)
    return Finishers(task.campus, Permission.SETTLE_TASK)


async def list_assignable(tx: Transaction, task: StaffTask) -> list[Staff]:
    """Return the staff to whom a task can be given: those of its campus first, then those of each campus above it,
    sorted by name. Scope: see `find_finishers`."""
    return await list_staff_of(tx, await find_finishers(tx, task))


async def list_staff_of(tx: Transaction, finishers: Finishers) -> list[Staff]:
    """Return the staff who may finish a task, in the order of `list_assignable`."""
    above = await tx.school.list_campuses_above(finishers.campus)
    there = sorted(await tx.owners.list_at(above), key=lambda each: above.index(each.campus))
    return [each for each in there if finishers.include(each)]


async def add_approval_task(services: Services, tx: Transaction, wanted: ApprovalTask) -> None:
    """Create the task, and give it to the first account that may approve: of this campus, then of those above it.

    If there is no such account, it gets an owner like any other task.
    """
    task = StaffTask(uuid4(), wanted.kind, wanted.text, wanted.campus, tx.now)
    if not await tx.staff_tasks.add_task_once(task, same_text=True):
        return
    owner = next(iter(await list_assignable(tx, task)), None)
    if owner is not None:
        policy, now = await get_policy_at(tx, services.messaging.policy, wanted.campus), tx.planning_now
        await tx.owners.give(task.id, owner.id, now, now + policy.escalate_within, now + policy.climbs_after)


async def finish_approval_task(tx: Transaction, kind: str, address: str, actor: str) -> None:
    """Finish the task of this kind about this page, because it was decided."""
    await tx.staff_tasks.finish_about(kind, address, (actor, MOOT), tx.now)
