"""Decide who may read `/metrics`: holders of the credential for metrics; if none is configured, only this machine."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from hub.settings import Settings

MIN_TOKEN_CHARACTERS = 16
# A request with one of these headers came through a proxy, so its peer is not the client. RFC 7239, RFC 9110 7.6.3.
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip")


@dataclass(frozen=True)
class MetricsAccess:
    """The rule for `/metrics`. `digest`: SHA-256 of the credential; None if there is none."""

    digest: bytes | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> MetricsAccess:
        """Return the configured rule. Raises ValueError for a credential that is too short or not ASCII, OSError for an
        unreadable file."""
        token = settings.metrics_token.get_secret_value()
        if settings.metrics_token_file is not None:
            if token:
                raise ValueError("metrics_token: give either this or metrics_token_file")
            token = (settings.metrics_token_file.read_text("utf-8").splitlines() or [""])[0].strip()
        elif not token:
            return cls()
        if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError(f"metrics_token: at least {MIN_TOKEN_CHARACTERS} visible ASCII characters")
        return cls(_digest(token))

    @property
    def is_credential_wanted(self) -> bool:
        return self.digest is not None

    def allows(self, peer: str | None, headers: Mapping[str, str]) -> bool:
        """Return whether this request may read the metrics. `peer`: the address at the other end of its connection."""
        if self.digest is None:
            return _is_this_machine(peer) and not any(name in headers for name in FORWARDED)
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        # Digests are compared, so that the time reveals neither the length nor the beginning of the credential.
        return scheme.lower() == "bearer" and hmac.compare_digest(_digest(token.strip()), self.digest)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _is_this_machine(peer: str | None) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
