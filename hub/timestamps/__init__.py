"""Timestamp authorities: outside services, or the built-in one for trial and internal use.

A file with a function `connect` is one kind of outside service; `kind` in `[timestamps]` turns it on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import aiohttp

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


@dataclass(frozen=True)
class TimestampContext:
    """What a service gets from the hub: its name, an HTTP client, the clock, and `differs`, which tells staff that the
    service's clock differs from ours."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
    differs: Callable[[timedelta], Awaitable[None]]
