"""The built-in timestamp authority, for trial and internal use: RFC 3161 with a key that may be on a token.

Tokens are built directly from DER, because decoding and encoding with asn1crypto took ten times as long as the rest.
Sources: RFC 3161 (2.4 request and response), RFC 5816 (ESSCertIDv2), RFC 5652, 5.4 (signed attributes), X.690.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from hub.errors import TimestampUnavailable, TokenUnavailable
from qianda import cms_parts, der
from qianda.cms_parts import CONTEXT_0, SHA256, CertificateNames, attribute, object_identifier
from qianda.der import INTEGER, OCTET_STRING, OID, SEQUENCE, SET, DerElement, NotDer, encode
from qianda.trust_marks import TRIAL_TIMESTAMP_POLICY_OID

BOOLEAN: Final = 0x01
BIT_STRING: Final = 0x03
GENERALIZED_TIME: Final = 0x18
# Sizes in bytes of the accepted digests, by their object identifiers.
DIGEST_SIZES: Final = {
    object_identifier("2.16.840.1.101.3.4.2.1"): 32,  # SHA-256
    object_identifier("2.16.840.1.101.3.4.2.2"): 48,  # SHA-384
    object_identifier("2.16.840.1.101.3.4.2.3"): 64,  # SHA-512
}
POLICY: Final = object_identifier(TRIAL_TIMESTAMP_POLICY_OID)
ACCURACY: Final = encode(SEQUENCE, encode(INTEGER, b"\x01"))  # one second
GRANTED: Final = encode(SEQUENCE, encode(INTEGER, b"\x00"))
REJECTION: Final = encode(INTEGER, b"\x02")
# Bits of PKIFailureInfo (RFC 3161, 2.4.2).
BAD_ALG, BAD_DATA_FORMAT, UNACCEPTED_POLICY, UNACCEPTED_EXTENSIONS, SYSTEM_FAILURE = 0, 5, 15, 16, 25


class TimestampKey(Protocol):
    """What the responder needs from its key, which is on P-256; see `hub.tokens`."""

    async def sign(self, message: bytes) -> bytes: ...


class _Rejected(Exception):
    """The request is rejected. `bit`: the bit of PKIFailureInfo that says why."""

    def __init__(self, bit: int) -> None:
        super().__init__(bit)
        self.bit = bit


@dataclass(frozen=True)
class _Request:
    """A request. `imprint` and `nonce`: DER, as written in the request; `nonce` is empty if there is none."""

    imprint: bytes
    nonce: bytes
    wants_certificate: bool


class BuiltinTimestamps:
    """The service that answers requests (`respond`) and serves the hub itself (`timestamp`), with the same tokens."""

    def __init__(
        self,
        key: TimestampKey,
        chain: Sequence[bytes],
        clock: Callable[[], datetime],
        new_serial: Callable[[], int] = lambda: secrets.randbits(63),
    ) -> None:
        """Use the key. `chain`: certificates in DER, the timestamp authority's own first."""
        self.certificates = tuple(chain)
        self._key, self._clock, self._new_serial = key, clock, new_serial
        names = CertificateNames.read(self.certificates[0])
        self._signer_id = encode(SEQUENCE, names.issuer + names.serial)
        named = encode(OCTET_STRING, hashlib.sha256(self.certificates[0]).digest())  # SHA-256 is the default
        reference = encode(SEQUENCE, encode(SEQUENCE, encode(SEQUENCE, named)))
        self._certificate_attribute = attribute(cms_parts.SIGNING_CERTIFICATE_V2, reference)

    async def timestamp(self, digest: bytes) -> bytes:
        """Return a token over a digest of one of DIGEST_SIZES. Raises TimestampUnavailable if the key does not sign."""
        algorithm = next(
            encode(SEQUENCE, kind + cms_parts.NULL) for kind, size in DIGEST_SIZES.items() if size == len(digest)
        )
        imprint = encode(SEQUENCE, algorithm + encode(OCTET_STRING, digest))
        try:
            return await self._token(_Request(imprint, nonce=b"", wants_certificate=True))
        except TokenUnavailable as error:
            raise TimestampUnavailable(f"the key of the built-in timestamp authority: {error}") from error

    async def respond(self, request: bytes) -> bytes:
        """Return the answer (DER of TimeStampResp) to a DER TimeStampReq: granted, or a rejection with its reason."""
        try:
            return encode(SEQUENCE, GRANTED + await self._token(_checked(request)))
        except _Rejected as reason:
            return _rejection(reason.bit)
        except TokenUnavailable:
            return _rejection(SYSTEM_FAILURE)

    async def _token(self, request: _Request) -> bytes:
        content = encode(SEQUENCE, b"".join(self._info(request)))
        attributes = (
            attribute(cms_parts.CONTENT_TYPE, cms_parts.TST_INFO),
            attribute(cms_parts.MESSAGE_DIGEST, encode(OCTET_STRING, hashlib.sha256(content).digest())),
            self._certificate_attribute,
        )
        to_be_signed = encode(SET, b"".join(sorted(attributes)))
        signature = encode(OCTET_STRING, await self._key.sign(to_be_signed))
        signed_attributes = bytes((CONTEXT_0,)) + to_be_signed[1:]  # inside the SignerInfo the SET has tag [0]
        head = cms_parts.VERSION_1 + self._signer_id + SHA256
        signer = encode(SEQUENCE, head + signed_attributes + cms_parts.ECDSA_SHA256 + signature)
        certificates = encode(CONTEXT_0, self.certificates[0]) if request.wants_certificate else b""
        encapsulated = encode(SEQUENCE, cms_parts.TST_INFO + encode(CONTEXT_0, encode(OCTET_STRING, content)))
        # Version 3, because the content is not of type data.
        data = cms_parts.VERSION_3 + encode(SET, SHA256) + encapsulated + certificates + encode(SET, signer)
        return encode(SEQUENCE, cms_parts.SIGNED_DATA + encode(CONTEXT_0, encode(SEQUENCE, data)))

    def _info(self, request: _Request) -> tuple[bytes, ...]:
        """Return the parts of TSTInfo in DER."""
        moment = f"{self._clock().astimezone(UTC):%Y%m%d%H%M%SZ}".encode("ascii")
        serial = _integer(self._new_serial())
        time = encode(GENERALIZED_TIME, moment)
        return cms_parts.VERSION_1, POLICY, request.imprint, serial, time, ACCURACY, request.nonce


def _checked(request: bytes) -> _Request:
    try:
        version, imprint, *optional = der.read(request).children(SEQUENCE)
        algorithm, digest = imprint.children(SEQUENCE)
        kind, *parameters = algorithm.children(SEQUENCE)
        found = _optional_parts(optional)
        well_formed = version.whole == cms_parts.VERSION_1 and kind.tag == OID and digest.tag == OCTET_STRING
        if not well_formed or [each.whole for each in parameters] not in ([], [cms_parts.NULL]):
            raise _Rejected(BAD_DATA_FORMAT)
    except (NotDer, ValueError) as error:
        raise _Rejected(BAD_DATA_FORMAT) from error
    if kind.whole not in DIGEST_SIZES:
        raise _Rejected(BAD_ALG)
    if len(digest.content) != DIGEST_SIZES[kind.whole]:
        raise _Rejected(BAD_DATA_FORMAT)
    if OID in found and found[OID].whole != POLICY:
        raise _Rejected(UNACCEPTED_POLICY)
    if CONTEXT_0 in found:
        raise _Rejected(UNACCEPTED_EXTENSIONS)
    nonce = found[INTEGER].whole if INTEGER in found else b""
    return _Request(imprint.whole, nonce, BOOLEAN in found and found[BOOLEAN].content != b"\x00")


def _optional_parts(parts: list[DerElement]) -> dict[int, DerElement]:
    """Return policy, nonce, certReq and extensions by their tags. Raises NotDer unless they are in this order."""
    order = [OID, INTEGER, BOOLEAN, CONTEXT_0]
    places = [order.index(part.tag) for part in parts]
    if places != sorted(set(places)) or any(part.tag == INTEGER and not part.content for part in parts):
        raise NotDer("a request with other parts")
    return {part.tag: part for part in parts}


def _integer(number: int) -> bytes:
    """Return the DER of a non-negative number."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _rejection(bit: int) -> bytes:
    """Return a TimeStampResp without a token. The string of named bits ends with the bit that is set."""
    last = 1 << (7 - bit % 8)
    reason = encode(BIT_STRING, bytes((7 - bit % 8,)) + bytes(bit // 8) + bytes((last,)))
    return encode(SEQUENCE, encode(SEQUENCE, REJECTION + reason))
