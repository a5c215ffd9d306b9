"""Write an ASiC-E container with CAdES: its manifest, the data to be signed, and the ZIP file. ETSI EN 319 162-1."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import quoteattr

from hub.content_hash import hash_content
from hub.documents.pades.cms import attributes_to_sign
from hub.documents.zip_writer import REGULAR_FILE, UNIX, pack_member, write_zip
from qianda import der
from qianda.cms_parts import attribute, object_identifier
from qianda.evidence.container import ASIC_E, MIMETYPE, PROOF_ITEMS, PROOFS, SIGNATURE, SIGNED_MANIFEST
from qianda.evidence.contents import FINAL_FILE, ISSUED_FILE
from qianda.evidence.items import read_items
from qianda.evidence.manifest import ASIC, SHA256_URI, XMLDSIG

SIGNING_TIME: Final = object_identifier("1.2.840.113549.1.9.5")
UTC_TIME: Final = 0x17
_MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "json": "application/json",
    "html": "text/html",
    "md": "text/markdown",
    "txt": "text/plain",
    "pem": "application/x-pem-file",
    "crl": "application/pkix-crl",
    "der": "application/octet-stream",
    "tst": "application/vnd.etsi.timestamp-token",
    "xml": "text/xml",
}
# These items are not compressed, because the hub stores the same bytes anyway.
DOCUMENTS: Final = (FINAL_FILE, ISSUED_FILE)
INSTRUCTIONS: Final = "CHECK.md"
# Instructions that check two evidence records contain this.
_BOTH_RECORDS: Final = b"META-INF/evidencerecord00[12].ers"
_SIGNATURE_TYPE, _RECORD_TYPE = "application/pkcs7-signature", "application/octet-stream"


def signed_manifest(items: Mapping[str, bytes]) -> bytes:
    """Return the manifest of these items: the bytes that get signed."""
    return _manifest(SIGNATURE, _SIGNATURE_TYPE, items)


def signed_attributes(manifest: bytes, certificate: bytes, at: datetime) -> bytes:
    """Return the signed attributes over a manifest, in DER with the SET tag: the bytes that the seal's key signs.

    CAdES demands the signing time, which PAdES forbids (EN 319 122-1, 6.3).
    """
    three = der.read(attributes_to_sign(hashlib.sha256(manifest).digest(), certificate)).children(der.SET)
    time = der.encode(UTC_TIME, f"{at.astimezone(UTC):%y%m%d%H%M%SZ}".encode("ascii"))
    return der.encode(der.SET, b"".join(sorted([*(one.whole for one in three), attribute(SIGNING_TIME, time)])))


def signed_package(items: Mapping[str, bytes], manifest: bytes, signature: bytes, at: datetime) -> bytes:
    """Return the package: its items, the manifest, and the signature over it. `at`: the time that its files show."""
    parts = {MIMETYPE: ASIC_E, **items, SIGNED_MANIFEST: manifest, SIGNATURE: signature}
    stored = (MIMETYPE, *DOCUMENTS)
    return write_zip((pack_member(name, part, is_stored=name in stored) for name, part in parts.items()), at)


def with_proofs(first: bytes, records: Sequence[bytes], at: datetime) -> bytes:
    """Return a package with evidence records after all items of its version 1, so that nothing signed changes.

    `records`: of one authority or of two, each about the same items. What is added is not compressed, so that the same
    records always give the same bytes.
    """
    file, covered = io.BytesIO(first), covered_items(first)
    with zipfile.ZipFile(file, "a") as package:
        for (manifest, name), record in zip(PROOFS, records, strict=False):
            listed = _manifest(name, _RECORD_TYPE, covered)
            for each, content in ((manifest, listed), (name, record)):
                package.writestr(_member(each, at), content)
    return file.getvalue()


def has_place_for_two(covered: Mapping[str, bytes]) -> bool:
    """Return whether the instructions inside a package mention a second record. Those of older packages do not."""
    return _BOTH_RECORDS in covered.get(INSTRUCTIONS, b"")


def items_length(package: bytes) -> int:
    """Return the number of bytes before the central directory of a package that we wrote."""
    with zipfile.ZipFile(io.BytesIO(package)) as read:
        return read.start_dir


def covered_items(package: bytes) -> dict[str, bytes]:
    """Return the items that an evidence record of this package has to cover: all of version 1 except its mimetype."""
    return {item.name: item.content for item in read_items(package) if item.name not in (MIMETYPE, *PROOF_ITEMS)}


def digests_of_parts(items: Mapping[str, bytes], manifest: bytes, signature: bytes) -> list[bytes]:
    """Return the SHA-256 of each item of `covered_items` in the `signed_package` of these, without reading it."""
    return [hash_content(content).digest() for content in (*items.values(), manifest, signature)]


def _manifest(about: str, kind: str, items: Mapping[str, bytes]) -> bytes:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<asic:ASiCManifest xmlns:asic="{ASIC}" xmlns:ds="{XMLDSIG}">',
        f'<asic:SigReference URI="{about}" MimeType="{kind}"/>',
    ]
    for name, content in items.items():
        digest = base64.b64encode(hash_content(content).digest()).decode("ascii")
        lines += [
            f"<asic:DataObjectReference URI={quoteattr(name)} MimeType={quoteattr(_media_type(name))}>",
            f'<ds:DigestMethod Algorithm="{SHA256_URI}"/>',
            f"<ds:DigestValue>{digest}</ds:DigestValue>",
            "</asic:DataObjectReference>",
        ]
    return "\n".join([*lines, "</asic:ASiCManifest>", ""]).encode()


def _media_type(name: str) -> str:
    return _MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def _member(name: str, at: datetime) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, at.astimezone(UTC).timetuple()[:6])
    info.external_attr, info.create_system = REGULAR_FILE, UNIX
    return info
