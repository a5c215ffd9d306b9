"""SealRequest: the application for a seal, which two people other than the applicant have to approve. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.errors import SealApprovalTwice, SealMoveNotAllowed

SEAL_APPROVALS = 2


class SealRequestState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class SealRequest:
    """The application for one seal. `approvals`: the approver (an actor as in the record) → the time (ISO 8601)."""

    id: UUID
    seal: UUID
    campus: str
    reason: str
    asked_by: str
    asked_at: datetime
    state: SealRequestState = SealRequestState.OPEN
    approvals: Mapping[str, str] | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None

    @property
    def given(self) -> Mapping[str, str]:
        return self.approvals or {}

    def may_approve(self, by: str) -> bool:
        return self.state is SealRequestState.OPEN and by != self.asked_by and by not in self.given

    def approve(self, by: str, at: datetime) -> SealRequest:
        """Return the request with one more approval, `APPROVED` after the last.

        Raises SealMoveNotAllowed if the request has ended, SealApprovalTwice for the applicant and for a person who has
        already approved.
        """
        if self.state is not SealRequestState.OPEN:
            raise SealMoveNotAllowed(self.state.value)
        if not self.may_approve(by):
            raise SealApprovalTwice
        approvals = {**self.given, by: at.isoformat(timespec="seconds")}
        if len(approvals) < SEAL_APPROVALS:
            return replace(self, approvals=approvals)
        return replace(self, approvals=approvals, state=SealRequestState.APPROVED, ended_at=at, ended_by=by)

    def reject(self, by: str, at: datetime) -> SealRequest:
        """Return the request as rejected, which is possible even after approvals. The applicant withdraws it in the
        same way. Raises SealMoveNotAllowed if it was already rejected."""
        if self.state is SealRequestState.REJECTED:
            raise SealMoveNotAllowed(self.state.value)
        return replace(self, state=SealRequestState.REJECTED, ended_at=at, ended_by=by)
