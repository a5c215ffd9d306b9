"""Poster: one code for many signers. Whoever scans it proves a phone, picks one of its courses and enrols."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.model.signing.link import crockford


class PosterMode(StrEnum):
    """What comes of an enrolment: a contract at once, or a task for staff, who look at it first."""

    CONTRACT = "contract"
    ASK = "ask"


class ScanStep(StrEnum):
    """How far somebody came who scanned the poster. Opened is a tap, never a look: crawlers do not count."""

    OPENED = "opened"
    VERIFIED = "verified"
    ENROLLED = "enrolled"


@dataclass(frozen=True)
class Poster:
    """`courses` are ids of courses of `campus`. `maximum`: so many enrolments; None: no limit. `allowed`: keyed hashes
    of document numbers of students and of phones; empty: everybody."""

    id: UUID
    campus: str
    title: str
    courses: tuple[str, ...]
    mode: PosterMode
    created_by: str
    created_at: datetime
    expires_at: datetime
    maximum: int | None = None
    allowed: frozenset[bytes] = frozenset()
    revoked_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at

    def full(self, enrolled: int) -> bool:
        return self.maximum is not None and enrolled >= self.maximum


@dataclass(frozen=True)
class PosterScan:
    """How far a visitor has come by a poster. `student_hash`: keyed hash of the student's document number, once they
    have enrolled somebody."""

    poster: Poster
    step: ScanStep
    visitor: UUID
    enrolment: UUID | None = None
    contract: UUID | None = None
    student_hash: bytes | None = None


@dataclass(frozen=True)
class Scan:
    """Somebody who enrolled by a poster. `contract` is what was drawn, at once or by staff afterwards."""

    at: datetime
    enrolment: UUID
    contract: UUID | None


def poster_ticket(key: bytes, poster: UUID) -> str:
    """13 Crockford characters, as a link has them, and never one of a link's: the prefix is a poster's own."""
    return crockford(hmac.digest(key, b"poster:" + poster.bytes, hashlib.sha256))


def poster_lookup_hash(key: bytes, ticket: str) -> bytes:
    """What the database has instead of the ticket."""
    return hmac.digest(key, b"poster-ticket:" + ticket.encode("ascii"), hashlib.sha256)
