"""Which reminder policy holds where: configuration, then headquarters, campus, course, contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from hub.model.contract.contract import Contract
from hub.model.reminders.calendar import closed_days
from hub.model.reminders.policy import ReminderPolicy
from hub.model.school.course import Campus
from hub.store.reminders.policies import PolicyChange, PolicyPlace
from hub.store.transaction import Transaction

log = structlog.get_logger()


async def policy_of(tx: Transaction, base: ReminderPolicy, contract: Contract) -> ReminderPolicy:
    """The policy for all tasks of this contract. `base` is that of the configuration."""
    return await policy_at(tx, base, contract.campus, contract.course, contract.id)


async def policy_at(
    tx: Transaction, base: ReminderPolicy, campus: str, course: str | None = None, contract: UUID | None = None
) -> ReminderPolicy:
    policy = cascade(base, await tx.policies.above(campus, course, contract))
    return await with_calendar(tx, policy, campus, tx.planning_now)


@dataclass(frozen=True)
class PlacePolicies:
    """The policies of some places, and all campuses by their ids."""

    policies: Mapping[PolicyPlace, ReminderPolicy]
    campuses: Mapping[str, Campus]


async def policies_of(tx: Transaction, base: ReminderPolicy, places: Sequence[PolicyPlace]) -> PlacePolicies:
    """Return the policy of each of these places, worked out once for all where the same changes hold."""
    now, held = tx.planning_now, await tx.policies.at_all(places)
    worked_out: dict[tuple[str, ...], ReminderPolicy] = {}
    found: dict[PolicyPlace, ReminderPolicy] = {}
    for place, changes in held.changes.items():
        same = (place.campus, *(f"{each.campus} {each.kind} {each.subject}" for each in changes))
        if same not in worked_out:
            worked_out[same] = await with_calendar(tx, cascade(base, changes), place.campus, now)
        found[place] = worked_out[same]
    return PlacePolicies(found, held.campuses)


def cascade(base: ReminderPolicy, changes: Iterable[PolicyChange]) -> ReminderPolicy:
    """What was checked when it was saved may not fit a configuration that changed since. Reminders do not stop for
    that: such a change is left out, and said. One that is only beyond a bound counts as the bound."""
    policy = base
    for change in changes:
        try:
            policy = ReminderPolicy.from_stored(change.changes, policy)
        except ValueError as error:
            log.warning("reminder policy left out", campus=change.campus, kind=change.kind, reason=str(error))
    return policy


async def with_calendar(tx: Transaction, policy: ReminderPolicy, campus: str, now: datetime) -> ReminderPolicy:
    """The closed days that a plan beginning now can meet: a deadline is at most a year away."""
    if not policy.skip_holidays:
        return policy
    years = range(now.year - 1, now.year + 3)
    return policy.with_closed_days(closed_days(policy.holidays_of, await tx.policies.calendar(campus), years))
