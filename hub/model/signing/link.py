"""SignLink: a door to one signer's tasks. Its URL carries a ticket, which is derived and never stored.

A ticket is a locator, not a credential: whoever has it still needs the one-time code and the identity check.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

# Crockford's base 32: no I, L, O, U. It fits the alphanumeric mode of QR codes.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TICKET_LENGTH = 13
PICKUP_DIGITS = 6
_LOOKALIKES = str.maketrans("ILO", "110")


class DoorKind(StrEnum):
    """How the person came in. `sms`, `voice` and `email` are links inside messages; the others are rendered by a
    door."""

    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"
    POSTER = "poster"
    QR = "qr"
    APPLINK = "applink"
    COPY = "copy"
    DESK = "desk"


@dataclass(frozen=True)
class SignLink:
    """One row per signer and door. `generation` rises only on a phone change or an explicit "revoke old links"."""

    id: UUID
    contract: UUID
    signer: UUID
    campus: str
    door: DoorKind
    generation: int
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def ticket_for(key: bytes, link: UUID, generation: int) -> str:
    """13 Crockford characters: the first 65 bits of HMAC-SHA-256(key, link id ‖ generation)."""
    return crockford(hmac.digest(key, link.bytes + generation.to_bytes(4, "big"), hashlib.sha256))


def crockford(digest: bytes) -> str:
    """The first 65 bits as 13 characters."""
    number = int.from_bytes(digest[:9], "big") >> (72 - 5 * TICKET_LENGTH)
    characters = [ALPHABET[(number >> shift) & 31] for shift in range(5 * (TICKET_LENGTH - 1), -1, -5)]
    return "".join(characters)


def pickup_code_for(key: bytes, link: UUID, generation: int) -> str:
    """Six digits for messages that cannot carry an address of their own. Easily guessed, so worth nothing without the
    phone number and the one-time code."""
    digest = hmac.digest(key, b"pickup:" + link.bytes + generation.to_bytes(4, "big"), hashlib.sha256)
    return str(int.from_bytes(digest[:8], "big") % 10**PICKUP_DIGITS).zfill(PICKUP_DIGITS)


def normalised_ticket(text: str) -> str | None:
    """The ticket as it was issued: upper case, without hyphens, look-alikes mended. None if it cannot be a ticket."""
    ticket = text.strip().upper().replace("-", "").translate(_LOOKALIKES)
    return ticket if len(ticket) == TICKET_LENGTH and set(ticket) <= set(ALPHABET) else None


def lookup_hash(key: bytes, ticket: str) -> bytes:
    """What the database has instead of the ticket."""
    return hmac.digest(key, b"ticket:" + ticket.encode("ascii"), hashlib.sha256)


def short_code(ticket: str) -> str:
    """The ticket in groups, as it is printed under a QR code for typing."""
    return f"{ticket[:4]}-{ticket[4:8]}-{ticket[8:]}"
