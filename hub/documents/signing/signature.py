"""Make a signature in two steps: the hub prepares it, the key holder signs, any process of the hub embeds it.

Between the steps, only plain data is kept. Sources: ISO 32000-2, 12.8; ETSI EN 319 142-1 (PAdES); RFC 5652, 5.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hub.content_hash import hash_beginning
from hub.documents.computing import compute
from hub.documents.pades.cms import assembled
from hub.errors import WrongDocument, WrongSignature
from qianda import der
from qianda.certificate_loading import load_certificate
from qianda.cms_parts import CONTEXT_0, CONTEXT_1, SIGNATURE_TIMESTAMP

RESERVED_HEX_DIGITS: Final = 16384  # enough for EC or RSA chains and a timestamp with its certificates
MAX_TOKEN_BYTES: Final = 5120  # of a timestamp; the reserved place also has room for chain, signature and confirmation
COORDINATE_BYTES: Final = 32  # P-256
TIMESTAMP_FIELD: Final = "document-timestamp"


class TimestampSource(Protocol):
    """What signing needs from a timestamp authority; see `hub.timestamps`."""

    async def timestamp(self, digest: bytes) -> bytes: ...


@dataclass(frozen=True)
class FieldBox:
    """The place of a signature or the seal, in PDF points from the lower left corner of page `page`, counted from 0."""

    name: str
    page: int
    x1: float
    y1: float
    x2: float
    y2: float
    seal: bool = False


@dataclass(frozen=True)
class NewSignature:
    """A signature to be made in `field`.

    `certify`: this is the first signature, which from now on allows only the other signatures. `final`: this is the
    seal, which allows no change at all. `appearance`: a PDF page to show.
    """

    field: str
    certify: bool
    final: bool
    appearance: bytes | None


@dataclass(frozen=True)
class Prepared:
    """A file with an empty place for one signature, and the bytes that the key holder has to sign."""

    file: bytes
    gap: tuple[int, int]  # from the `<` of the place to after its `>`
    document_digest: bytes  # SHA-256 over everything but the gap
    to_be_signed: bytes  # DER of the signed attributes with the SET tag

    @property
    def byte_range(self) -> tuple[int, int, int, int]:
        """Offset and length before the gap, offset and length after it, as in the signature dictionary."""
        start, end = self.gap
        return (0, start, end, len(self.file) - end)


@dataclass(frozen=True)
class Evidence:
    """What is needed to validate a signature years later, each in DER: certificates, CRLs, OCSP answers."""

    certificates: Sequence[bytes]
    crls: Sequence[bytes]
    answers: Sequence[bytes] = ()


@dataclass(frozen=True)
class ReservedTimestamp:
    """A file with an empty place for its document timestamp, and the SHA-256 over everything but the gap."""

    file: bytes
    gap: tuple[int, int]
    document_digest: bytes


async def embed(
    prepared: Prepared,
    chain: Sequence[bytes],
    signature_der: bytes,
    timestamps: TimestampSource,
    confirmation: bytes | None = None,
) -> bytes:
    """Return the signed file. The place then holds the key holder's signature (DER, see `verified_der`) and a timestamp
    over it.

    `confirmation`: a passkey's confirmation, which is embedded as well (see `qianda.confirmation`). Raises
    WrongDocument if the file is not the prepared one, and TimestampUnavailable, after which the call can be repeated.
    """
    await compute(prepared.file, partial(_check_prepared, prepared))
    token = await timestamps.timestamp(hashlib.sha256(signature_der).digest())
    content = assembled(prepared.to_be_signed, signature_der, chain, token, confirmation)
    return filled(prepared.file, prepared.gap, content)


def certified_key(certificate: bytes) -> bytes:
    """Return the public key (SPKI, DER) of a certificate (DER)."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return load_certificate(certificate).public_key().public_bytes(serialization.Encoding.DER, form)


def verified_der(spki: bytes, message: bytes, signature: bytes) -> bytes:
    """Return a holder's signature in the form that CMS needs: raw r‖s (64 bytes) becomes DER, RSA (PKCS#1 v1.5) stays.

    Raises WrongSignature unless it was made over `message` with SHA-256 by the key of `spki`.
    """
    try:
        public_key = serialization.load_der_public_key(spki)
        if isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            return signature
        return _verified_ecdsa(public_key, message, signature)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise WrongSignature("not made by this key over these bytes") from error


def filled(file: bytes, gap: tuple[int, int], content: bytes) -> bytes:
    """Return the file with `content` as hexadecimal in the gap, between `<` and `>`, followed by zeros.

    Raises WrongDocument if the gap is too small.
    """
    start, end = gap[0] + 1, gap[1] - 1
    digits = content.hex().encode("ascii")
    if len(digits) > end - start:
        raise WrongDocument("the reserved place is too small for the signature")
    view = memoryview(file)  # slices of it are not copied
    return b"".join((view[:start], digits.ljust(end - start, b"0"), view[end:]))


def embedded_timestamp(file: bytes, gap: tuple[int, int]) -> bytes | None:
    """Return the timestamp token (DER) over the signature that `embed` wrote into this gap; None if there is none.

    The gap is the same as in the prepared file, because later revisions are appended. Raises NotDer.
    """
    content = der.read_padded(bytes.fromhex(file[gap[0] + 1 : gap[1] - 1].decode("ascii")))
    _, wrapped = content.children(der.SEQUENCE)
    parts = der.only(wrapped.children(CONTEXT_0)).children(der.SEQUENCE)
    signer = der.only(parts[-1].children(der.SET)).children(der.SEQUENCE)
    unsigned = signer[-1].children(CONTEXT_1) if signer[-1].tag == CONTEXT_1 else []
    for each in unsigned:
        kind, values = each.children(der.SEQUENCE)
        if kind.whole == SIGNATURE_TIMESTAMP:
            return der.only(values.children(der.SET)).whole
    return None


def _verified_ecdsa(public_key: Any, message: bytes, raw: bytes) -> bytes:
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name != ec.SECP256R1.name:
        raise WrongSignature("the key is neither P-256 nor RSA")
    if len(raw) != 2 * COORDINATE_BYTES:
        raise WrongSignature("a P-256 signature has 64 bytes")
    r, s = (int.from_bytes(half, "big") for half in (raw[:COORDINATE_BYTES], raw[COORDINATE_BYTES:]))
    encoded = encode_dss_signature(r, s)
    public_key.verify(encoded, message, ec.ECDSA(hashes.SHA256()))
    return encoded


def _check_prepared(prepared: Prepared) -> None:
    file, (start, end) = prepared.file, prepared.gap
    empty = b"<" + b"0" * (end - start - 2) + b">"
    ranges = hash_beginning(file, start)
    ranges.update(memoryview(file)[end:])
    if file[start:end] != empty or ranges.digest() != prepared.document_digest:
        raise WrongDocument("this is not the file that was prepared")
