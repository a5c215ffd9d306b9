"""Make an electronic seal, 电子印章 (GB/T 38540, version 4): a picture, the certificates that may use it, its validity.

The seal maker signs it. The hub can be the maker; it then has a separate key that signs only seals.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hub.errors import BadInput
from qianda import der, sm2
from qianda.cms_parts import object_identifier

VERSION: Final = 4
VENDOR: Final = "Qianda"
ORGANISATION: Final = 1  # the type of seal: 1 an organisation's, 2 a person's (GB/T 38540, 6.2)
_UTF8, _IA5, _GENERALIZED_TIME, _BITS = 0x0C, 0x16, 0x18, 0x03
_CERTIFICATES = 1  # the list holds certificates, not their hashes
_KINDS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPG"}
MAX_PICTURE_BYTES: Final = 1 << 20
MAX_SIDE: Final = 200  # mm


@dataclass(frozen=True)
class SealPicture:
    """The picture (PNG or JPEG) and its size in millimetres."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class NewSeal:
    """A seal to be made. `certificates` (DER): those that may use the seal. `maker`: the maker's certificate (DER)."""

    number: str
    name: str
    picture: SealPicture
    certificates: tuple[bytes, ...]
    valid_from: datetime
    valid_until: datetime
    maker: bytes


def seal_info(seal: NewSeal) -> bytes:
    """Return SES_SealInfo (DER), which the maker signs. Raises BadInput."""
    if not seal.certificates or not seal.valid_from < seal.valid_until:
        raise BadInput("A seal needs a certificate and a time of validity.", field="seal")
    if not seal.number.isascii() or not seal.number:
        raise BadInput("A seal's number has ASCII characters only.", field="number")
    header = sequence(text(_IA5, "ES"), integer(VERSION), text(_IA5, VENDOR))
    listed = sequence(*(octets(one) for one in seal.certificates))
    life = (moment(seal.valid_from), moment(seal.valid_from), moment(seal.valid_until))
    about = sequence(integer(ORGANISATION), text(_UTF8, seal.name), integer(_CERTIFICATES), listed, *life)
    return sequence(header, text(_IA5, seal.number), about, _picture(seal.picture))


def finish_seal(seal: NewSeal, info: bytes, signature: bytes) -> bytes:
    """Return the whole seal (SESeal, DER) from the data that the maker signed and the maker's signature."""
    return sequence(info, octets(seal.maker), SM2_WITH_SM3, bits(signature))


def _picture(picture: SealPicture) -> bytes:
    kind = next((kind for start, kind in _KINDS.items() if picture.data.startswith(start)), "")
    if not kind or len(picture.data) > MAX_PICTURE_BYTES:
        raise BadInput("The picture of a seal is a PNG or JPEG of at most 1 MiB.", field="picture")
    if not (0 < picture.width <= MAX_SIDE and 0 < picture.height <= MAX_SIDE):
        raise BadInput("The size of a seal is not possible.", field="picture")
    return sequence(text(_IA5, kind), octets(picture.data), integer(picture.width), integer(picture.height))


# ---- DER of the types in seals and their signatures

SM2_WITH_SM3: Final = object_identifier(sm2.SIGNATURE_OID)


def sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, b"".join(parts))


def octets(value: bytes) -> bytes:
    return der.encode(der.OCTET_STRING, value)


def bits(value: bytes) -> bytes:
    """Return a BIT STRING of whole bytes."""
    return der.encode(_BITS, b"\0" + value)


def integer(value: int) -> bytes:
    """Return a non-negative INTEGER."""
    return der.encode(der.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def text(tag: int, value: str) -> bytes:
    return der.encode(tag, value.encode("utf-8" if tag == _UTF8 else "ascii"))


def moment(value: datetime) -> bytes:
    """Return a GeneralizedTime in whole seconds of UTC."""
    return der.encode(_GENERALIZED_TIME, f"{value.astimezone(UTC):%Y%m%d%H%M%SZ}".encode())


def location(value: str) -> bytes:
    return text(_IA5, value)
