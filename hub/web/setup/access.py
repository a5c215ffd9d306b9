"""Who may set the hub up: the first browser that opens the one-time address. Nobody else, and not for ever."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# Until when the address may be opened, and how long its holder may rest.
TOKEN_LIFE = timedelta(hours=1)
HOLDER_LIFE = timedelta(hours=4)
TOKEN_BYTES = 32


@dataclass
class SetupAccess:
    """One set-up. The address has `token`; the first who begins there gets a secret of their own, as a cookie.

    Only hashes are compared, in constant time. `began_at`: when the token was made.
    """

    began_at: datetime
    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES))
    _holder: bytes | None = None
    _seen_at: datetime | None = None

    def may_open(self, token: str, now: datetime) -> bool:
        """Return whether this is the address, nobody has begun there, and it has not run out."""
        right = hmac.compare_digest(_hash(token), _hash(self.token))
        return right and self._holder is None and now < self.began_at + TOKEN_LIFE

    def claim(self, token: str, now: datetime) -> str | None:
        """Return the holder's secret, once; None for whoever may not open the address."""
        if not self.may_open(token, now):
            return None
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        self._holder, self._seen_at = _hash(secret), now
        return secret

    def holds(self, secret: str, now: datetime) -> bool:
        """Return whether this is the holder's secret; it counts for HOLDER_LIFE after it was last shown."""
        if self._holder is None or self._seen_at is None or now >= self._seen_at + HOLDER_LIFE:
            return False
        if not hmac.compare_digest(_hash(secret), self._holder):
            return False
        self._seen_at = now
        return True


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
