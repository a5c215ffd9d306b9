"""Timestamp authorities: an RFC 3161 service over HTTP, or the built-in one for trial and internal use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

# How much the clock of a service may differ from ours.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
# The hash algorithm of a digest, by its length in bytes.
ALGORITHM_OF_LENGTH: Final[Mapping[int, str]] = {32: "sha256", 48: "sha384", 64: "sha512"}


class TimestampAuthority(Protocol):
    """A service that states when something existed. The local clock never replaces it."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """The certificates (DER) that identify its timestamps: its own first, then those above it."""
        ...

    async def timestamp(self, digest: bytes) -> bytes:
        """Return the timestamp token (DER of ContentInfo, RFC 3161, 2.4.2) over this digest.

        The digest's length tells whether it is SHA-256, SHA-384 or SHA-512. Raises TimestampUnavailable if no token can
        be had now.
        """
        ...
