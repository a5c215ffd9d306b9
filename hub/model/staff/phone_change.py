"""PhoneChange: a request to change the phone number of one person in all contracts.

It needs two approvals; the request itself is the first. They come from two of these: a member of staff, another member
of staff, an API client, and the person, who enters a one-time code sent to the old phone. An API client and the member
of staff who made its key count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub.errors import OwnApproval, PhoneChangeEnded

APPROVALS = 2
# A request that is not approved within this time expires.
OPEN_FOR = timedelta(days=7)
# The approver who entered the one-time code sent to the old phone and passed the identity check.
OLD_PHONE = "old-phone"
# Kind of staff task: a change waits for its second approval. Closed together with the change.
PHONE_CHANGE = "phone-change"
# If at least this many other people have the same number, the hub checks whether all of them are one family.
MIN_SHARING = 2


class PhoneChangeState(StrEnum):
    OPEN = "OPEN"
    CHANGED = "CHANGED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True)
class PhoneChange:
    """A request to change a phone number.

    `phone`: the new number (E.164). `old_hash`: keyed hash of the old one. `person`: as in `Signer`.
    `approvals`: the approver (an actor as in the record, or OLD_PHONE) → the time (ISO 8601).
    """

    id: UUID
    contract: UUID
    signer: UUID
    campus: str
    person: str
    old_hash: bytes
    phone: str
    reason: str
    state: PhoneChangeState
    asked_by: str
    asked_at: datetime
    approvals: Mapping[str, str]
    ended_at: datetime | None = None

    def open(self, now: datetime) -> bool:
        return self.state is PhoneChangeState.OPEN and now < self.asked_at + OPEN_FOR

    @property
    def expires_at(self) -> datetime:
        return self.asked_at + OPEN_FOR

    def approve(self, by: str, at: datetime) -> PhoneChange:
        """Return the change with one more approval, `CHANGED` after the last. Raises PhoneChangeEnded, OwnApproval."""
        if not self.open(at):
            raise PhoneChangeEnded
        if by in self.approvals:
            raise OwnApproval
        approvals = {**self.approvals, by: at.isoformat(timespec="seconds")}
        if len(approvals) < APPROVALS:
            return replace(self, approvals=approvals)
        return replace(self, approvals=approvals, state=PhoneChangeState.CHANGED, ended_at=at)

    def turn_down(self, by: str, at: datetime) -> PhoneChange:
        """Return the change as cancelled if `by` requested it, else as rejected. Raises PhoneChangeEnded."""
        if not self.open(at):
            raise PhoneChangeEnded
        mine = by == self.asked_by
        return replace(self, state=PhoneChangeState.CANCELLED if mine else PhoneChangeState.REJECTED, ended_at=at)


def count_families(ties: Iterable[frozenset[str]]) -> int:
    """Return the number of families among people.

    `ties`: for each person, the ties that make a family: contracts, students, documents.
    """
    found: list[frozenset[str]] = []
    for mine in ties:
        related = [family for family in found if family & mine]
        found = [family for family in found if not family & mine]
        found.append(mine.union(*related))
    return len(found)


def is_shared_by_strangers(holder: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    """Return whether the number of `holder` belongs to MIN_SHARING or more others who are not all one family."""
    there = list(others)
    return len(there) >= MIN_SHARING and count_families([holder, *there]) > 1
