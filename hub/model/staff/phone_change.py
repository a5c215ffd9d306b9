"""PhoneChange: the wish to change one person's phone number, everywhere.

Two have to approve it, and whoever asks is the first: two members of staff, a program of the school and one of them,
or one of either and the old phone's own code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub.errors import OwnApproval, PhoneChangeEnded

APPROVALS = 2
# A wish that nobody approved by then is no longer one.
OPEN_FOR = timedelta(days=7)
# The approval of whoever entered the one-time code that went to the old phone, and passed the identity check.
OLD_PHONE = "old-phone"
# The kind of the staff task: a change waits for its second approval. It is settled with the change.
PHONE_CHANGE = "phone-change"
# So many others may have a number before somebody looks whether they are all of one family.
MAX_SHARING = 2


class PhoneChangeState(StrEnum):
    OPEN = "OPEN"
    CHANGED = "CHANGED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True)
class PhoneChange:
    """`phone` is the new number (E.164), `old_hash` finds the old one. `person` as in `Signer`. `approvals`: who (an
    actor as in the record, or OLD_PHONE) and when (ISO 8601)."""

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

    def approved(self, by: str, at: datetime) -> PhoneChange:
        """With one approval more; the last one changes the state. Raises PhoneChangeEnded, OwnApproval."""
        if not self.open(at):
            raise PhoneChangeEnded
        if by in self.approvals:
            raise OwnApproval
        approvals = {**self.approvals, by: at.isoformat(timespec="seconds")}
        if len(approvals) < APPROVALS:
            return replace(self, approvals=approvals)
        return replace(self, approvals=approvals, state=PhoneChangeState.CHANGED, ended_at=at)

    def turned_down(self, by: str, at: datetime) -> PhoneChange:
        """Whoever asked takes it back; anybody else rejects it. Raises PhoneChangeEnded."""
        if not self.open(at):
            raise PhoneChangeEnded
        mine = by == self.asked_by
        return replace(self, state=PhoneChangeState.CANCELLED if mine else PhoneChangeState.REJECTED, ended_at=at)


def families(ties: Iterable[frozenset[str]]) -> int:
    """How many families people are. `ties` holds, for each of them, what they share with their family: contracts,
    students, documents."""
    found: list[frozenset[str]] = []
    for mine in ties:
        related = [family for family in found if family & mine]
        found = [family for family in found if not family & mine]
        found.append(mine.union(*related))
    return len(found)


def shared_by_strangers(holder: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    """Whether a number that `holder` has, or is to have, belongs to several others, and not all are one family."""
    there = list(others)
    return len(there) >= MAX_SHARING and families([holder, *there]) > 1
