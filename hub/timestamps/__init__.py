"""Timestamp authorities: an RFC 3161 service over HTTP, or the built-in one for trial and internal use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Protocol

# So far at most may the clock of a service be from ours.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)


class TimestampAuthority(Protocol):
    """Whoever says when something existed. A reading of the local clock never stands in for it."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """The certificates (DER) by which its timestamps are known: its own first, then those above it."""
        ...

    async def timestamp(self, digest: bytes) -> bytes:
        """The timestamp token (DER of ContentInfo, RFC 3161, 2.4.2) over this SHA-256 digest.

        TimestampUnavailable when there is none to be had right now.
        """
        ...
