"""SigningSession: what a visitor may do after landing, until when. And the one-time code that opens it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

SESSION_LIFE = timedelta(hours=2)
CODE_LIFE = timedelta(minutes=10)
CODE_DIGITS = 6

# At most so many codes to one signer in so long.
CODES_PER = ((timedelta(minutes=1), 1), (timedelta(hours=1), 5), (timedelta(days=1), 10))
WRONG_ANSWERS_A_DAY = 10
# After so many wrong answers a code counts no more; another one can be asked for.
GUESSES_OF_A_CODE = 5
# How long `prepare` leases the document's revision.
PREPARED_FOR = timedelta(minutes=3)


@dataclass(frozen=True)
class Identified:
    """By whom a signer was identified, and by what. `reference`: the provider's id of the check; empty: it has none."""

    provider: str
    method: str
    reference: str = ""
    result: str = "matched"

    @property
    def facts(self) -> dict[str, str]:
        """For the record."""
        facts = {"provider": self.provider, "method": self.method}
        return facts | {"request_id": self.reference} if self.reference else facts


@dataclass(frozen=True)
class SigningSession:
    """`contract` is the one whose link was used; `contracts` are those that may be signed here once `verified_at` is
    set. The secret itself is never stored, only its hash. `key_challenge` serves once. `custody` is what was proved of
    the key. `pairing`: this is the session of a program on the signer's own computer, which came by that pairing and
    may only sign.
    """

    id: UUID
    link: UUID
    contract: UUID
    signer: UUID
    created_at: datetime
    expires_at: datetime
    key_challenge: bytes
    contracts: tuple[UUID, ...] = ()
    verified_at: datetime | None = None
    key_spki: bytes | None = None
    custody_claimed: str | None = None
    custody: str | None = None
    pairing: UUID | None = None
    certificate_chain: tuple[bytes, ...] = field(default=())

    def live(self, now: datetime) -> bool:
        return now < self.expires_at


def secret_hash(secret: str) -> bytes:
    """Session secrets have 256 random bits, so a plain hash is enough to keep them out of the database."""
    return hashlib.sha256(b"session:" + secret.encode()).digest()


def code_for(key: bytes, code_id: UUID) -> str:
    """Six digits derived from the code's row, so that no code rests in the database."""
    digest = hmac.digest(key, b"code:" + code_id.bytes, hashlib.sha256)
    return str(int.from_bytes(digest[:8], "big") % 10**CODE_DIGITS).zfill(CODE_DIGITS)


def codes_due_again(issued: list[datetime], now: datetime) -> timedelta | None:
    """None if one more code may go out now, else how long to wait."""
    waits = []
    for window, most in CODES_PER:
        inside = sorted(moment for moment in issued if now - moment < window)
        if len(inside) >= most:
            waits.append(inside[-most] + window - now)
    return max(waits) if waits else None
