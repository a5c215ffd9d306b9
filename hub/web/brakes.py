"""Brakes on bursts from one address, in memory: only brakes. What protects codes and money counts in PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from aiohttp import web
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from hub.errors import TooMany

PER_MINUTE = {
    "open": 120, "code": 60, "verify": 120, "relink": 30, "check": 30, "login": 60, "enrol": 60, "claim": 30,
    "pickup": 60, "passkeys": 30,
}  # fmt: skip
"""A whole campus may sit behind one address: generous, and enough against a program that guesses."""


class Brakes:
    def __init__(self, per_minute: dict[str, int] | None = None) -> None:
        self._limits: dict[str, RateLimitItem] = {
            name: RateLimitItemPerMinute(amount) for name, amount in (per_minute or PER_MINUTE).items()
        }
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def slow_down(self, request: web.Request, what: str) -> None:
        """Count this call. Raises TooMany once an address has made too many in this minute."""
        address = remote_address(request)
        if address is not None and not await self._limiter.hit(self._limits[what], what, address):
            raise TooMany(retry_after=timedelta(minutes=1))


def remote_address(request: web.Request) -> str | None:
    """Whom to count: the peer, or what a proxy on this host or in this network says of it. IPv6 by its /64.

    None for somebody on this very machine.
    """
    try:
        peer = ip_address((request.remote or "").partition("%")[0])
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if forwarded and (peer.is_loopback or peer.is_private):
            peer = ip_address(forwarded)
    except ValueError:
        return request.remote or "unknown"
    if peer.is_loopback:
        return None
    return str(peer)[:] if not isinstance(peer, IPv6Address) else peer.exploded[:19]
