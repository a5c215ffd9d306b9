"""Check the public address as far as this machine can, and report exactly what was found."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

# Seconds for each check.
LOOK_TIMEOUT = 5.0
MAX_ANSWER_BYTES = 200
# Where the set-up page answers with its own mark. The answer shows that the public address leads to this page.
MARK_PATH = "/.well-known/qianda-setup"
FROM_HERE = (
    "This is how it looks from this machine. Test with a phone outside whether it can be reached from there, too."
)


@dataclass(frozen=True)
class OriginFinding:
    """One finding. `words`: in English; `values`: those for its placeholders."""

    well: bool
    words: str
    values: tuple[tuple[str, str], ...] = ()


async def look_at_origin(origin: str, mark: str, now: datetime) -> list[OriginFinding]:
    """Check name, certificate and answer of the address, in this order, until one fails.

    `mark`: what the set-up page answers at MARK_PATH; empty if no page is served.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return [OriginFinding(False, "The port of this address is not a number.")]
    if _is_this_machine(host):
        return [OriginFinding(False, "Only this machine can reach this address: for a trial.")]
    found = [await _look_up(host)]
    if found[0].well and parts.scheme == "https":
        found.append(await _look_at_certificate(host, port, now))
    if found[-1].well and mark:
        found.append(await _look_for_mark(origin, mark))
    return found


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _look_up(host: str) -> OriginFinding:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOK_TIMEOUT):
            addresses = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return OriginFinding(False, "The name {host} is not known here: make its DNS entry first.", (("host", host),))
    shown = ", ".join(sorted({str(each[4][0]) for each in addresses}))
    return OriginFinding(True, "The name {host} leads to {addresses}.", (("host", host), ("addresses", shown)))


async def _look_at_certificate(host: str, port: int, now: datetime) -> OriginFinding:
    try:
        async with asyncio.timeout(LOOK_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return OriginFinding(
            False, "Browsers would not trust its certificate: {reason}.", (("reason", error.verify_message),)
        )
    except (OSError, TimeoutError) as error:
        reason = error.strerror or type(error).__name__
        return OriginFinding(False, "Nothing answers there with TLS yet: {reason}.", (("reason", reason),))
    certificate = writer.get_extra_info("peercert")
    writer.close()
    ends = ssl.cert_time_to_seconds(certificate["notAfter"])
    days = int((ends - now.timestamp()) // 86400)
    return OriginFinding(True, "Its certificate is trusted. Days until it expires: {days}.", (("days", str(days)),))


async def _look_for_mark(origin: str, mark: str) -> OriginFinding:
    timeout = aiohttp.ClientTimeout(total=LOOK_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(origin.rstrip("/") + MARK_PATH, allow_redirects=False) as answer,
        ):
            said = await answer.content.read(MAX_ANSWER_BYTES)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = type(error).__name__
        return OriginFinding(False, "Nothing answers there yet: {reason}.", (("reason", reason),))
    if hmac.compare_digest(said, mark.encode()):
        return OriginFinding(True, "It leads to this very page.")
    return OriginFinding(False, "Something else answers there: let the proxy pass everything on to this hub.")
