"""Decide who may set the hub up: only the first browser that opens the one-time address, and only for some time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# How long the address may be opened, and how long its holder may be inactive.
TOKEN_LIFE = timedelta(hours=1)
HOLDER_LIFE = timedelta(hours=4)
TOKEN_BYTES = 32


@dataclass
class SetupAccess:
    """The access to one set-up. The address contains `token`. The first person who begins there, the holder, gets a
    secret of their own as a cookie.

    Only hashes are compared, in constant time. `began_at`: when the token was made.
    """

    began_at: datetime
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    _holder: bytes | None = None
    _seen_at: datetime | None = None

    def may_open(self, token: str, now: datetime) -> bool:
        """Return whether this is the token, nobody has begun with it yet, and it has not expired."""
        right = hmac.compare_digest(_hash(token), _hash(self.token))
        return right and self._holder is None and now < self.began_at + TOKEN_LIFE

    def claim(self, token: str, now: datetime) -> str | None:
        """Return the holder's secret, once; None if `may_open` is false."""
        if not self.may_open(token, now):
            return None
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        self._holder, self._seen_at = _hash(secret), now
        return secret

    def holds(self, secret: str, now: datetime) -> bool:
        """Return whether this is the holder's secret. It is valid for HOLDER_LIFE after it was last presented."""
        if self._holder is None or self._seen_at is None or now >= self._seen_at + HOLDER_LIFE:
            return False
        if not hmac.compare_digest(_hash(secret), self._holder):
            return False
        self._seen_at = now
        return True


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
