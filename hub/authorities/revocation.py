"""Revocation lists of other authorities, fetched from where their certificates say (RFC 5280, 4.2.1.13 and 5).

Only certificates whose path was validated come here, so that their authority, and nobody else, names the addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import aiohttp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from hub.errors import AuthorityUnavailable, CertificateNotTrusted

FETCH_SECONDS: Final = 10.0
LARGEST_LIST: Final = 32 << 20  # bytes
CLOCK_TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Status:
    """`lists`: DER, one for each certificate of a chain but the last. `revoked`: whether the first, or one of the
    authorities above it, stands in them. `next_update`: when the first list runs out."""

    lists: tuple[bytes, ...]
    revoked: bool
    next_update: datetime


class RevocationLists:
    def __init__(self, http: aiohttp.ClientSession, clock: Callable[[], datetime]) -> None:
        self._http = http
        self._clock = clock

    async def of(self, chain: Sequence[bytes]) -> Status:
        """What the authorities say of this chain (DER, the trusted authority last) at this moment.

        Raises CertificateNotTrusted for one that names no list over HTTP, and AuthorityUnavailable where no fitting,
        fresh list can be had.
        """
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
        found = [await self._list_for(one, issuer) for one, issuer in pairwise(certificates)]
        revoked = [
            each.get_revoked_certificate_by_serial_number(one.serial_number) is not None
            for one, each in zip(certificates, found, strict=False)
        ]
        ends = found[0].next_update_utc if found else None
        encoded = tuple(dict.fromkeys(each.public_bytes(Encoding.DER) for each in found))
        return Status(encoded, any(revoked), ends or self._clock())

    async def _list_for(
        self, certificate: x509.Certificate, issuer: x509.Certificate
    ) -> x509.CertificateRevocationList:
        addresses = list(_addresses(certificate))
        if not addresses:
            raise CertificateNotTrusted("nobody can ask whether it was revoked: it names no revocation list over HTTP")
        reasons = []
        for address in addresses:
            try:
                found = await asyncio.to_thread(_read, await self._fetched(address))
                _check(found, issuer, certificate, self._clock())
                return found
            except (aiohttp.ClientError, TimeoutError, ValueError, UnsupportedAlgorithm) as error:
                reasons.append(f"{address}: {str(error) or type(error).__name__}")
        raise AuthorityUnavailable("; ".join(reasons)[:500])

    async def _fetched(self, address: str) -> bytes:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with self._http.get(address, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"answered {response.status}")
            content = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                content += chunk
                if len(content) > LARGEST_LIST:
                    raise ValueError("the list is too large")
        return bytes(content)


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
        return x509.load_pem_x509_crl(content)
    return x509.load_der_x509_crl(content)


def _check(
    found: x509.CertificateRevocationList, issuer: x509.Certificate, certificate: x509.Certificate, now: datetime
) -> None:
    """ValueError unless it is this issuer's own, whole, fresh list."""
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
    wrong_kind = scope.only_contains_user_certs if _is_authority(certificate) else scope.only_contains_ca_certs
    narrowed = scope.indirect_crl or scope.only_contains_attribute_certs or scope.only_some_reasons is not None
    names = {name.value for name in scope.full_name or ()}
    return bool(wrong_kind or narrowed or (names and names.isdisjoint(_addresses(certificate))))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False
