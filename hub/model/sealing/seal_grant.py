"""SealGrant: who may use a seal, where, for what, until when and how often. The decision about one use. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.model.sealing.seal import Seal, SealState


class GranteeKind(StrEnum):
    """The kind of grantee. `CONTRACTS`: the hub itself, which seals contracts after everybody has signed."""

    CLIENT = "client"
    STAFF = "staff"
    ROLE = "role"
    CONTRACTS = "contracts"


# Who may be given a new grant. Staff cannot seal files by hand, so grants to accounts and roles would have no effect.
# The register may name older grants of these kinds.
NEW_GRANTEE_KINDS = (GranteeKind.CONTRACTS, GranteeKind.CLIENT)


class UseRefusal(StrEnum):
    """Why a seal may not be used. If grants are refused for several reasons, the last one in this order is reported."""

    NOT_GRANTED = "not-granted"
    OTHER_CAMPUS = "other-campus"
    OTHER_TEMPLATE = "other-template"
    GRANT_EXPIRED = "grant-expired"
    EXHAUSTED = "exhausted"
    NOT_MADE = "not-made"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    CERTIFICATE_EXPIRED = "certificate-expired"


@dataclass(frozen=True)
class Grantee:
    """The grantee of a grant. `name`: the name of an API key, the id of an account, or a role; empty for contracts."""

    kind: GranteeKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


CONTRACTS = Grantee(GranteeKind.CONTRACTS)


@dataclass(frozen=True)
class SealGrant:
    """A grant, which is valid for `campus` and all campuses below it.

    `templates`: the contract templates allowed; empty for any, and for files without a template. `max_uses`: None for
    no limit; `used` is counted only if there is a limit.
    """

    id: UUID
    seal: UUID
    grantee: Grantee
    campus: str
    templates: tuple[str, ...]
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None = None
    max_uses: int | None = None
    used: int = 0
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    @property
    def left(self) -> int | None:
        """The number of uses left; None for no limit."""
        return None if self.max_uses is None else max(0, self.max_uses - self.used)


@dataclass(frozen=True)
class CandidateGrant:
    """A grant that might allow a use. `distance`: how many levels its campus is above the campus of the use, 0 for the
    same campus; None if it is not above it."""

    grant: SealGrant
    distance: int | None


@dataclass(frozen=True)
class ContractSeals:
    """The grants to CONTRACTS, and the seals that they name, by id. `configured`: the configured seal; None before its
    first use."""

    candidates: tuple[CandidateGrant, ...]
    seals: Mapping[UUID, Seal]
    configured: Seal | None


@dataclass(frozen=True)
class UseVerdict:
    """Either the grant that allows a use of a seal, or the reason for a refusal."""

    grant: SealGrant | None = None
    refusal: UseRefusal | None = None


_OF_STATE = {
    SealState.SUSPENDED: UseRefusal.SUSPENDED,
    SealState.REVOKED: UseRefusal.REVOKED,
    SealState.ARCHIVED: UseRefusal.REVOKED,
}


def judge_seal(seal: Seal, now: datetime) -> UseRefusal | None:
    """Return why nobody may use this seal now, or None."""
    if seal.state is not SealState.ACTIVE:
        return _OF_STATE.get(seal.state, UseRefusal.NOT_MADE)
    return UseRefusal.CERTIFICATE_EXPIRED if seal.is_expired(now) else None


def judge_grant(candidate: CandidateGrant, template: str | None, now: datetime) -> UseRefusal | None:
    """Return why this grant does not allow this use, or None if it does. `template`: None for a file without one."""
    grant = candidate.grant
    if grant.revoked_at is not None:
        return UseRefusal.NOT_GRANTED
    if candidate.distance is None:
        return UseRefusal.OTHER_CAMPUS
    if grant.templates and template not in grant.templates:
        return UseRefusal.OTHER_TEMPLATE
    if grant.expires_at is not None and grant.expires_at <= now:
        return UseRefusal.GRANT_EXPIRED
    return UseRefusal.EXHAUSTED if grant.left == 0 else None


def judge_use(seal: Seal, candidates: Sequence[CandidateGrant], template: str | None, now: datetime) -> UseVerdict:
    """Return the most specific grant that allows the use, or the reason for a refusal."""
    if refusal := judge_seal(seal, now):
        return UseVerdict(refusal=refusal)
    judged = [(candidate, judge_grant(candidate, template, now)) for candidate in candidates]
    allowed = [candidate for candidate, refusal in judged if refusal is None]
    if allowed:
        return UseVerdict(min(allowed, key=specificity).grant)
    weight = list(UseRefusal).index
    refusals = [refusal for _, refusal in judged if refusal is not None]
    return UseVerdict(refusal=max(refusals, key=weight, default=UseRefusal.NOT_GRANTED))


def specificity(candidate: CandidateGrant) -> tuple[int, bool, datetime, UUID]:
    """Return a sort key: the nearest campus first, then grants for certain templates, then the oldest."""
    grant = candidate.grant
    return candidate.distance or 0, not grant.templates, grant.granted_at, grant.id


def choose_contract_grant(candidates: Sequence[CandidateGrant], template: str, now: datetime) -> SealGrant | None:
    """Return the grant to CONTRACTS whose seal is used for contracts of this template, or None.

    A grant that is used up is still chosen. The contract then waits and staff are told, because no other seal may
    replace the one that the school has chosen.
    """
    meant = [each for each in candidates if judge_grant(each, template, now) in (None, UseRefusal.EXHAUSTED)]
    return min(meant, key=specificity).grant if meant else None
