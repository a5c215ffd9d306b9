"""Read the signatures and timestamps in a finished file independently of the product's own reader."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import cms, parser, tsp

from hub.model.signing.signature_request import SEAL_FIELD
from qianda.verify.pdf.structure import check_finished

_CONTENTS = re.compile(rb"/Contents\s*(<[0-9A-Fa-f]{256,}>)")
PACKAGE_SIGNATURE = "META-INF/signature001.p7s"
_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


@dataclass(frozen=True)
class SignedDigest:
    """A signature in a file. `certificate`: its serial number. `digest` and `signature_sha256`: SHA-256 of the signed
    bytes and of the signature, hexadecimal."""

    certificate: str
    digest: str
    signature_sha256: str


@dataclass(frozen=True)
class Stamp:
    imprint: str
    serial: str


@dataclass(frozen=True)
class Finished:
    """The contents of a finished file.

    `well`: every signature and timestamp matches what it covers, and the product's own quick check, if it was run, also
    finds nothing wrong.
    """

    signatures: tuple[SignedDigest, ...]
    stamps: tuple[Stamp, ...]
    well: bool


def read_finished(path: Path, fields: Sequence[str], check: bool) -> Finished:
    """Read a finished file. `fields`: those of the signers. Raises ValueError if a signature cannot be read."""
    file, signatures, stamps, well = path.read_bytes(), [], [], True
    for signed, covered in _contents(file):
        signer, content = signed["signer_infos"][0], signed["encap_content_info"]
        if content["content_type"].native == "tst_info":
            stamps.append(_stamp(signed))
            well &= stamps[-1].imprint == covered
            continue
        signatures.append(_signed(signer))
        well &= _message_digest(signer) == covered
        its_stamps = [_stamp(token["content"]) for token in _tokens(signer)]
        well &= [each.imprint for each in its_stamps] == [signatures[-1].signature_sha256]
        stamps += its_stamps
    well &= not check or not check_finished(file, (*fields, SEAL_FIELD))
    return Finished(tuple(signatures), tuple(stamps), well)


def read_package(content: bytes) -> SignedDigest:
    """Read the signature of an evidence package (EN 319 162-1, CAdES)."""
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        signed = cms.ContentInfo.load(package.read(PACKAGE_SIGNATURE))["content"]
    return _signed(signed["signer_infos"][0])


def _contents(file: bytes) -> Iterator[tuple[cms.SignedData, str]]:
    """Yield each CMS object with the SHA-256 of the bytes that it covers; "" if no ByteRange belongs to it."""
    ranges = {numbers[1]: numbers for found in _RANGE.finditer(file) if (numbers := tuple(map(int, found.groups())))}
    for found in _CONTENTS.finditer(file):
        content = bytes.fromhex(found[1][1:-1].decode())
        start, length, resume, rest = ranges.get(found.start(1), (0, 0, 0, 0))
        covered = hashlib.sha256(file[start : start + length] + file[resume : resume + rest]).hexdigest()
        whole = length == found.start(1) and resume == found.end(1)
        yield cms.ContentInfo.load(content[: parser.peek(content)])["content"], covered if whole else ""


def _message_digest(signer: cms.SignerInfo) -> str:
    found = [each["values"] for each in signer["signed_attrs"] if each["type"].native == "message_digest"]
    return str(found[0][0].native.hex()) if len(found) == 1 else "none"


def _signed(signer: cms.SignerInfo) -> SignedDigest:
    attributes = b"\x31" + signer["signed_attrs"].dump()[1:]  # signed as SET, stored as [0]: RFC 5652 5.4
    value = signer["signature"].native
    serial = str(signer["sid"].chosen["serial_number"].native)
    return SignedDigest(serial, hashlib.sha256(attributes).hexdigest(), hashlib.sha256(value).hexdigest())


def _tokens(signer: cms.SignerInfo) -> Iterator[cms.ContentInfo]:
    for attribute in signer["unsigned_attrs"]:
        if attribute["type"].native == "signature_time_stamp_token":
            yield from attribute["values"]


def _stamp(signed: cms.SignedData) -> Stamp:
    info = tsp.TSTInfo.load(bytes(signed["encap_content_info"]["content"]))
    return Stamp(info["message_imprint"]["hashed_message"].native.hex(), str(info["serial_number"].native))
