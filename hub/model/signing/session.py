"""SigningSession: what the visitor of a link may do, and until when. Also the one-time codes of a session."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hub.model.signing.link import SignLink

SESSION_LIFE = timedelta(hours=2)
CODE_LIFE = timedelta(minutes=10)
CODE_DIGITS = 6

# Maximum number of codes to one signer in each period.
CODES_PER = ((timedelta(minutes=1), 1), (timedelta(hours=1), 5), (timedelta(days=1), 10))
# A code dated further ahead than this was sent before the clock was set back, so its real time is unknown.
CLOCKS_APART = timedelta(minutes=1)
WRONG_ANSWERS_A_DAY = 10
# Number of wrong answers after which a code becomes invalid. Another code can then be requested.
GUESSES_OF_A_CODE = 5
# How long `prepare` leases the document's revision.
PREPARED_FOR = timedelta(minutes=3)


@dataclass(frozen=True)
class PassedIdentityCheck:
    """A passed identity check: provider, method and result. `reference`: the provider's id of the check, if any."""

    provider: str
    method: str
    reference: str = ""
    result: str = "matched"

    @property
    def facts(self) -> dict[str, str]:
        """The facts for the record."""
        facts = {"provider": self.provider, "method": self.method}
        return facts | {"request_id": self.reference} if self.reference else facts


@dataclass(frozen=True)
class SigningSession:
    """The session of a visitor of a link. Only the hash of its secret is stored.

    `contract`: the contract whose link was used. `contracts`: the contracts that may be signed once `verified_at` is
    set. `key_challenge`: valid for one use. `key_spki`: SubjectPublicKeyInfo (DER) of the signer's key.
    `custody_claimed`, `custody`: claimed and proved custody of that key. `pairing`: set for the session of an agent
    program on the signer's computer; such a session may only sign.
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


def begin_session(link: SignLink, key_challenge: bytes, now: datetime) -> SigningSession:
    """Return a new session of this link, which may only ask for a code."""
    return SigningSession(uuid4(), link.id, link.contract, link.signer, now, now + SESSION_LIFE, key_challenge)


@dataclass(frozen=True)
class DocumentReading:
    """What a signer has read: when the first and the last page were fetched, and how many different pages."""

    first: datetime
    last: datetime
    pages: int


def hash_secret(secret: str) -> bytes:
    """Return the hash stored for a session secret. Secrets have 256 random bits, so an unkeyed hash is enough."""
    return hashlib.sha256(b"session:" + secret.encode()).digest()


def code_for(key: bytes, code_id: UUID) -> str:
    """Return the one-time code, six digits derived from the id of its row, so that no code is stored."""
    digest = hmac.digest(key, b"code:" + code_id.bytes, hashlib.sha256)
    return str(int.from_bytes(digest[:8], "big") % 10**CODE_DIGITS).zfill(CODE_DIGITS)


@dataclass(frozen=True)
class CodeHistory:
    """When a signer recently gave wrong answers, and when codes were sent to them.

    `newest_code`, `code_ends_at`: the newest unused code of a session, if a session was named, and until when it is
    valid.
    """

    wrong_answers: Sequence[datetime]
    codes_issued: Sequence[datetime]
    newest_code: UUID | None = None
    code_ends_at: datetime | None = None

    def find_live_code(self, now: datetime) -> UUID | None:
        return self.newest_code if self.code_ends_at is not None and self.code_ends_at > now else None


def compute_code_wait(issued: Sequence[datetime], now: datetime) -> timedelta | None:
    """Return how long to wait before another code may be sent; None if it may be sent now.

    `issued`: when the earlier codes of this signer were sent.
    """
    waits = []
    for window, most in CODES_PER:
        inside = sorted(moment for moment in issued if -CLOCKS_APART <= now - moment < window)
        if len(inside) >= most:
            waits.append(inside[-most] + window - now)
    return max(waits) if waits else None
