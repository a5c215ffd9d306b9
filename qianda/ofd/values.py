"""Read the value of a signature: a sealed one of GM/T 0031 or GB/T 38540, or a plain one of GB/T 35275."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asn1crypto import core

from qianda.der_limits import CostlyAsn1, check_elements
from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.moments import read_moment
from qianda.ofd.seal_syntax import (
    CertificateDigestList,
    CertificateList,
    EncodedSeal,
    SealInfo,
    SealProperty,
    SealPropertyV1,
    SealSignature,
    SealSignatureV1,
    SealV1,
)
from qianda.ofd.signed_data import PlainValue, check_count, read_signed_data

VERSIONS: Final = (1, 4, 5)
MAX_VALUE_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class ElectronicSeal:
    """A seal as its maker signed it. `listed`: the certificates (DER) that may use it; `listed_hashes`: if it names
    only their hashes. `signed`: the variants of the bytes that the maker may have signed."""

    encoded: bytes
    version: int
    vendor: str
    number: str
    name: str
    listed: tuple[bytes, ...]
    listed_hashes: tuple[bytes, ...]
    created: datetime
    valid_from: datetime
    valid_until: datetime
    picture: tuple[str, bytes, int, int]
    maker: bytes
    algorithm: str
    signed: tuple[bytes, ...]
    signature: bytes


@dataclass(frozen=True)
class SignatureValue(PlainValue):
    """The content of a signature's value. `certificate` (DER) signed `signed`, which contains `data_hash`, the hash of
    `Signature.xml`. `moment`: the time by the signer's clock, or None. `timestamp`: DER of RFC 3161."""

    seal: ElectronicSeal | None = None
    timestamp: bytes | None = None


def read_value(data: bytes, name: str) -> SignatureValue:
    """Read a signature's value. Its kind is not taken from the list of signatures. Raises NotAnOfd, which names the
    member."""
    if len(data) > MAX_VALUE_BYTES:
        raise OfdTooLarge(
            f"{name}：签名值超过 {MAX_VALUE_BYTES >> 20} MiB",
            f"{name}: a signature value of more than {MAX_VALUE_BYTES >> 20} MiB",
        )
    try:
        check_elements(data)
        first = _first_part(data)
        if isinstance(first, core.ObjectIdentifier):
            return SignatureValue(**vars(read_signed_data(data)))
        version = int(first[0].native)
        if version not in VERSIONS:
            raise NotAnOfd(f"{name}：印章版本 {version} 未知", f"{name}: a seal of the unknown version {version}")
        return _read_sealed_v1(data) if version == 1 else _read_sealed(data)
    except NotAnOfd:
        raise
    except CostlyAsn1 as error:
        raise OfdTooLarge(f"{name}：ASN.1 元素过多", f"{name}: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise NotAnOfd(f"{name}：签名值无法读取", f"{name}: a signature value that cannot be read") from error


def read_seal(data: bytes, name: str) -> ElectronicSeal:
    """Read a seal of any version. Raises NotAnOfd, which names the member."""
    if len(data) > MAX_VALUE_BYTES:
        raise OfdTooLarge(
            f"{name}：印章超过 {MAX_VALUE_BYTES >> 20} MiB", f"{name}: a seal of more than {MAX_VALUE_BYTES >> 20} MiB"
        )
    try:
        check_elements(data)
        version = int(SealInfo.load(_first_part(data).dump())["header"]["version"].native)
        return _seal_v1(SealV1.load(data, strict=True)) if version == 1 else _seal(EncodedSeal.load(data, strict=True))
    except NotAnOfd:
        raise
    except CostlyAsn1 as error:
        raise OfdTooLarge(f"{name}：ASN.1 元素过多", f"{name}: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise NotAnOfd(f"{name}：印章无法读取", f"{name}: a seal that cannot be read") from error


def _read_sealed(data: bytes) -> SignatureValue:
    value = SealSignature.load(data, strict=True)
    to_sign, timestamp = value["to_sign"], value["timestamp"]
    is_stamped = not isinstance(timestamp, core.Void)  # `native` would make an object of each bit
    _check_parts(data, 5 if is_stamped else 4)
    if is_stamped:
        check_elements(_bits(timestamp))
    return SignatureValue(
        certificate=value["certificate"].native,
        others=(),
        algorithm=value["algorithm"].dotted,
        signed=to_sign.dump(),
        data_hash=_bits(to_sign["data_hash"]),
        signature=_bits(value["signature"]),
        moment=_moment(to_sign["time"]),
        seal=_seal(to_sign["seal"]),
        timestamp=_bits(timestamp) if is_stamped else None,
    )


def _read_sealed_v1(data: bytes) -> SignatureValue:
    value = SealSignatureV1.load(data, strict=True)
    _check_parts(data, 2)
    to_sign = value["to_sign"]
    noted = _bits(to_sign["time"])
    # The bits hold either a time as text, or an RFC 3161 timestamp.
    is_text = noted.isascii() and len(noted) <= 32
    return SignatureValue(
        certificate=to_sign["certificate"].native,
        others=(),
        algorithm=to_sign["algorithm"].dotted,
        signed=to_sign.dump(),
        data_hash=_bits(to_sign["data_hash"]),
        signature=_bits(value["signature"]),
        moment=_moment_in_bits(noted) if is_text else None,
        seal=_seal_v1(to_sign["seal"]),
    )


def _check_parts(data: bytes, count: int) -> None:
    """Check that nothing follows the signature. No signature would cover it, and asn1crypto does not look at it."""
    if len(core.Sequence.load(data, strict=True)) != count:
        raise NotAnOfd("签名值含有多余的部分", "a signature value with more than its parts")


def _moment_in_bits(noted: bytes) -> datetime | None:
    """Return the time in the bits, which may or may not have the DER tag of a time."""
    if noted[:1] in (b"\x17", b"\x18") and noted[1:2] == bytes((len(noted) - 2,)):
        noted = noted[2:]
    return read_moment(noted.decode("ascii"))


def _seal(seal: Any) -> ElectronicSeal:
    parts = seal["info"].dump(), seal["certificate"].dump(), seal["algorithm"].dump()
    listed = SealProperty.load(seal["info"]["property"].dump(), strict=True)
    check_count(listed["certificates"].parse().contents)
    if listed["list_type"].native == 1:
        certificates, hashes = CertificateList.load(listed["certificates"].dump(), strict=True).native, ()
    else:
        digests = CertificateDigestList.load(listed["certificates"].dump(), strict=True)
        certificates, hashes = (), tuple(one["value"].native for one in digests)
    return _whole(seal, listed, (tuple(certificates), hashes), (seal, _maker_bytes(parts)))


def _seal_v1(seal: Any) -> ElectronicSeal:
    made = seal["made"]
    parts = seal["info"].dump(), made["certificate"].dump(), made["algorithm"].dump()
    listed = SealPropertyV1.load(seal["info"]["property"].dump(), strict=True)
    check_count(listed["certificates"].contents)
    return _whole(seal, listed, (tuple(listed["certificates"].native), ()), (made, _maker_bytes(parts)))


def _whole(
    seal: Any,
    listed: Any,
    certificates: tuple[tuple[bytes, ...], tuple[bytes, ...]],
    made: tuple[Any, tuple[bytes, ...]],
) -> ElectronicSeal:
    info, (signature, signed) = seal["info"], made
    created, start, end = (_moment(listed[name]) for name in ("created", "valid_from", "valid_until"))
    if created is None or start is None or end is None:
        raise NotAnOfd("印章没有注明有效期", "a seal without the times of its life")
    picture = info["picture"]
    return ElectronicSeal(
        encoded=seal.dump(),
        version=int(info["header"]["version"].native),
        vendor=info["header"]["vendor"].native,
        number=info["number"].native,
        name=listed["name"].native,
        listed=certificates[0],
        listed_hashes=certificates[1],
        created=created,
        valid_from=start,
        valid_until=end,
        picture=(picture["type"].native, picture["data"].native, picture["width"].native, picture["height"].native),
        maker=signature["certificate"].native,
        algorithm=signature["algorithm"].dotted,
        signed=signed,
        signature=_bits(signature["signature"]),
    )


def _maker_bytes(parts: tuple[bytes, bytes, bytes]) -> tuple[bytes, ...]:
    """Return the variants of what a maker may have signed: only the seal's information, or also certificate and
    algorithm."""
    joined = b"".join(parts)
    return parts[0], core.Sequence(contents=joined).dump()


def _moment(value: Any) -> datetime | None:
    return read_moment(value.parse().contents.decode("ascii"))


def _bits(value: Any) -> bytes:
    contents: bytes = value.contents
    if contents[:1] != b"\0":
        raise NotAnOfd("比特串不是整字节", "bits that are not whole bytes")
    return contents[1:]


def _first_part(data: bytes) -> Any:
    """Return the first part of a sequence. The other parts may have context-specific tags."""
    return core.Asn1Value.load(core.Sequence.load(data, strict=True).contents)
