"""Limit requests per address, in memory. This only slows bursts. Limits for codes and money are in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from aiohttp import web
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from hub.errors import TooMany

# Generous, since a whole campus may share one address, but low enough to stop a guessing program.
PER_MINUTE = {
    "open": 120,
    "code": 60,
    "verify": 120,
    "relink": 30,
    "check": 30,
    "login": 60,
    "enrol": 60,
    "claim": 30,
    "pickup": 60,
    "passkeys": 30,
    "question": 60,
    "attachment": 120,
    "answers": 60,
    "copy": 30,
    "staff-read": 600,
    # New answers about several certificates. In the ten minutes for which answers are kept, one address cannot use up
    # the number that is signed for everybody (`MAX_COMBINED`).
    "ocsp": 5,
}


Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
THIS_MACHINE: Networks = (ip_network("127.0.0.0/8"), ip_network("::1"))
UNKNOWN = "unknown"
log = structlog.get_logger()


class RateLimits:
    """The rate limits per address. `proxies`: networks whose X-Forwarded-For is trusted."""

    def __init__(self, per_minute: dict[str, int] | None = None, proxies: Networks = THIS_MACHINE) -> None:
        self._limits: dict[str, RateLimitItem] = {
            name: RateLimitItemPerMinute(amount) for name, amount in (per_minute or PER_MINUTE).items()
        }
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._proxies = proxies
        self._has_warned = False

    async def slow_down(self, request: web.Request, what: str) -> None:
        """Count this request. Raises TooMany if its address has made too many within this minute."""
        address = self.address(request)
        self._warn_of_proxy(request)
        if address is not None and not await self._limiter.hit(self._limits[what], what, address):
            raise TooMany(retry_after=timedelta(minutes=1))

    def address(self, request: web.Request) -> str | None:
        """Return the address for which this request is counted: see `remote_address`."""
        return remote_address(request, self._proxies)

    def _warn_of_proxy(self, request: web.Request) -> None:
        """Warn once about a private peer that seems to be an unconfigured proxy: its visitors count as one address."""
        if self._has_warned or "X-Forwarded-For" not in request.headers:
            return
        peer = _address(request.remote or "")
        if peer is not None and peer.is_private and not _is_among(self._proxies, peer):
            self._has_warned = True
            log.warning("X-Forwarded-For ignored: does this proxy belong in trusted_proxies?", peer=str(peer))


def remote_address(request: web.Request, proxies: Networks) -> str | None:
    """Return the address to count: that of the peer, or the one that our proxies name. IPv6 is counted by its /64.

    Return None for a request from this machine that was not forwarded. This cannot be faked from outside.
    """
    peer = _address(request.remote or "")
    if peer is None:
        return request.remote or UNKNOWN
    named = ",".join(request.headers.getall("X-Forwarded-For", [])).strip()
    if not named or not _is_among(proxies, peer):
        return None if peer.is_loopback else _counted(peer)
    for each in reversed(named.split(",")):  # each proxy appends; the part before that of our proxies is untrusted
        if (found := _address(each.strip())) is None:
            return UNKNOWN
        peer = found
        if not _is_among(proxies, peer):
            break
    return _counted(peer)


def _address(text: str) -> Address | None:
    """Parse an address, with or without port; an IPv4-mapped IPv6 address as IPv4."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found


def _is_among(networks: Networks, address: Address) -> bool:
    return any(address in network for network in networks)


def _counted(address: Address) -> str:
    return address.exploded[:19] if isinstance(address, IPv6Address) else str(address)
