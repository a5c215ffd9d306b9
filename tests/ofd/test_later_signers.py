"""Somebody whose certificate is trusted as well adds a signature, and thereby changes what readers see."""

from __future__ import annotations

import pytest

from hub.documents.ofd.package import change_package
from hub.documents.ofd.seal import SM2_WITH_SM3, bits, integer, location, moment, octets, sequence
from hub.documents.ofd.signature_files import NewOfdSignature, list_signature, signature_xml
from qianda import sm2
from qianda.ofd import NotAnOfd
from qianda.ofd.container import OfdContainer
from qianda.ofd.locations import resolve
from qianda.ofd.signature_parts import read_document
from qianda.verify import UnreadableDocument, verify_bytes
from tests.ofd.foreign import Habits, foreign_ofd
from tests.ofd.identities import USED_AT, Identities
from tests.ofd.plain import members_of, plain_ofd, with_members

IMAGE = "Doc_0/Res/image.jpg"
# Where a location without a slash leads first, from the signature of another program.
BESIDE = f"Doc_0/Signs/Sign_9/{IMAGE}"


class ValueAt(NewOfdSignature):
    """A signature that keeps its value where an image was."""

    @property
    def value(self) -> str:
        return IMAGE


async def sealed_later(who: Identities, ofd: bytes, kind: type[NewOfdSignature]) -> bytes:
    container = OfdContainer(ofd)
    listed, new = read_document(container).signatures_member, kind("Doc_0/Signs/Sign_10", 20, USED_AT)
    covered = {name: container.sm3(name) for name in container if name != listed}
    described = signature_xml(new, covered | {new.seal: sm2.sm3(who.seal)})
    about = (moment(USED_AT), bits(sm2.sm3(described)), location(f"/{new.member}"))
    to_sign = sequence(integer(4), who.seal, *about)
    signature = bits(await who.seal_key.sign(to_sign))
    added = {new.seal: who.seal, new.member: described, listed: list_signature(container, listed, new)}
    added[new.value] = sequence(to_sign, octets(who.seal_certificate), SM2_WITH_SM3, signature)
    return change_package(container, added)


async def test_no_image_gives_way_to_the_value_of_a_signature(who: Identities) -> None:
    """The first signature is by a program that writes locations without a slash. They lead to a copy of the image."""
    habits = Habits(version=0, names_seal=False, kind="Sign", slash="")
    signed = await foreign_ofd(plain_ofd(filler=4096), who, habits)
    assert not verify_bytes(await sealed_later(who, signed, NewOfdSignature), who.trust).failed
    image = members_of(signed)[IMAGE]
    forged = await sealed_later(who, with_members(signed, **{IMAGE: None, BESIDE: image}), ValueAt)
    assert members_of(forged)[IMAGE] != image
    with pytest.raises(UnreadableDocument, match="several files"):
        verify_bytes(forged, who.trust)


def test_a_location_leads_to_one_member() -> None:
    base = "Doc_0/Signs/Sign_9/Signature.xml"
    assert resolve(IMAGE, base, {IMAGE}) == IMAGE
    assert resolve(IMAGE, base, {BESIDE}) == BESIDE
    assert resolve(f"/{IMAGE}", base, {IMAGE, BESIDE}) == IMAGE
    assert resolve(f"./../../../{IMAGE}", base, {IMAGE, BESIDE}) == IMAGE
    with pytest.raises(NotAnOfd):
        resolve(IMAGE, base, {IMAGE, BESIDE})
