"""Change when, how and on which days signers are reminded. A job then reschedules the planned steps."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import BadInput, IllegalMove
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.reminders.escalate import check_named
from hub.lifecycle.reminders.reschedule import last_step, replan_later, replan_under_new_policy
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Signer, TaskState
from hub.model.reminders.calendar import SchoolDay
from hub.model.reminders.policy import CHANNELS, ReminderPolicy
from hub.model.reminders.schedule import (
    NextStep,
    ReminderPlan,
    StepKind,
    first_step,
    following_step,
    replanned,
    spread_of,
)
from hub.model.school.entered_day import default_deadline
from hub.model.staff.scope import Scope
from hub.router.policy import add_closed_days
from hub.store.reminders.policies import PolicyChange, PolicyPlace
from hub.store.transaction import Transaction

MIDDLE = 0.5
MAX_DAYS, MAX_NAME_LENGTH = 1000, 60
MAX_CALENDAR_BYTES = 256 * 1024
OPEN = {"open": True, "closed": False, "开": True, "开放": True, "休": False, "放假": False}


@dataclass(frozen=True)
class PolicyLevels:
    """The policies of one place. `own`: the changes made at this place; `above`: the policy that it inherits; `here`:
    the policy that results."""

    own: Mapping[str, Any]
    above: ReminderPolicy
    here: ReminderPolicy


async def change_policy(
    services: Services, scope: Scope, place: PolicyPlace, changes: Mapping[str, Any], actor: str
) -> None:
    """Replace the changes of a campus or course. With empty `changes`, it follows the policy above it.

    Raises BadInput with key and reason, also if the policy of a campus or course below becomes invalid.
    """
    change = _change(place, changes)
    _check_configured(services, changes)
    async with services.database.transaction(scope) as tx:
        await tx.policies.put(change, actor, tx.now)
        await _check(services, tx, change)
        await check_named(tx, place.campus, str(changes.get("escalate_to", "")))
        await replan_later(tx, place.campus, place.course)
        facts = {"campus": place.campus, "keys": ", ".join(sorted(changes))}
        await record_act(
            tx, place.campus, "policy-changed", actor, facts | ({"course": place.course} if place.course else {})
        )


async def change_policy_of(
    services: Services, scope: Scope, contract_id: UUID, changes: Mapping[str, Any], actor: str
) -> None:
    """Replace the changes of one contract, as `change_policy` does, and reschedule its steps at once.

    Raises BadInput, and IllegalMove if no signature is due for the contract.
    """
    _check_configured(services, changes)
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        if contract.state is not ContractState.ISSUED:
            raise IllegalMove("no signature is due for this contract")
        change = _change(PolicyPlace(contract.campus, contract.course, contract.id), changes)
        await tx.policies.put(change, actor, tx.now)
        applied(services.messaging.policy, await tx.policies.list_above(contract.campus, contract.course, contract.id))
        await check_named(tx, contract.campus, str(changes.get("escalate_to", "")))
        facts = {"keys": ", ".join(sorted(changes))}
        await tx.record.append(contract.id, contract.campus, "reminders-changed", actor, facts)
        await replan_under_new_policy(services, tx, [contract.id])


async def change_calendar(services: Services, scope: Scope, campus: str, data: bytes, actor: str) -> list[SchoolDay]:
    """Replace the campus's own days by those of a CSV file, and return them. Raises BadInput with the line."""
    days = read_calendar(data)
    async with services.database.transaction(scope) as tx:
        await tx.policies.put_calendar(campus, days)
        await replan_later(tx, campus, None)
        await record_act(tx, campus, "calendar-changed", actor, {"campus": campus, "number_of": len(days)})
    return days


async def get_policies_at(
    services: Services, tx: Transaction, place: PolicyPlace, instead: Mapping[str, Any] | None = None
) -> PolicyLevels:
    """Return the policies at a place, or those that would apply with the changes `instead` there.

    Raises BadInput with key and reason.
    """
    mine = _change(place, {})
    _check_configured(services, instead or {})
    await check_named(tx, place.campus, str((instead or {}).get("escalate_to", "")))
    found = await tx.policies.list_above(place.campus, place.course, place.contract)
    own = next((each.changes for each in found if _same(each, mine)), {})
    above = applied(services.messaging.policy, [each for each in found if not _same(each, mine)])
    decided = _change(place, own if instead is None else instead)
    here = applied(above, [decided])
    return PolicyLevels(own, above, await add_closed_days(tx, here, place.campus, tx.planning_now))


def applied(policy: ReminderPolicy, changes: Iterable[PolicyChange]) -> ReminderPolicy:
    """Return `policy` with these changes. Raises BadInput with key and reason for the first change that is invalid."""
    for change in changes:
        try:
            policy = ReminderPolicy.from_dict(change.changes, policy)
        except ValueError as error:
            key, _, reason = str(error).partition(": ")
            raise BadInput(reason, field=key) from error
    return policy


def preview_plan(policy: ReminderPolicy, now: datetime, zone: ZoneInfo) -> list[NextStep]:
    """Return all steps that a contract would have if it were issued now, with the usual deadline, and never signed."""
    deadline = default_deadline(now.astimezone(zone).date(), zone.key)
    plan = ReminderPlan(policy, now, deadline, zone, MIDDLE)
    return _walk(plan, first_step(plan, "now"))


async def list_plans(
    tx: Transaction, policy: ReminderPolicy, contract: Contract
) -> list[tuple[Signer, list[NextStep]]]:
    """Return the steps that follow for each signer of the contract whose turn it is, if nobody signs."""
    signers = {signer.id: signer for signer in await tx.contracts.list_signers(contract.id)}
    deliveries, now = await tx.deliveries.list_of_contract(contract.id), tx.planning_now
    plans: list[tuple[Signer, list[NextStep]]] = []
    for task in await tx.tasks.list_of_contract(contract.id):
        if task.state is not TaskState.OPEN or task.step is None or task.invited_at is None:
            continue
        zone = ZoneInfo(signers[task.signer].zone)
        plan = ReminderPlan(policy, task.invited_at, contract.deadline, zone, spread_of(task.id))
        first = replanned(plan, old=task.step, done=last_step(task, deliveries), now=now, new_policy=True)
        plans.append((signers[task.signer], _walk(plan, first)))
    return plans


def _walk(plan: ReminderPlan, first: NextStep) -> list[NextStep]:
    steps = [first]
    while steps[-1].kind is not StepKind.EXPIRY:
        steps.append(following_step(plan, done=steps[-1], now=steps[-1].due_at))
    return steps


def read_calendar(data: bytes) -> list[SchoolDay]:
    """Read lines like `2027-01-02,closed,name`; headings and empty lines are skipped. Raises BadInput with the line."""
    lines = csv.reader(_text(data).splitlines())
    days: dict[date, SchoolDay] = {}
    try:
        for number, row in enumerate(lines, 1):
            if not any(row) or (number == 1 and not row[0][:1].isdigit()):
                continue
            each = _day(number, [cell.strip() for cell in row])
            days[each.day] = each
            if len(days) > MAX_DAYS:
                raise BadInput(f"at most {MAX_DAYS} days", field="calendar")
    except csv.Error:
        raise _wrong_line(lines.line_num) from None
    return sorted(days.values(), key=lambda each: each.day)


def _text(data: bytes) -> str:
    if len(data) > MAX_CALENDAR_BYTES:
        raise BadInput("the calendar is too long", field="calendar")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadInput("this is not a text file", field="calendar")


def _day(number: int, row: list[str]) -> SchoolDay:
    day, is_open, name = (*row, "", "")[:3]
    shown = "".join(character for character in name if character.isprintable())
    try:
        return SchoolDay(date.fromisoformat(day), OPEN[is_open.lower()], shown[:MAX_NAME_LENGTH])
    except (ValueError, KeyError):
        raise _wrong_line(number) from None


def _wrong_line(number: int) -> BadInput:
    return BadInput(f"line {number}: has to be like 2027-01-02,closed,name", field="calendar")


async def _check(services: Services, tx: Transaction, change: PolicyChange) -> None:
    """Check the policy of the changed place and of each place below it that has changes. Raises BadInput."""
    below = await tx.school.get_scope_below(change.campus)
    decided = [each for each in await tx.policies.list_all() if change.kind == "campus" and below.covers(each.campus)]
    for campus, course in dict.fromkeys((each.campus, _course(each)) for each in (change, *decided)):
        applied(services.messaging.policy, await tx.policies.list_above(campus, course))


def _check_configured(services: Services, changes: Mapping[str, Any]) -> None:
    """Raise BadInput for a channel without a configured provider."""
    for key, value in changes.items():
        for channel in value if key.endswith("_through") and isinstance(value, list) else ():
            if channel in CHANNELS and channel not in services.messaging.router.configured:
                raise BadInput(f"no provider of this channel is configured:\n{channel}", field=key)


def _course(change: PolicyChange) -> str | None:
    return change.subject if change.kind == "course" else None


def _change(place: PolicyPlace, changes: Mapping[str, Any]) -> PolicyChange:
    if place.contract:
        return PolicyChange(place.campus, "contract", str(place.contract), changes)
    if place.course:
        return PolicyChange(place.campus, "course", place.course, changes)
    return PolicyChange(place.campus, "campus", place.campus, changes)


def _same(one: PolicyChange, other: PolicyChange) -> bool:
    return (one.campus, one.kind, one.subject) == (other.campus, other.kind, other.subject)
