"""Compute the reminder policy of a contract: the configured policy with the changes of headquarters, campus, course and
contract, in this order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from hub.model.contract.contract import Contract
from hub.model.reminders.calendar import compute_closed_days
from hub.model.reminders.policy import ReminderPolicy
from hub.model.school.course import Campus
from hub.store.reminders.policies import PolicyChange, PolicyPlace
from hub.store.transaction import Transaction

log = structlog.get_logger()


async def get_policy(tx: Transaction, base: ReminderPolicy, contract: Contract) -> ReminderPolicy:
    """Return the policy for the tasks of this contract. `base`: the configured policy."""
    return await get_policy_at(tx, base, contract.campus, contract.course, contract.id)


async def get_policy_at(
    tx: Transaction, base: ReminderPolicy, campus: str, course: str | None = None, contract: UUID | None = None
) -> ReminderPolicy:
    """Return the policy of a campus, or of a course or contract there."""
    policy = apply_policy_changes(base, await tx.policies.list_above(campus, course, contract))
    return await add_closed_days(tx, policy, campus, tx.planning_now)


@dataclass(frozen=True)
class PlacePolicies:
    """The policies of some places, and all campuses by their ids."""

    policies: Mapping[PolicyPlace, ReminderPolicy]
    campuses: Mapping[str, Campus]


async def get_policies(tx: Transaction, base: ReminderPolicy, places: Sequence[PolicyPlace]) -> PlacePolicies:
    """Return the policy of each of these places, computed once for all places with the same changes."""
    now, held = tx.planning_now, await tx.policies.get_at_all(places)
    worked_out: dict[tuple[str, ...], ReminderPolicy] = {}
    found: dict[PolicyPlace, ReminderPolicy] = {}
    for place, changes in held.changes.items():
        same = (place.campus, *(f"{each.campus} {each.kind} {each.subject}" for each in changes))
        if same not in worked_out:
            worked_out[same] = await add_closed_days(tx, apply_policy_changes(base, changes), place.campus, now)
        found[place] = worked_out[same]
    return PlacePolicies(found, held.campuses)


def apply_policy_changes(base: ReminderPolicy, changes: Iterable[PolicyChange]) -> ReminderPolicy:
    """Apply stored changes to a policy.

    A change that no longer fits the current configuration is left out and logged, so that reminders continue.
    """
    policy = base
    for change in changes:
        try:
            policy = ReminderPolicy.from_dict(change.changes, policy)
        except ValueError as error:
            log.warning("reminder policy left out", campus=change.campus, kind=change.kind, reason=str(error))
    return policy


async def add_closed_days(tx: Transaction, policy: ReminderPolicy, campus: str, now: datetime) -> ReminderPolicy:
    """Return the policy with the closed days of the campus, if it skips holidays."""
    if not policy.skip_holidays:
        return policy
    # These years are enough, since a deadline is at most a year away.
    years = range(now.year - 1, now.year + 3)
    return policy.with_closed_days(compute_closed_days(policy.holidays_of, await tx.policies.list_days(campus), years))
