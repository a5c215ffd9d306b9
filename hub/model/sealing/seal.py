"""Seal: a picture, a certificate and a key, with states from the application to the archive. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.errors import SealMoveNotAllowed


class SealKind(StrEnum):
    """The kind of a seal, which its picture shows."""

    COMPANY = "company"
    """公章: round, with the registered name around a star."""
    CONTRACT = "contract"
    """合同专用章: the same, with its purpose below the star."""
    REPRESENTATIVE = "representative"
    """法定代表人名章: square, with the name of the legal representative."""
    CAMPUS = "campus"
    """校区章: round, with the name of the campus below the star."""


class SealState(StrEnum):
    APPLIED = "applied"
    REJECTED = "rejected"
    """Final: the application was turned down or taken back."""
    APPROVED = "approved"
    MADE = "made"
    """It has a key and a certificate, and nobody may use it yet."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    ARCHIVED = "archived"

    @property
    def is_over(self) -> bool:
        """Whether a seal in this state can never be used again."""
        return self in (SealState.REJECTED, SealState.REVOKED, SealState.ARCHIVED)


class SealAct(StrEnum):
    """An act of people that changes the state of a seal."""

    APPROVE = "approve"
    """The last approval that the seal needs."""
    REJECT = "reject"
    MAKE = "make"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    REVOKE = "revoke"
    ARCHIVE = "archive"


# For each act, the states in which it is allowed and the state to which it leads.
SEAL_MOVES: Mapping[SealAct, tuple[frozenset[SealState], SealState]] = {
    SealAct.APPROVE: (frozenset({SealState.APPLIED}), SealState.APPROVED),
    SealAct.REJECT: (frozenset({SealState.APPLIED, SealState.APPROVED}), SealState.REJECTED),
    SealAct.MAKE: (frozenset({SealState.APPROVED}), SealState.MADE),
    SealAct.ACTIVATE: (frozenset({SealState.MADE}), SealState.ACTIVE),
    SealAct.SUSPEND: (frozenset({SealState.ACTIVE}), SealState.SUSPENDED),
    SealAct.RESUME: (frozenset({SealState.SUSPENDED}), SealState.ACTIVE),
    SealAct.REVOKE: (frozenset({SealState.MADE, SealState.ACTIVE, SealState.SUSPENDED}), SealState.REVOKED),
    SealAct.ARCHIVE: (frozenset({SealState.REVOKED, SealState.REJECTED}), SealState.ARCHIVED),
}


class KeyPlace(StrEnum):
    """Where the key of a seal is."""

    CONFIGURED = "configured"
    """The key that the configuration names: on the token, or at a signing service. At most one seal has it."""
    TOKEN = "token"
    """Under a label of its own on the configured token."""


@dataclass(frozen=True)
class Seal:
    """A seal of the organisation.

    `campus`: the campus that owns it; headquarters for the whole school. `registered_name`, `registered_code`: as in
    the register of companies. `inscription`: the text next to the name: the purpose, the campus, or the name of the
    representative. `picture`: a PDF, `drawn` or `uploaded` according to `picture_source`; None to draw it from the name
    at each use. `chain`: certificates in DER, the seal's own first; empty until the seal is made. `ends_at`: when its
    certificate expires.
    """

    id: UUID
    name: str
    kind: SealKind
    campus: str
    registered_name: str
    registered_code: str
    inscription: str
    state: SealState
    created_at: datetime
    changed_at: datetime
    picture: bytes | None = None
    picture_source: str = ""
    key_place: KeyPlace = KeyPlace.TOKEN
    key_label: str = ""
    chain: tuple[bytes, ...] = ()
    ends_at: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= now

    def allows(self, act: SealAct) -> bool:
        """Return whether the act is allowed. The configured seal can only be suspended and resumed."""
        if self.key_place is KeyPlace.CONFIGURED and act in (SealAct.REVOKE, SealAct.ARCHIVE):
            return False
        return self.state in SEAL_MOVES[act][0]

    def move(self, act: SealAct, at: datetime) -> Seal:
        """Return the seal after this act. Raises SealMoveNotAllowed."""
        if not self.allows(act):
            raise SealMoveNotAllowed(self.state.value)
        return replace(self, state=SEAL_MOVES[act][1], changed_at=at)
