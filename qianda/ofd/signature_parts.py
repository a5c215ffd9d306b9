"""Read the descriptions of an OFD's signatures: `OFD.xml`, `Signatures.xml` and each `Signature.xml` (GB/T 33190,
18)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.container import OfdContainer
from qianda.ofd.locations import resolve
from qianda.ofd.stamps import ShownStamp, read_stamps
from qianda.ofd.xml_part import children, local_name, only_child, read_xml, text_of

ROOT: Final = "OFD.xml"
MAX_SIGNATURES: Final = 100
MAX_REFERENCES: Final = 10_000
SEAL, SIGN = "Seal", "Sign"
_LISTED: Final = ("MaxSignId", "Signature")
_SIGNATURE_PARTS: Final = {"SignedInfo", "SignedValue"}


@dataclass(frozen=True)
class CoveredMember:
    """A member that a signature covers, and the hash (base64, as written) that it must have."""

    member: str
    value: bytes


@dataclass(frozen=True)
class SignaturePart:
    """One signature, as described by its `Signature.xml`.

    `kind` is Seal, Sign or empty. `seal`: the member with the seal, empty if there is none. `provider`: the program
    that made the signature. `moment`: the time, as written.
    """

    number: str
    kind: str
    member: str
    value: str
    seal: str
    provider: str
    method: str
    moment: str
    check_method: str
    references: tuple[CoveredMember, ...]
    stamps: tuple[ShownStamp, ...]

    @property
    def own_members(self) -> frozenset[str]:
        """The members that the signature cannot cover by a reference, or that it protects in another way."""
        return frozenset({self.member, self.value, self.seal} - {""})


@dataclass(frozen=True)
class DocumentParts:
    """The single document of an OFD. `signatures_member`: the list of signatures, empty if there is none. `values`: the
    notes of the program that made it."""

    root: str
    title: str
    values: dict[str, str]
    signatures_member: str
    signatures: tuple[SignaturePart, ...]


def read_document(container: OfdContainer) -> DocumentParts:
    """Return the document and its signatures, in the order of the list. Raises NotAnOfd, OfdTooLarge."""
    ofd = read_xml(container.read(ROOT), ROOT)
    bodies = children(ofd, "DocBody")
    if len(bodies) != 1:
        raise NotAnOfd("其中没有文档，或不止一个", "it holds several documents, or none")
    body = bodies[0]
    info = only_child(body, "DocInfo")
    location = text_of(body, "Signatures")
    listed = resolve(location, ROOT, container) if location else ""
    return DocumentParts(
        root=resolve(text_of(body, "DocRoot"), ROOT, container),
        title=text_of(info, "Title") if info is not None else "",
        values=_custom_values(info),
        signatures_member=listed,
        signatures=_read_signatures(container, listed) if listed else (),
    )


def _custom_values(info: Element | None) -> dict[str, str]:
    data = only_child(info, "CustomDatas") if info is not None else None
    if data is None:
        return {}
    return {each.get("Name", ""): (each.text or "").strip() for each in children(data, "CustomData")}


def _read_signatures(container: OfdContainer, listed: str) -> tuple[SignaturePart, ...]:
    root = read_xml(container.read(listed), listed)
    # No signature covers the list. So it must not also be something else, for example a page, which could be altered.
    if local_name(root) != "Signatures" or any(len(each) or local_name(each) not in _LISTED for each in root):
        raise NotAnOfd(f"{listed}：不只是签名清单", f"{listed}: more than a list of signatures")
    entries = children(root, "Signature")
    if len(entries) > MAX_SIGNATURES:
        raise OfdTooLarge(f"签名超过 {MAX_SIGNATURES} 个", f"it has more than {MAX_SIGNATURES} signatures")
    found = tuple(_read_signature(container, listed, entry) for entry in entries)
    for name in ("number", "member", "value"):
        if len({getattr(part, name) for part in found}) < len(found):
            raise NotAnOfd(f"{listed}：两个签名的 {name} 相同", f"{listed}: two signatures with the same {name}")
    return found


def _read_signature(container: OfdContainer, listed: str, entry: Element) -> SignaturePart:
    member = resolve(entry.get("BaseLoc", ""), listed, container)
    root = read_xml(container.read(member), member)
    info = only_child(root, "SignedInfo")
    value = text_of(root, "SignedValue")
    if local_name(root) != "Signature" or info is None or not value:
        raise NotAnOfd(f"{member}：不是签名", f"{member}: no signature")
    # No earlier signature covers it. So it must not also be something else, for example a page.
    if not {local_name(each) for each in root} <= _SIGNATURE_PARTS:
        raise NotAnOfd(f"{member}：不只是签名", f"{member}: more than a signature")
    seal = only_child(info, "Seal")
    seal_location = text_of(seal, "BaseLoc") if seal is not None else ""
    provider = only_child(info, "Provider")
    check_method, references = _read_references(container, member, info)
    return SignaturePart(
        number=entry.get("ID", ""),
        kind=_kind(entry),
        member=member,
        value=resolve(value, member, container),
        seal=_existing(seal_location, member, container),
        provider=provider.get("ProviderName", "") if provider is not None else "",
        method=text_of(info, "SignatureMethod"),
        moment=text_of(info, "SignatureDateTime"),
        check_method=check_method,
        references=references,
        stamps=read_stamps(info, member),
    )


def _kind(entry: Element) -> str:
    """Return Seal or Sign; empty if the type is missing, as in files of several programs. Then the value decides."""
    kind = entry.get("Type", "")
    if kind not in (SEAL, SIGN, ""):
        raise NotAnOfd(f"签名类型 {kind!r} 未知", f"a signature of the unknown type {kind!r}")
    return kind


def _existing(location: str, base: str, container: OfdContainer) -> str:
    """Return the member with the seal; empty if it is missing, because the signature's value also contains the seal."""
    name = resolve(location, base, container) if location else ""
    return name if name in container else ""


def _read_references(container: OfdContainer, member: str, info: Element) -> tuple[str, tuple[CoveredMember, ...]]:
    listed = only_child(info, "References")
    if listed is None:
        raise NotAnOfd(f"{member}：没有覆盖任何内容", f"{member}: it covers nothing")
    entries = children(listed, "Reference")
    if len(entries) > MAX_REFERENCES:
        raise OfdTooLarge(f"{member}：引用超过 {MAX_REFERENCES} 个", f"{member}: more than {MAX_REFERENCES} references")
    references = []
    for entry in entries:
        try:
            value = base64.b64decode(text_of(entry, "CheckValue"), validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotAnOfd(f"{member}：有摘要无法读取", f"{member}: a hash that cannot be read") from error
        references.append(CoveredMember(resolve(entry.get("FileRef", ""), member, container), value))
    return listed.get("CheckMethod", ""), tuple(references)
