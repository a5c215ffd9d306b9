"""An act of staff on many contracts: the request, and the verdict on each contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from hub.model.board.act_progress import ActFailure, ActProgress
from hub.model.contract.contract import Contract, ContractState

# Maximum number of contracts in one act.
MAX_CONTRACTS = 5000
# States in which both sides are bound.
_BOUND = (ContractState.SIGNED, ContractState.COMPLETED, ContractState.SIGNED_ON_PAPER)


class BulkKind(StrEnum):
    """What an act does. The values are stored in the database and must not change."""

    EXTEND = "extend"
    REISSUE = "reissue"
    VOID = "void"


class BulkVerdict(StrEnum):
    """What an act does or did to one contract. The values are stored in the database and must not change.

    `REISSUED`: the contract had expired, so a new one with the new deadline replaces it. `NEEDS_ISSUE`: likewise, but
    the person who asked may not issue contracts. `LATER`: its deadline already is the new one, or a later one. `BOUND`:
    everybody has signed. `ENDED`: it has ended in another way. `REPLACED`: another contract has already replaced it.
    """

    DONE = "done"
    REISSUED = "reissued"
    NEEDS_ISSUE = "needs-issue"
    LATER = "later"
    BOUND = "bound"
    ENDED = "ended"
    REPLACED = "replaced"
    FAILED = "failed"

    @property
    def acts(self) -> bool:
        """Whether the contract is changed."""
        return self in (BulkVerdict.DONE, BulkVerdict.REISSUED)


@dataclass(frozen=True)
class BulkAct:
    """A request to change many contracts.

    `campus`: the campus of the person who asked. `deadline`: for EXTEND, the last day in the time zone of each campus.
    `reason`: for VOID; deleted when the act is done, since each contract then has it. `may_issue`: whether the person
    who asked may issue contracts.
    """

    id: UUID
    campus: str
    kind: BulkKind
    asked_by: str
    asked_at: datetime
    deadline: date | None = None
    reason: str | None = None
    may_issue: bool = False


BulkProgress = ActProgress[BulkAct, BulkVerdict]


@dataclass(frozen=True)
class BulkEnding:
    """The result for one contract. `replaced_by`: the new contract, if it was replaced."""

    verdict: BulkVerdict
    failure: ActFailure | None = None
    replaced_by: UUID | None = None


@dataclass(frozen=True)
class BulkResult:
    """A contract of an act, and the result for it."""

    contract: UUID
    number: str
    student_name: str
    ending: BulkEnding


def judge(act: BulkAct, contract: Contract, deadline: datetime | None) -> BulkVerdict:
    """Return what the act does to this contract in its current state. `deadline`: the new deadline, for EXTEND."""
    if contract.state in _BOUND:
        return BulkVerdict.BOUND
    if act.kind is BulkKind.VOID:
        return BulkVerdict.DONE if contract.state is ContractState.ISSUED else BulkVerdict.ENDED
    if contract.replaced_by is not None:
        return BulkVerdict.REPLACED
    if act.kind is BulkKind.REISSUE:
        # Somebody voided or declined it for a reason, so it can only be reissued by itself.
        ended = contract.state in (ContractState.VOIDED, ContractState.DECLINED)
        return BulkVerdict.ENDED if ended else BulkVerdict.DONE
    if contract.state is ContractState.EXPIRED:
        return BulkVerdict.REISSUED if act.may_issue else BulkVerdict.NEEDS_ISSUE
    if contract.state is not ContractState.ISSUED:
        return BulkVerdict.ENDED
    later = deadline is not None and contract.deadline >= deadline
    return BulkVerdict.LATER if later else BulkVerdict.DONE


def draws(act: BulkAct, verdict: BulkVerdict) -> bool:
    """Return whether this verdict means that a new contract is drawn."""
    return verdict is BulkVerdict.REISSUED or (act.kind is BulkKind.REISSUE and verdict is BulkVerdict.DONE)
