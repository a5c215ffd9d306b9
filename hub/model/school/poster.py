"""Poster: one QR code for many signers. A person who scans it verifies a phone number, chooses a course and enrols."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.model.signing.link import encode_crockford


class PosterMode(StrEnum):
    """What an enrolment creates: a contract at once, or a task for staff, who check it first."""

    CONTRACT = "contract"
    ASK = "ask"


class ScanStep(StrEnum):
    """How far a visitor of a poster has got. `OPENED` needs a tap on the page, so crawlers are not counted."""

    OPENED = "opened"
    VERIFIED = "verified"
    ENROLLED = "enrolled"


@dataclass(frozen=True)
class Poster:
    """A poster.

    `courses`: ids of courses of `campus`. `maximum`: maximum number of enrolments; None for no limit.
    `allowed`: keyed hashes of the phone numbers and students' document numbers that may enrol; empty for everybody.
    """

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
    """How far a visitor of a poster has got.

    `student_hash`: keyed hash of the student's document number, after the enrolment.
    """

    poster: Poster
    step: ScanStep
    visitor: UUID
    enrolment: UUID | None = None
    contract: UUID | None = None
    student_hash: bytes | None = None


@dataclass(frozen=True)
class PosterEnrolment:
    """An enrolment through a poster. `contract`: the contract drawn from it, at once or later by staff."""

    at: datetime
    enrolment: UUID
    contract: UUID | None


def derive_poster_ticket(key: bytes, poster: UUID) -> str:
    """Return the ticket of a poster, 13 Crockford characters. Its HMAC prefix keeps it distinct from link tickets."""
    return encode_crockford(hmac.digest(key, b"poster:" + poster.bytes, hashlib.sha256))


def hash_poster_ticket(key: bytes, ticket: str) -> bytes:
    """Return the keyed hash that the database stores instead of the ticket."""
    return hmac.digest(key, b"poster-ticket:" + ticket.encode("ascii"), hashlib.sha256)
