"""Escalate: if reminders do not help, give staff a task with an owner and a due time, and send owners a daily digest.

Every open staff task gets an owner, whatever it is about. If the owner does not take it, it goes to the campus manager.
The signer is still reminded until the contract reaches a final state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import BadInput, NotFound
from hub.lifecycle.reminders.approval_tasks import list_assignable
from hub.lifecycle.services import Services
from hub.model.contract.signer import Signer
from hub.model.reminders.due_step import Due
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import StepKind
from hub.model.staff.accounts import OPTED_OUT, Staff, StaffTask
from hub.model.staff.roles import LEADING_ROLES, Permission, may
from hub.model.staff.scope import EVERYTHING, Scope
from hub.router.policy import get_policy, get_policy_at
from hub.store.staff.task_assignment import Load
from hub.store.transaction import Transaction

# The kind of the staff task. The hub finishes it when the signer has signed, or the contract has ended.
UNANSWERED = "unanswered"
REMINDERS = "Several reminders went unanswered. Qianda goes on reminding; a call may help."
LAST_CALL = "The last reminder went out, and the contract is still not signed. A call may help."
SILENT = "This number asked for no more messages: Qianda neither writes to it nor calls it. Reach this signer yourself."
SILENT_BUT_MAIL = (
    "This number asked for no more messages: Qianda writes to this signer by e-mail alone. A talk may help."
)
DIGEST = "digest"


def staff_task_after(due: Due, reminders_sent: int, now: datetime) -> StaffTask | None:
    """Return the staff task that this message causes, or None.

    A task follows every `escalate_after` unanswered reminders and the last call. `reminders_sent` includes this one;
    `now` is real time.
    """
    if due.step.kind is StepKind.LAST_CALL:
        text = LAST_CALL
    elif due.step.kind is StepKind.REMINDER and due.step.number >= due.policy.escalate_after:
        if reminders_sent % due.policy.escalate_after:
            return None
        text = REMINDERS
    else:
        return None
    contract, signer = due.contract, due.signer
    return StaffTask(uuid4(), UNANSWERED, text, contract.campus, now, contract.id, signer.id)


def opted_out_task(signer: Signer, now: datetime, *, by_mail: bool) -> StaffTask:
    """Return the staff task about a signer whose number has opted out. `by_mail`: e-mail is still possible. `now` is
    real time."""
    text = SILENT_BUT_MAIL if by_mail else SILENT
    return StaffTask(uuid4(), OPTED_OUT, text, signer.campus, now, signer.contract, signer.id)


async def escalate_tasks(services: Services) -> None:
    """Assign owners to staff tasks, pass on tasks not taken, and send digests. Several workers may do so at once."""
    async with services.database.transaction(EVERYTHING) as tx:
        now = tx.planning_now
        for task in await tx.owners.lock_tasks_without():
            policy = await _policy(services, tx, task)
            owner = await _owner(tx, task, policy)
            await tx.owners.give(
                task.id, owner.id if owner else None, now, now + policy.escalate_within, now + policy.climbs_after
            )
        for task in await tx.owners.lock_not_taken(now):
            leader = _find_leader(await list_assignable(tx, task))
            await tx.owners.pass_up(task.id, leader.id if leader else task.owner, now)
    if services.messaging.addressees:
        await _add_digests(services)


async def _policy(services: Services, tx: Transaction, task: StaffTask) -> ReminderPolicy:
    if task.contract:
        return await get_policy(tx, services.messaging.policy, await tx.contracts.get(task.contract))
    return await get_policy_at(tx, services.messaging.policy, task.campus)


async def _owner(tx: Transaction, task: StaffTask, policy: ReminderPolicy) -> Staff | None:
    """Return the account that the policy names, else the contract's issuer, else the manager of the campus or of the
    nearest campus above it, else anybody who may finish the task, else None."""
    able = await list_assignable(tx, task)
    issuer = await tx.record.find_actor(task.contract, "issued") if task.contract else None
    named = next((each for each in able if each.login == policy.escalate_to), None)
    issued = next((each for each in able if each.actor == issuer), None)
    return named or issued or _find_leader(able) or next(iter(able), None)


def _find_leader(able: Sequence[Staff]) -> Staff | None:
    """Return the manager of the first campus that has one. At headquarters, other leaders count too. `able`: as
    `list_assignable` returns them."""
    leaders = [each for each in able if each.role in LEADING_ROLES]
    nearest = [each for each in leaders if each.campus == leaders[0].campus]
    return min(nearest, key=lambda each: LEADING_ROLES.index(each.role), default=None)


# ---- the daily digest


async def _add_digests(services: Services) -> None:
    """Alert each member of staff who owns tasks, once a day at the time of the digest."""
    async with services.database.transaction(EVERYTHING) as tx:
        now = tx.planning_now
        for load in await tx.owners.list_loads(now):
            moment = await _digest_moment(services, tx, load.staff, now)
            is_due = load.first_owned_at <= moment <= now and (load.told_on is None or load.told_on < moment.date())
            if is_due and await tx.owners.note_digest(load.staff.id, moment.date()):
                await tx.alerts.add(DIGEST, _facts(load), tx.now, load.staff.campus)


async def _digest_moment(services: Services, tx: Transaction, staff: Staff, now: datetime) -> datetime:
    """Return the moment of today's digest, in the time zone of the campus where the member of staff works."""
    zone = ZoneInfo((await tx.school.get_campus(staff.campus)).zone)
    policy = await get_policy_at(tx, services.messaging.policy, staff.campus)
    return datetime.combine(now.astimezone(zone).date(), policy.digest_at, zone)


def _facts(load: Load) -> dict[str, str | int]:
    """Return the values of a digest. They name staff only, never a signer."""
    return {"name": load.staff.name, "open": load.open, "overdue": load.overdue}


# ---- what staff do


async def take_task(services: Services, scope: Scope, task: UUID, staff: Staff) -> None:
    """Let a member of staff take a task. Raises NotFound for a task that is done, or of another campus; BadInput if
    they may not finish it."""
    await _find_able(services, scope, task, staff.login)
    async with services.database.transaction(scope) as tx:
        if not await tx.owners.take(task, staff.id, tx.planning_now):
            raise NotFound


async def assign_task(services: Services, scope: Scope, task_id: UUID, login: str) -> None:
    """Give a task to the account with this login. Raises NotFound; BadInput for an account that may not finish it."""
    task, staff = await _find_able(services, scope, task_id, login)
    async with services.database.transaction(scope) as tx:
        now, policy = tx.planning_now, await _policy(services, tx, task)
        await tx.owners.hand(task_id, staff.id, now, now + policy.climbs_after)


async def _find_able(services: Services, scope: Scope, task_id: UUID, login: str) -> tuple[StaffTask, Staff]:
    """Return an open task and the account, if it may finish the task. Raises NotFound, BadInput."""
    async with services.database.transaction(scope) as tx:
        task = await tx.staff_tasks.find_task(task_id)
    if task is None or task.done_at is not None:
        raise NotFound
    async with services.database.transaction(EVERYTHING) as tx:
        staff = next((each for each in await list_assignable(tx, task) if each.login == login), None)
    if staff is None:
        raise BadInput("this account may not finish the task", field="login")
    return task, staff


async def check_named(tx: Transaction, campus: str, login: str) -> None:
    """Raise BadInput if there is no account with this login, or if it may not finish tasks of this campus."""
    staff = await tx.owners.find_named(login) if login else None
    above = await tx.school.list_campuses_above(campus)
    if login and (staff is None or staff.campus not in above or not may(staff.role, Permission.SETTLE_TASK)):
        raise BadInput("no account with this login at this campus or above it", field="escalate_to")
