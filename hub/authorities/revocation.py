"""Fetch revocation lists and OCSP answers of other authorities from the addresses in their certificates.

Lists and answers are embedded in the file; one of the two is enough. A list may be days old. An answer also suffices in
later years, because it was given after the timestamp.

Only validated chains may be passed here, so that only their authorities choose the addresses. Source:
RFC 5280, 4.2.1.13, 4.2.2.1 and 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, TypeVar

import aiohttp
from asn1crypto import pem
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from hub.authorities import CLOCK_TOLERANCE
from hub.authorities.ocsp_client import OcspAnswer, OcspClient, list_addresses as ocsp_addresses
from hub.bounded_read import read_limited
from hub.errors import AuthorityUnavailable, CertificateNotTrusted
from qianda.certificate_facts import is_authority
from qianda.certificate_loading import load_certificate, load_revocation_list

FETCH_TIMEOUT: Final = 10.0
MAX_LIST_BYTES: Final = 32 << 20
Found = TypeVar("Found")


@dataclass(frozen=True)
class Status:
    """What the authorities state about a chain.

    `lists` and `answers` (OCSP) are in DER; each certificate except the last has at least one of them. `revoked`: the
    first certificate, or an authority above it, is revoked. `next_update`: when the newest statement about the first
    certificate ends.
    """

    lists: tuple[bytes, ...]
    revoked: bool
    next_update: datetime
    answers: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class _RevocationState:
    """What the authority states about one certificate."""

    list: x509.CertificateRevocationList | None
    answer: OcspAnswer | None
    revoked: bool

    @property
    def next_update(self) -> datetime:
        """The end of the statement that was issued last. Validators use that one."""
        ends: list[tuple[datetime, datetime]] = []
        if self.list is not None and self.list.next_update_utc is not None:
            ends.append((self.list.last_update_utc, self.list.next_update_utc))
        if self.answer is not None:
            ends.append((self.answer.issued_at, self.answer.next_update))
        return max(ends)[1]


class RevocationClient:
    def __init__(self, http: aiohttp.ClientSession, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._clock = clock
        self._ocsp = OcspClient(http, clock)

    async def of(self, chain: Sequence[bytes]) -> Status:
        """Return what the authorities now state about this chain (DER, the trusted authority last).

        Raises CertificateNotTrusted if a certificate names neither a list nor a responder over HTTP, and
        AuthorityUnavailable if neither gives a valid and fresh statement.
        """
        certificates = [load_certificate(der) for der in chain]
        said = [await self._said_of(one, issuer) for one, issuer in pairwise(certificates)]
        lists = dict.fromkeys(each.list.public_bytes(Encoding.DER) for each in said if each.list is not None)
        answers = dict.fromkeys(each.answer.response for each in said if each.answer is not None)
        ends = said[0].next_update if said else self._clock()
        return Status(tuple(lists), any(each.revoked for each in said), ends, tuple(answers))

    async def _said_of(self, certificate: x509.Certificate, issuer: x509.Certificate) -> _RevocationState:
        points, responders = list(_addresses(certificate)), list(ocsp_addresses(certificate))
        if not points and not responders:
            raise CertificateNotTrusted("nobody can ask whether it was revoked: it names neither list nor OCSP by HTTP")
        reasons: list[str] = []

        async def listed(address: str) -> x509.CertificateRevocationList:
            found = await asyncio.to_thread(_read, await self._fetched(address))
            _check(found, issuer, certificate, self._clock())
            return found

        found = await _first(points, listed, reasons)
        answer = await _first(responders, lambda address: self._ocsp.ask(address, certificate, issuer), reasons)
        if found is None and answer is None:
            raise AuthorityUnavailable("; ".join(reasons)[:500])
        on_list = found is not None and found.get_revoked_certificate_by_serial_number(certificate.serial_number)
        return _RevocationState(found, answer, bool(on_list) or (answer is not None and answer.revoked))

    async def _fetched(self, address: str) -> bytes:
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT)
        async with self._http.get(address, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"answered {response.status}")
            return await read_limited(response.content, MAX_LIST_BYTES, ValueError)


async def _first(addresses: Sequence[str], get: Callable[[str], Awaitable[Found]], reasons: list[str]) -> Found | None:
    """Return the first usable result of the addresses, or None. Append the reasons for failures to `reasons`."""
    for address in addresses:
        try:
            return await get(address)
        except (aiohttp.ClientError, TimeoutError, ValueError, UnsupportedAlgorithm) as error:
            reasons.append(f"{address}: {str(error) or type(error).__name__}")
    return None


def names_a_source(certificate: bytes) -> bool:
    """Return whether a certificate (DER) names a list or a responder that can be asked about it."""
    loaded = load_certificate(certificate)
    return any(_addresses(loaded)) or any(ocsp_addresses(loaded))


def _addresses(certificate: x509.Certificate) -> Iterator[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for point in points:
        for name in point.full_name or ():
            if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(("http://", "https://")):
                yield name.value


def _read(content: bytes) -> x509.CertificateRevocationList:
    if content.lstrip().startswith(b"-----BEGIN"):
        content = pem.unarmor(content.lstrip())[2]
    return load_revocation_list(content)


def _check(
    found: x509.CertificateRevocationList, issuer: x509.Certificate, certificate: x509.Certificate, now: datetime
) -> None:
    """Raise ValueError unless the list is this issuer's own, complete and fresh."""
    key = issuer.public_key()
    if found.issuer != issuer.subject or not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ValueError("the list is somebody else's")
    if not found.is_signature_valid(key):
        raise ValueError("the list's signature is wrong")
    if found.next_update_utc is None or found.next_update_utc <= now or found.last_update_utc > now + CLOCK_TOLERANCE:
        raise ValueError("the list is not of today")
    if _is_partial(found, certificate):
        raise ValueError("the list does not speak for this certificate")


def _is_partial(found: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    if any(extension.oid == x509.DeltaCRLIndicator.oid for extension in found.extensions):
        return True
    try:
        scope = found.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return False
    wrong_kind = scope.only_contains_user_certs if is_authority(certificate) else scope.only_contains_ca_certs
    narrowed = scope.indirect_crl or scope.only_contains_attribute_certs or scope.only_some_reasons is not None
    names = {name.value for name in scope.full_name or ()}
    return bool(wrong_kind or narrowed or (names and names.isdisjoint(_addresses(certificate))))
