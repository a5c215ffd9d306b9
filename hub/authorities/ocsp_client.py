"""Ask the OCSP responders of other authorities, and check their answers (RFC 6960, RFC 9654).

An answer will be embedded in the file, so it is accepted only if it can later be judged by itself: it must have an end
(nextUpdate), and be signed by the authority or by a responder whose revocation need not be checked (ocsp-nocheck).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from hub.authorities import CLOCK_TOLERANCE
from hub.bounded_read import read_limited

ASK_TIMEOUT: Final = 10.0
MAX_ANSWER_BYTES: Final = 256 * 1024
NONCE_BYTES: Final = 32


@dataclass(frozen=True)
class OcspAnswer:
    """A checked answer. `response`: DER of OCSPResponse."""

    response: bytes
    revoked: bool
    issued_at: datetime
    next_update: datetime


class OcspClient:
    def __init__(self, http: aiohttp.ClientSession, clock: Callable[[], datetime]) -> None:
        self._http, self._clock = http, clock

    async def ask(self, address: str, certificate: x509.Certificate, issuer: x509.Certificate) -> OcspAnswer:
        """Ask about a certificate.

        Raises ValueError for an answer that cannot be used, aiohttp.ClientError or TimeoutError if there is none.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        question = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303 - a name
        question = question.add_extension(x509.OCSPNonce(nonce), critical=False)
        body = await self._post(address, question.build().public_bytes(serialization.Encoding.DER))
        try:
            return _checked(body, certificate, issuer, nonce, self._clock())
        except (InvalidSignature, UnsupportedAlgorithm, TypeError) as error:
            raise ValueError("the answer's signature is wrong") from error

    async def _post(self, address: str, question: bytes) -> bytes:
        timeout, headers = aiohttp.ClientTimeout(total=ASK_TIMEOUT), {"Content-Type": "application/ocsp-request"}
        async with self._http.post(
            address, data=question, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            if response.status != 200:
                raise ValueError(f"answered {response.status}")
            return await read_limited(response.content, MAX_ANSWER_BYTES, ValueError)


def list_addresses(certificate: x509.Certificate) -> Iterator[str]:
    """Yield the HTTP addresses of the OCSP responders that a certificate names."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for each in access:
        place = each.access_location
        if each.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            place, x509.UniformResourceIdentifier
        ):
            if place.value.startswith(("http://", "https://")):
                yield place.value


def _checked(
    body: bytes, certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes, now: datetime
) -> OcspAnswer:
    response = ocsp.load_der_ocsp_response(body)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(f"the responder says {response.response_status.name.lower()}")
    if response.serial_number != certificate.serial_number or response.issuer_key_hash != _key_hash(issuer, response):
        raise ValueError("the answer is about another certificate")
    _check_signature(response, issuer, now)
    _check_nonce(response, nonce)
    begins, ends = response.this_update_utc, response.next_update_utc
    if ends is None or ends <= now or begins > now + CLOCK_TOLERANCE:
        raise ValueError("the answer is not of now, or has no end")
    if response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise ValueError("the responder does not know the certificate")
    return OcspAnswer(body, response.certificate_status is ocsp.OCSPCertStatus.REVOKED, begins, ends)


def _key_hash(issuer: x509.Certificate, response: ocsp.OCSPResponse) -> bytes:
    key = issuer.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        bits = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    hashed = hashes.Hash(response.hash_algorithm)
    hashed.update(bits)
    return hashed.finalize()


def _check_nonce(response: ocsp.OCSPResponse, nonce: bytes) -> None:
    """Raise ValueError if the answer has a nonce that is not ours. Answers made in advance (RFC 5019) have none."""
    try:
        given = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return
    if given != nonce:
        raise ValueError("the answer is to another question: its nonce is not ours")


def _check_signature(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> None:
    """Check that the authority itself, or a responder that it appointed, signed the answer. Raises InvalidSignature,
    ValueError."""
    key, algorithm = _signer(response, issuer, now).public_key(), response.signature_hash_algorithm
    if algorithm is None:
        raise ValueError("the answer's signature is of a kind that is not known here")
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
    else:
        raise ValueError("the answer's signature is of a kind that is not known here")


def _signer(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> x509.Certificate:
    own = [each for each in response.certificates if each != issuer]
    if not own or _is_named(response, issuer):
        return issuer
    responder = own[0]
    responder.verify_directly_issued_by(issuer)
    if not responder.not_valid_before_utc <= now < responder.not_valid_after_utc:
        raise ValueError("the responder's certificate is not valid now")
    try:
        purposes = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        responder.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound as error:
        raise ValueError("the responder's certificate is not for this, or might have been revoked itself") from error
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        raise ValueError("the responder's certificate is not for this")
    return responder


def _is_named(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """Return whether the answer names the authority itself as its signer."""
    if response.responder_name is not None:
        return response.responder_name == issuer.subject
    return response.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
