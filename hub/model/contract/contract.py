"""Contract: one document to be signed, and the legal transitions between its states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from hub.errors import IllegalMove

# Shortest and longest pause before the hub retries its own work on a contract.
FIRST_RETRY = timedelta(minutes=1)
MAX_RETRY_INTERVAL = timedelta(hours=1)
# Failed tries before staff get a task.
TRIES_BEFORE_STAFF = 5
# Kinds of versions beside those of the PDF: the OFD as issued, and with the school's seal.
OFD_ISSUED = "issued-ofd"
OFD_FINAL = "final-ofd"
# `stuck_reason` of a contract with a message that cannot be sent, because each attempt raises an error.
STEP_FAILED = "step-failed"
# Staff are told about a failing step only after this time, since many errors go away by themselves.
STUCK_ALERT_DELAY = timedelta(minutes=10)


class ContractState(StrEnum):
    """States of a contract: those in which staff, the signers or the hub act next, then the final ones."""

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
        """The kind of record entry that is written together with this state."""
        return self.value.lower().replace("_", "-")


_S = ContractState

# All legal transitions. DRAFT is the state of a contract before it is written. A signed contract can only be completed:
# both sides are bound, whatever technical problems the hub has.
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
    """Check that `MOVES` allows this transition. Raises IllegalMove."""
    if after not in MOVES[before]:
        raise IllegalMove(f"a contract cannot go from the first of these states to the second:\n{before}\n{after}")


def compute_backoff(tries: int) -> timedelta:
    """Return the pause after this many `tries`: 1 minute for none, doubled with each, at most an hour."""
    factor: int = 2 ** min(tries, 10)
    return min(FIRST_RETRY * factor, MAX_RETRY_INTERVAL)


def compute_error_backoff(since: datetime, now: datetime) -> timedelta:
    """Return the pause after an error: as long as the step has been due, but at least 1 minute and at most an hour."""
    return min(max(now - since, FIRST_RETRY), MAX_RETRY_INTERVAL)


@dataclass(frozen=True)
class Contract:
    """One document to be signed.

    `version`: incremented by each write (compare-and-set).
    `revision`: number of signatures embedded so far.
    `document`: SHA-256 (lower-case hex) of the current file.
    `issued_sha256`: SHA-256 (hex) of the file as issued, with empty signature fields.
    `issued_ofd_sha256`: SHA-256 (hex) of the contract as OFD, if it is also issued as OFD; `final_ofd_sha256`: of the
    OFD file with the school's SM2 seal.
    `deadline`: until when signers may sign.
    `asks`: whether a signer has to fill in something before it can be signed. `answered`: whether they have done so.
    `set_id`: the same for all documents that are issued together for one enrolment, and signed in one visit.
    `stuck_since`, `stuck_reason`: set while the hub cannot finish a signed contract, or cannot send one of its messages
    (`STEP_FAILED`).
    `readable`: False if `data` cannot be decrypted with the hub's key and is therefore empty, which only lists allow.
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
    issued_ofd_sha256: str | None = None
    final_ofd_sha256: str | None = None
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
    set_id: UUID | None = None
    asks: bool = False
    answered: bool = False

    def issue(self, document: str, at: datetime) -> Contract:
        """Return this draft as issued, with its file (SHA-256 in hex). Raises IllegalMove for any other contract."""
        check_move(self.state, ContractState.ISSUED)
        return replace(self, state=ContractState.ISSUED, document=document, issued_sha256=document, issued_at=at)

    @property
    def lacks_answers(self) -> bool:
        """Whether the signer has to fill in something before the contract can be signed."""
        return self.asks and not self.answered

    @property
    def ofd_sha256(self) -> str | None:
        """SHA-256 (hex) of its current OFD file: as sealed if completed, else as issued. None if it has no OFD."""
        return self.final_ofd_sha256 if self.state is ContractState.COMPLETED else self.issued_ofd_sha256

    @property
    def document_sha256(self) -> str:
        """SHA-256 (hex) of the file as issued. Raises IllegalMove for a draft, which has no file."""
        if self.issued_sha256 is None:
            raise IllegalMove("the contract has not been issued yet")
        return self.issued_sha256
