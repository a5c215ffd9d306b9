"""SealUse: one line of the register of a seal's uses, and the decision about new lines. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_grant import CandidateGrant, Grantee, UseRefusal, judge_use


class UseOutcome(StrEnum):
    ATTEMPT = "attempt"
    """Allowed and counted; the seal's key may be signing."""
    SEALED = "sealed"
    FAILED = "failed"
    """Not sealed after all; the use was given back to the grant."""
    REFUSED = "refused"


@dataclass(frozen=True)
class SealAsk:
    """A request to use a seal. `grantees`: the grantees whose grants the asking party may use. `actor`: the asking
    party as the record names it. `template`: the contract's template; None for other files."""

    seal: UUID
    grantees: frozenset[Grantee]
    actor: str
    campus: str
    template: str | None = None


@dataclass(frozen=True)
class DocumentToSeal:
    """A document to seal. `use`: an id that the caller chooses, the same at each try for this document. `sha256`: hash
    of the document before it is sealed, lower-case hex. `about`: what it is, for example `contract:ID`."""

    use: UUID
    sha256: str
    about: str
    count: int = 1


@dataclass(frozen=True)
class SealUse:
    """A line of the register. `seal_grant`: the grant that allowed the use. `count`: how many uses of the grant it
    takes. `tries`: how often it was requested. `result_sha256`: hash of the sealed file, if the caller reported it."""

    id: UUID
    seal: UUID
    seal_grant: UUID | None
    campus: str
    asked_by: str
    about: str
    template: str | None
    document_sha256: str
    count: int
    outcome: UseOutcome
    reason: str | None
    tries: int
    begun_at: datetime
    ended_at: datetime | None = None
    result_sha256: str | None = None

    @property
    def may_sign(self) -> bool:
        return self.outcome is UseOutcome.ATTEMPT


@dataclass(frozen=True)
class EndedUse:
    """How a use ended. `failure`: why the document was not sealed; None if it was."""

    use: UUID
    result_sha256: str | None = None
    failure: str | None = None


@dataclass(frozen=True)
class SealRules:
    """A seal, and the grants that might allow its use."""

    seal: Seal
    candidates: tuple[CandidateGrant, ...]


@dataclass(frozen=True)
class BegunUses:
    """The lines for the documents of one request, in their order. `counted`: how many uses to add to each grant."""

    uses: tuple[SealUse, ...]
    counted: Mapping[UUID, int]


def begin_uses(
    asked: SealAsk, documents: Sequence[DocumentToSeal], rules: SealRules, known: Mapping[UUID, SealUse], now: datetime
) -> BegunUses:
    """Decide about each document. `known`: the lines that exist from an earlier try.

    A document that was already sealed keeps its line. An attempt that did not end because its process died is decided
    again but not counted twice. When the grant has no uses left, the remaining documents are refused.
    """
    counted: Counter[UUID] = Counter()
    for line in known.values():
        if line.outcome is UseOutcome.ATTEMPT and line.seal_grant is not None:
            counted[line.seal_grant] -= line.count
    candidates = [_with_uses(each, counted[each.grant.id]) for each in rules.candidates]
    verdict = judge_use(rules.seal, candidates, asked.template, now)
    left = verdict.grant.left if verdict.grant else 0
    uses = []
    for document in documents:
        before = known.get(document.use)
        if before is not None and before.outcome is UseOutcome.SEALED:
            uses.append(before)
            continue
        line = _new_line(asked, document, before, now)
        if verdict.grant is None or (left is not None and left < document.count):
            reason = (verdict.refusal or UseRefusal.EXHAUSTED).value
            uses.append(replace(line, outcome=UseOutcome.REFUSED, reason=reason, ended_at=now))
            continue
        left = None if left is None else left - document.count
        counted[verdict.grant.id] += document.count
        uses.append(replace(line, outcome=UseOutcome.ATTEMPT, seal_grant=verdict.grant.id))
    return BegunUses(tuple(uses), {grant: count for grant, count in counted.items() if count})


def _with_uses(candidate: CandidateGrant, more: int) -> CandidateGrant:
    grant = candidate.grant
    return replace(candidate, grant=replace(grant, used=grant.used + more)) if more else candidate


def _new_line(asked: SealAsk, document: DocumentToSeal, before: SealUse | None, now: datetime) -> SealUse:
    return SealUse(
        id=document.use,
        seal=asked.seal,
        seal_grant=None,
        campus=asked.campus,
        asked_by=asked.actor,
        about=document.about,
        template=asked.template,
        document_sha256=document.sha256,
        count=document.count,
        outcome=UseOutcome.REFUSED,
        reason=None,
        tries=1 if before is None else before.tries + 1,
        begun_at=now if before is None else before.begun_at,
    )
