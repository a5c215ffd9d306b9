"""Seal an OFD: prepare the file, have the key sign, insert the signature.

The order matters. First, `OFD.xml` gets the path of the list of signatures. Then every member is hashed, except the
list (later signatures are added to it) and the new signature's own two files. Finally `Signature.xml` is hashed, and
the key signs this hash. Sources: GB/T 33190, 18; GB/T 38540, 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.documents.ofd.package import change_package
from hub.documents.ofd.places import StampPlace, check_places
from hub.documents.ofd.seal import SM2_WITH_SM3, VERSION, bits, integer, location, moment, octets, sequence
from hub.documents.ofd.signature_files import NewOfdSignature, list_signature, name_list, next_number, signature_xml
from hub.errors import BadInput
from qianda import der, sm2
from qianda.ofd import NotAnOfd
from qianda.ofd.container import OfdContainer
from qianda.ofd.page_list import list_pages
from qianda.ofd.signature_parts import ROOT, DocumentParts, read_document
from qianda.verify.ofd.coverage import coverage_faults

_CONTEXT_0 = 0xA0


@dataclass(frozen=True)
class PreparedOfd:
    """An OFD that lacks only its new signature value. The key signs `to_be_signed` with SM2 and SM3."""

    to_be_signed: bytes
    _container: OfdContainer
    _changed: dict[str, bytes]
    _value_member: str
    _certificate: bytes

    def finish(self, signature: bytes, timestamp: bytes | None = None) -> bytes:
        """Return the finished file. `timestamp`: an RFC 3161 token over the signature, or None.

        Raises BadInput for a value that is not an SM2 signature.
        """
        encoded = sm2.der_signature(signature)
        if encoded is None:
            raise BadInput("This is not an SM2 signature.", field="signature")
        stamp = [der.encode(_CONTEXT_0, bits(timestamp))] if timestamp else []
        # SES_Signature (GB/T 38540, 7.1).
        value = sequence(self.to_be_signed, octets(self._certificate), SM2_WITH_SM3, bits(encoded), *stamp)
        return change_package(self._container, self._changed | {self._value_member: value})


def prepare_seal(
    ofd: bytes, seal: bytes, certificate: bytes, signed_at: datetime, places: Sequence[StampPlace]
) -> PreparedOfd:
    """Prepare a seal (GB/T 38540). `seal`: the SESeal in DER. `certificate`: that of the sealing key, in DER.

    Raises BadInput if the file is no OFD, lacks one of the places, or has signatures that the seal would break.
    """
    container, document = _open(ofd)
    check_places(list_pages(container, document.root), places)
    new = _new_signature(container, document, signed_at, tuple(places))
    changed, description = _describe(container, document, new, {new.seal: seal})
    about = (moment(signed_at), bits(sm2.sm3(description)), location(f"/{new.member}"))
    to_sign = sequence(integer(VERSION), seal, *about)
    return PreparedOfd(to_sign, container, changed, new.value, certificate)


def _open(ofd: bytes) -> tuple[OfdContainer, DocumentParts]:
    """Return the file's parts. Raises BadInput if an earlier signature is invalid, or would become so."""
    try:
        container = OfdContainer(ofd)
        document = read_document(container)
        for part in document.signatures:
            if fault := next(coverage_faults(container, document, part), None):
                raise BadInput(f"An earlier signature of the file does not hold: {fault.en}", field="file")
            if any(one.member == document.signatures_member for one in part.references):
                raise BadInput("An earlier signature forbids further ones: it covers the list of them.", field="file")
    except NotAnOfd as error:
        raise BadInput(f"The file cannot be read as an OFD: {error}", field="file") from error
    return container, document


def _new_signature(
    container: OfdContainer, document: DocumentParts, signed_at: datetime, places: tuple[StampPlace, ...]
) -> NewOfdSignature:
    """Return the new signature, in a folder that does not exist yet."""
    listed = document.signatures_member or _list_member(document)
    base, taken = listed.rpartition("/")[0], {name.casefold() for name in container}
    for index in range(len(container) + 1):
        folder = f"{base}/Sign_{index}"
        if not any(name.startswith(folder.casefold() + "/") for name in taken):
            return NewOfdSignature(folder, next_number(container, document), signed_at, places)
    raise AssertionError("unreachable")


def _list_member(document: DocumentParts) -> str:
    folder = document.root.rpartition("/")[0]
    return f"{folder}/Signs/Signatures.xml" if folder else "Signs/Signatures.xml"


def _describe(
    container: OfdContainer, document: DocumentParts, new: NewOfdSignature, added: dict[str, bytes]
) -> tuple[dict[str, bytes], bytes]:
    """Return the members that change, apart from the signature value, and the description of the signature."""
    listed = document.signatures_member or _list_member(document)
    changed = dict(added)
    if not document.signatures_member:
        changed[ROOT] = name_list(container, listed)
    covered = [name for name in (*container, *added) if name != listed]
    hashes = {name: sm2.sm3(changed[name] if name in changed else container.read(name)) for name in covered}
    changed[new.member] = description = signature_xml(new, hashes)
    changed[listed] = list_signature(container, listed, new)
    return changed, description
