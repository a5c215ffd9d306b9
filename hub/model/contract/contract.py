"""Contract: one document to be signed, and the legal moves of its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from hub.errors import IllegalMove

FIRST_RETRY = timedelta(minutes=1)
# Between two tries of what the hub itself has to do for a contract.
MAX_RETRY_INTERVAL = timedelta(hours=1)
TRIES_BEFORE_STAFF = 5
# The reason of a stuck contract: a reminder, or another way of a message, raises an error each time.
STEP_FAILED = "step-failed"
# So long a step has to raise errors before staff hear of it: what passes by itself is no work for anybody.
TOLD_AFTER = timedelta(minutes=10)


class ContractState(StrEnum):
    """The names say who acts next: staff, the signers, the hub; then the final ones."""

    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    SIGNED = "SIGNED"
    COMPLETED = "COMPLETED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    VOIDED = "VOIDED"
    SIGNED_ON_PAPER = "SIGNED_ON_PAPER"

    @property
    def final(self) -> bool:
        return self not in (ContractState.DRAFT, ContractState.ISSUED, ContractState.SIGNED)

    @property
    def kind(self) -> str:
        """Of the record entry that is written together with it."""
        return self.value.lower().replace("_", "-")


_S = ContractState

# Every legal move. A draft is there only within the transaction that issues it. A signed contract can only be
# completed: both sides are bound, and the hub's own trouble is no way out.
MOVES: Mapping[ContractState, frozenset[ContractState]] = {
    _S.DRAFT: frozenset({_S.ISSUED}),
    _S.ISSUED: frozenset({_S.SIGNED, _S.DECLINED, _S.EXPIRED, _S.VOIDED, _S.SIGNED_ON_PAPER}),
    _S.SIGNED: frozenset({_S.COMPLETED}),
    _S.COMPLETED: frozenset(),
    _S.DECLINED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.VOIDED: frozenset(),
    _S.SIGNED_ON_PAPER: frozenset(),
}


def check_move(before: ContractState, after: ContractState) -> None:
    """Raise `IllegalMove` unless `MOVES` holds the move."""
    if after not in MOVES[before]:
        raise IllegalMove(f"a contract cannot go from the first of these states to the second:\n{before}\n{after}")


def wait_after(tries: int) -> timedelta:
    """Until the job is asked for again: 1 min, doubling up to an hour. `tries`: how often it was asked for again."""
    factor: int = 2 ** min(tries, 10)
    return min(FIRST_RETRY * factor, MAX_RETRY_INTERVAL)


def retry_after_error(since: datetime, now: datetime) -> timedelta:
    """Until something that raises is tried again: as long as it has been due, from 1 min up to an hour."""
    return min(max(now - since, FIRST_RETRY), MAX_RETRY_INTERVAL)


@dataclass(frozen=True)
class Contract:
    """One document to be signed.

    `version` rises with every write (compare-and-set). `revision` counts the signatures embedded so far. `document` is
    the SHA-256 (lower-case hex) of the current file, `issued_sha256` that of the file as it was issued, with its
    signature fields. Up to `deadline` signers may sign. `stuck_since` and `stuck_reason` show a signed contract that
    the hub could not finish yet, or one of which a message cannot be sent (`STEP_FAILED`).
    Only a list holds one that is not `readable`: its `data` cannot be opened with our key, and is empty.
    """

    id: UUID
    number: str
    campus: str
    state: ContractState
    version: int
    template: str
    template_version: str
    language: str
    title: str
    deadline: datetime
    created_at: datetime
    course: str | None = None
    external_id: str | None = None
    enrolment: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    readable: bool = True
    document: str | None = None
    issued_sha256: str | None = None
    revision: int = 0
    pages: int = 0
    fields: tuple[str, ...] = ()
    issued_at: datetime | None = None
    completed_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    replaces: UUID | None = None
    replaced_by: UUID | None = None
    stuck_since: datetime | None = None
    stuck_reason: str | None = None

    @property
    def document_sha256(self) -> str:
        """Hash of the issued file with its signature fields. Only a draft has none."""
        if self.issued_sha256 is None:
            raise IllegalMove("the contract has not been issued yet")
        return self.issued_sha256
