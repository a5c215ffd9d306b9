"""Write the XML for a new signature: `Signature.xml`, the list of signatures, and the list's path in `OFD.xml`."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from hub.documents.ofd.places import StampPlace
from qianda import sm2
from qianda.ofd.container import OfdContainer
from qianda.ofd.signature_parts import ROOT, SEAL, DocumentParts
from qianda.ofd.xml_part import NAMESPACE, children, only_child, read_xml

_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_TAG = f"{{{NAMESPACE}}}"
PROVIDER = "Qianda"
VERSION = "1.0"

ElementTree.register_namespace("ofd", NAMESPACE)


@dataclass(frozen=True)
class NewOfdSignature:
    """A signature to be written. `folder` is its own. `number` and the numbers of the stamps share one counter."""

    folder: str
    number: int
    moment: datetime
    places: tuple[StampPlace, ...] = ()

    @property
    def member(self) -> str:
        return f"{self.folder}/Signature.xml"

    @property
    def value(self) -> str:
        return f"{self.folder}/SignedValue.dat"

    @property
    def seal(self) -> str:
        return f"{self.folder}/Seal.esl"

    @property
    def last_number(self) -> int:
        return self.number + len(self.places)


def signature_xml(new: NewOfdSignature, hashes: Mapping[str, bytes]) -> bytes:
    """Return `Signature.xml`. `hashes`: the SM3 of each covered member."""
    shown = [_stamp(new.number + index, place) for index, place in enumerate(new.places, 1)]
    lines = [
        f'<ofd:Signature xmlns:ofd="{NAMESPACE}"><ofd:SignedInfo>',
        f'<ofd:Provider ProviderName="{PROVIDER}" Version="{VERSION}" Company="{PROVIDER}"/>',
        f"<ofd:SignatureMethod>{sm2.SIGNATURE_OID}</ofd:SignatureMethod>",
        f"<ofd:SignatureDateTime>{new.moment.astimezone(UTC):%Y%m%d%H%M%SZ}</ofd:SignatureDateTime>",
        f'<ofd:References CheckMethod="{sm2.SM3_OID}">',
        *(_reference(name, value) for name, value in hashes.items()),
        "</ofd:References>",
        *shown,
        f"<ofd:Seal><ofd:BaseLoc>/{new.seal}</ofd:BaseLoc></ofd:Seal>",
        f"</ofd:SignedInfo><ofd:SignedValue>/{new.value}</ofd:SignedValue></ofd:Signature>",
    ]
    return _HEAD + "".join(lines).encode()


def _stamp(number: int, place: StampPlace) -> str:
    clip = f' Clip="{_numbers(place.clip)}"' if place.clip else ""
    page = quoteattr(place.page)
    return f'<ofd:StampAnnot ID="{sign_id(number)}" PageRef={page} Boundary="{_numbers(place.box)}"{clip}/>'


def _reference(name: str, value: bytes) -> str:
    encoded = base64.b64encode(value).decode()
    where = quoteattr("/" + name)
    return f"<ofd:Reference FileRef={where}><ofd:CheckValue>{encoded}</ofd:CheckValue></ofd:Reference>"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def sign_id(number: int) -> str:
    return f"s{number:03}"


def list_signature(container: OfdContainer, listed: str, new: NewOfdSignature) -> bytes:
    """Return the list of signatures with the new one at its end."""
    root = read_xml(container.read(listed), listed) if listed in container else ElementTree.Element(_TAG + "Signatures")
    for old in children(root, "MaxSignId"):
        root.remove(old)
    highest = ElementTree.Element(_TAG + "MaxSignId")
    highest.text = sign_id(new.last_number)
    root.insert(0, highest)
    attributes = {"ID": sign_id(new.number), "Type": SEAL, "BaseLoc": f"/{new.member}"}
    ElementTree.SubElement(root, _TAG + "Signature", attributes)
    return _written(root)


def name_list(container: OfdContainer, listed: str) -> bytes:
    """Return `OFD.xml` with the path of the list of signatures."""
    root = read_xml(container.read(ROOT), ROOT)
    body = only_child(root, "DocBody")
    if body is None:
        raise ValueError("an OFD without a document")
    ElementTree.SubElement(body, _TAG + "Signatures").text = f"/{listed}"
    return _written(root)


def next_number(container: OfdContainer, document: DocumentParts) -> int:
    """Return a number that no signature and no stamp of the file has."""
    if not document.signatures_member:
        return 1
    root = read_xml(container.read(document.signatures_member), document.signatures_member)
    said = [each.text or "" for each in children(root, "MaxSignId")]
    said += [part.number for part in document.signatures]
    for part in document.signatures:
        info = only_child(read_xml(container.read(part.member), part.member), "SignedInfo")
        said += [stamp.get("ID", "") for stamp in children(info, "StampAnnot")] if info is not None else []
    return 1 + max((int(found[0]) for each in said if (found := re.search(r"\d{1,9}", each, re.ASCII))), default=0)


def _written(root: ElementTree.Element) -> bytes:
    encoded: bytes = ElementTree.tostring(root, encoding="utf-8")
    return _HEAD + encoded
