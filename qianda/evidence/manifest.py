"""Read manifests of an ASiC-E container: which items belong to it, and their digests. ETSI EN 319 162-1, annex A.4."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote
from xml.etree import ElementTree

from qianda.evidence import reasons
from qianda.evidence.reasons import BadPackage
from qianda.ofd import NotAnOfd
from qianda.ofd.xml_part import read_xml
from qianda.verify.findings import Reason

ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
SHA256_URI: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_HASHES: Final = {
    SHA256_URI: "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
MAX_MANIFEST_BYTES = 4 << 20


@dataclass(frozen=True)
class ListedItem:
    """An item, and the digest that it has to have. `algorithm`: a name of hashlib."""

    name: str
    algorithm: str
    digest: bytes


@dataclass(frozen=True)
class Manifest:
    """The content of one manifest. `about`: the item that covers the manifest (a signature or an evidence record)."""

    about: str
    references: tuple[ListedItem, ...]


def read_manifest(name: str, data: bytes) -> Manifest:
    """Read a manifest. Raises BadPackage."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise _unreadable(name, Reason("过长", "too long"))
    try:
        root = read_xml(data)
        about = [element.attrib["URI"] for element in root.findall(_asic("SigReference"))]
        references = tuple(_reference(element) for element in root.findall(_asic("DataObjectReference")))
    except NotAnOfd as error:
        raise _unreadable(name, error.what) from error
    except (KeyError, ValueError, binascii.Error) as error:
        raise _unreadable(name, reasons.MALFORMED) from error
    if root.tag != _asic("ASiCManifest") or len(about) != 1 or not references:
        raise _unreadable(name, Reason("不是 ASiCManifest", "not an ASiCManifest"))
    names = [reference.name for reference in references]
    if len(set(names)) != len(names):
        raise _unreadable(name, Reason("有条目列出两次", "an item is listed twice"))
    return Manifest(unquote(about[0]), references)


def check_references(manifest: Manifest, items: Mapping[str, bytes]) -> None:
    """Check that each listed item exists and has its digest. Raises BadPackage."""
    for reference in manifest.references:
        if reference.name not in items:
            raise BadPackage(reasons.ITEM_MISSING.about(name=reference.name))
        if hashlib.new(reference.algorithm, items[reference.name]).digest() != reference.digest:
            raise BadPackage(reasons.ITEM_CHANGED.about(name=reference.name))


def check_complete(manifest: Manifest, items: Iterable[str]) -> None:
    """Check that the manifest lists each of these items. Raises BadPackage."""
    listed = {reference.name for reference in manifest.references}
    for name in items:
        if name not in listed:
            raise BadPackage(reasons.ITEM_UNLISTED.about(name=name))


def _reference(element: ElementTree.Element) -> ListedItem:
    method = element.find(f"{{{XMLDSIG}}}DigestMethod")
    value = element.find(f"{{{XMLDSIG}}}DigestValue")
    if method is None or value is None:
        raise ValueError("a reference without a digest")
    algorithm = method.attrib["Algorithm"]
    if algorithm not in _HASHES:
        raise BadPackage(reasons.HASH_UNKNOWN.about(what=algorithm[:80]))
    digest = base64.b64decode("".join((value.text or "").split()), validate=True)
    return ListedItem(unquote(element.attrib["URI"]), _HASHES[algorithm], digest)


def _asic(tag: str) -> str:
    return f"{{{ASIC}}}{tag}"


def _unreadable(name: str, what: Reason) -> BadPackage:
    return BadPackage(reasons.MANIFEST_UNREADABLE.about(name=name, what=what))
