"""Requests and answers of the integration API about seals. Field names are public and must not change."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from hub.model.sealing.seal import SealKind, SealState
from hub.model.sealing.seal_grant import GranteeKind
from hub.model.sealing.seal_use import UseOutcome
from hub.model.sealing.sm2_seal import Sm2KeyPlace
from hub.web.api.schemas import NO_CONTROLS, ApiAnswer, ApiRequest, Name, Reason, Words

Code = Annotated[str, StringConstraints(min_length=18, max_length=18, pattern=r"^[0-9A-HJ-NP-RTUWXY]{18}$")]
Inscription = Annotated[str, StringConstraints(max_length=12, pattern=NO_CONTROLS)]


class SealApplied(ApiRequest):
    """Apply for a seal, whose picture is drawn. Two people approve it in the console or at a terminal."""

    name: Name = Field(
        description="Grants and the signing service refer to it by this name.", examples=["Hefei contracts"]
    )
    kind: SealKind
    campus: Words
    registered_name: Name
    registered_code: Code = Field(description="Unified social credit code.")
    inscription: Inscription = Field("", description="The purpose, the campus, or the representative's name.")
    reason: Reason


class GrantAsked(ApiRequest):
    """Grant the use of a seal."""

    grantee_kind: GranteeKind
    grantee: str = Field("", max_length=80, pattern=NO_CONTROLS, description="Name of an API key; empty for contracts.")
    campus: Words = Field(description="The grant is valid for this campus and all below it.")
    templates: list[Words] = Field(
        [], max_length=50, description="Contract templates; empty: any, also files without a template."
    )
    expires_at: AwareDatetime | None = Field(None, description="When the grant expires.")
    max_uses: int | None = Field(None, ge=1, le=100_000_000, description="The most documents that may be sealed.")


class SealMoveAsked(ApiRequest):
    """No members; the body may be empty."""


class UsesAsked(ApiRequest):
    limit: int = Field(100, ge=1, le=500)
    before: UUID | None = Field(None, description="The last line of the previous page.")


class SealListed(ApiAnswer):
    id: UUID
    name: str
    kind: SealKind
    campus: str
    registered_name: str
    registered_code: str
    inscription: str
    state: SealState
    ends_at: datetime | None = Field(description="When its certificate expires; null before it is made.")


class SealsGiven(ApiAnswer):
    seals: list[SealListed]


class GrantGiven(ApiAnswer):
    id: UUID
    grantee_kind: GranteeKind
    grantee: str
    campus: str
    templates: list[str]
    expires_at: datetime | None
    max_uses: int | None
    used: int = Field(description="Counted only if there is a maximum.")
    revoked_at: datetime | None


class SealGiven(SealListed):
    approvals: int = Field(description="How many of the two approvals it has.")
    sm2_ends_at: datetime | None = Field(description="Until when it can seal OFD files; null without an SM2 side.")
    sm2_key: Sm2KeyPlace | None = Field(description="Where the key of its SM2 side is.")
    grants: list[GrantGiven]


class SealUseGiven(ApiAnswer):
    """A line of the register. It may change as long as its outcome is `attempt`."""

    id: UUID
    grant: UUID | None
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
    ended_at: datetime | None
    result_sha256: str | None


class SealUsesGiven(ApiAnswer):
    uses: list[SealUseGiven]
