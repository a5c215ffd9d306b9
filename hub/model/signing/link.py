"""SignLink: a link to the tasks of one signer. Its URL contains a ticket, which is derived and never stored.

A ticket is a locator, not a credential: signing still requires the one-time code and the identity check.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

# Crockford's base 32, without I, L, O, U. It fits the alphanumeric mode of QR codes.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TICKET_LENGTH = 13
PICKUP_DIGITS = 6
_LOOKALIKES = str.maketrans("ILO", "110")


class DoorKind(StrEnum):
    """How a link reaches the person. `sms`, `voice` and `email`: in a message. The others are rendered by a door."""

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
    """A link, one per signer and door.

    `generation`: incremented only by a phone change or an explicit "revoke old links". Each generation has its own
    ticket.
    """

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


def derive_ticket(key: bytes, link: UUID, generation: int) -> str:
    """Return the ticket, 13 Crockford characters: the first 65 bits of HMAC-SHA-256(key, link id ‖ generation)."""
    return encode_crockford(hmac.digest(key, link.bytes + generation.to_bytes(4, "big"), hashlib.sha256))


def encode_crockford(digest: bytes) -> str:
    """Encode the first 65 bits of a digest as 13 characters of Crockford's base 32."""
    number = int.from_bytes(digest[:9], "big") >> (72 - 5 * TICKET_LENGTH)
    characters = [ALPHABET[(number >> shift) & 31] for shift in range(5 * (TICKET_LENGTH - 1), -1, -5)]
    return "".join(characters)


def derive_pickup_code(key: bytes, link: UUID, generation: int) -> str:
    """Return the pickup code, six digits, for messages that cannot contain a link.

    The code is easily guessed, so it must be useless without the phone number and the one-time code.
    """
    digest = hmac.digest(key, b"pickup:" + link.bytes + generation.to_bytes(4, "big"), hashlib.sha256)
    return str(int.from_bytes(digest[:8], "big") % 10**PICKUP_DIGITS).zfill(PICKUP_DIGITS)


def normalise_ticket(text: str) -> str | None:
    """Normalise a typed ticket: upper case, no hyphens, look-alike letters replaced. None if it cannot be a ticket."""
    ticket = text.strip().upper().replace("-", "").translate(_LOOKALIKES)
    return ticket if len(ticket) == TICKET_LENGTH and set(ticket) <= set(ALPHABET) else None


def hash_ticket(key: bytes, ticket: str) -> bytes:
    """Return the keyed hash that the database stores instead of the ticket."""
    return hmac.digest(key, b"ticket:" + ticket.encode("ascii"), hashlib.sha256)


def format_ticket(ticket: str) -> str:
    """Return the ticket in groups separated by hyphens, as printed below a QR code for typing."""
    return f"{ticket[:4]}-{ticket[4:8]}-{ticket[8:]}"
