"""What a small file can cost: nothing in an OFD is read twice, and no part that is far larger than in a real one."""

from __future__ import annotations

import dataclasses
import tracemalloc

import pytest
from asn1crypto import x509

from hub.documents.ofd.seal import bits, finish_seal, octets, seal_info
from qianda import der, sm2
from qianda.der_limits import MAX_DEPTH, MAX_ELEMENTS, MAX_OID_BYTES, CostlyAsn1, check_elements
from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.container import OfdContainer
from qianda.ofd.signed_data import MAX_CERTIFICATES
from qianda.ofd.values import MAX_VALUE_BYTES, read_seal, read_value
from qianda.ofd.xml_part import MAX_XML_BYTES, MAX_XML_ELEMENTS, read_xml
from qianda.verify import verify_bytes
from qianda.verify.ofd.chain import load_certificate
from qianda.zip_archive import MAX_NAME_PARTS
from tests.ofd.foreign import Habits, foreign_ofd, made_seal
from tests.ofd.identities import Identities
from tests.ofd.plain import members_of, plain_ofd, with_members
from tests.ofd.test_container import zipped

LARGE = 2 << 20
REFERENCE = b'<ofd:Reference FileRef="/large"><ofd:CheckValue>AAAA</ofd:CheckValue></ofd:Reference>'


def test_a_member_is_hashed_once_however_often_signatures_name_it(
    who: Identities, sealed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, end = "Doc_0/Signs/Sign_1/Signature.xml", b"</ofd:References>"
    named_often = members_of(sealed)[name].replace(end, REFERENCE * 1_500 + end)
    file = with_members(sealed, **{name: named_often, "large": bytes(LARGE)})
    hashed, honest = [], sm2.sm3

    def counted(data: bytes) -> bytes:
        hashed.append(len(data))
        return honest(data)

    monkeypatch.setattr(sm2, "sm3", counted)
    assert verify_bytes(file, who.trust).failed
    assert hashed.count(LARGE) == 1


def with_certificates(value: bytes, more: bytes) -> bytes:
    """Return the value of a signature without a seal, with more among its certificates."""
    kind, content = der.read(value).children(der.SEQUENCE)
    parts = der.only(content.children(0xA0)).children(der.SEQUENCE)
    changed = [der.encode(each.tag, each.content + more) if each.tag == 0xA0 else each.whole for each in parts]
    return der.encode(der.SEQUENCE, kind.whole + der.encode(0xA0, der.encode(der.SEQUENCE, b"".join(changed))))


async def test_a_value_holds_few_certificates(who: Identities) -> None:
    file = await foreign_ofd(plain_ofd(), who, Habits(version=0, kind="Sign"))
    value = members_of(file)["Doc_0/Signs/Sign_9/SignedValue.dat"]
    assert len(read_value(with_certificates(value, who.new_seal.maker * 3), "x").others) == 3
    with pytest.raises(OfdTooLarge, match="certificates"):
        read_value(with_certificates(value, b"\x30\0" * MAX_CERTIFICATES), "x")


async def test_a_seal_of_version_1_lists_few_certificates(who: Identities) -> None:
    async def made(count: int) -> bytes:
        return await made_seal(who, Habits(version=1, certificates=(b"x",) * count))

    assert len(read_seal(await made(MAX_CERTIFICATES), "x").listed) == MAX_CERTIFICATES
    with pytest.raises(OfdTooLarge, match="certificates"):
        read_seal(await made(MAX_CERTIFICATES + 1), "x")


async def test_a_seal_lists_few_certificates(who: Identities) -> None:
    async def made(count: int) -> bytes:
        new = dataclasses.replace(who.new_seal, certificates=(b"x",) * count)
        return finish_seal(new, info := seal_info(new), await who.maker_key.sign(info))

    assert len(read_seal(await made(MAX_CERTIFICATES), "x").listed) == MAX_CERTIFICATES
    with pytest.raises(OfdTooLarge, match="certificates"):
        read_seal(await made(MAX_CERTIFICATES + 1), "x")


def test_long_parts_are_not_read() -> None:
    with pytest.raises(OfdTooLarge, match="of XML"):
        read_xml(b"<a>" + bytes(MAX_XML_BYTES) + b"</a>", "a.xml")
    for read in (read_value, read_seal):
        with pytest.raises(OfdTooLarge, match="MiB"):
            read(bytes(MAX_VALUE_BYTES + 1), "a")


def with_ends(value: bytes, more: bytes) -> bytes:
    """Return the sequence with more at its end."""
    return der.encode(der.SEQUENCE, der.read(value).content + more)


@pytest.mark.parametrize(
    "more",
    [
        der.encode(0xA5, b"\5\0" * MAX_ELEMENTS),
        b"\5\0" * MAX_ELEMENTS,
        b"\x3f\x85\x01\x80" * MAX_ELEMENTS,  # tags of several bytes, lengths that are not stated
        # Something that claims to be long, inside of something short.
        der.encode(0xA5, b"\4\x83\xff\xff\xff") + b"\5\0" * MAX_ELEMENTS,
        # Something whose length stands behind the end of what is around it.
        der.encode(0xA5, b"\x30") + b"\5\0" * MAX_ELEMENTS,
        b"\x30\x80" * (MAX_DEPTH + 1),
    ],
    ids=["in a part", "beside the parts", "in other spellings", "behind a false length", "behind half a head", "deep"],
)
async def test_a_value_has_few_elements(who: Identities, more: bytes) -> None:
    file = await foreign_ofd(plain_ofd(), who, Habits())
    folder = "Doc_0/Signs/Sign_9"
    for name, read in (("SignedValue.dat", read_value), ("Seal.esl", read_seal)):
        with pytest.raises(OfdTooLarge, match=rf"{name}: .*elements"):
            read(with_ends(members_of(file)[f"{folder}/{name}"], more), name)
    timestamp = der.encode(0xA0, bits(with_ends(b"\x30\0", more)))
    with pytest.raises(OfdTooLarge, match="elements"):
        read_value(with_ends(members_of(file)[f"{folder}/SignedValue.dat"], timestamp), "x")


def test_object_identifiers_are_short() -> None:
    """The time to read one grows with the square of its length: a megabyte takes minutes."""
    for tag in (der.OID, 0x88):
        check_elements(der.encode(der.SEQUENCE, der.encode(tag, b"\x7f" * MAX_OID_BYTES)))
        with pytest.raises(CostlyAsn1, match="identifier"):
            check_elements(der.encode(der.SEQUENCE, der.encode(tag, b"\x7f" * (MAX_OID_BYTES + 1))))


@pytest.mark.parametrize("inside", [False, True], ids=["beside its extensions", "in an extension"])
def test_a_certificate_with_a_long_object_identifier_is_not_read(who: Identities, inside: bool) -> None:
    certificate = x509.Certificate.load(who.signer_certificate)
    assert load_certificate(certificate.dump()) is not None
    body, long = certificate["tbs_certificate"], "1.2" + ".3" * MAX_OID_BYTES
    if inside:
        purposes = {"extn_id": "extended_key_usage", "critical": False, "extn_value": [long]}
        body["extensions"].append(purposes)
    else:
        body["extensions"][0]["extn_id"] = long
    assert load_certificate(certificate.dump(force=True)) is None


def test_the_bits_of_a_timestamp_are_not_taken_apart(sealed: bytes) -> None:
    """One object for each bit is 64 times as long as the timestamp."""
    value = members_of(sealed)["Doc_0/Signs/Sign_1/SignedValue.dat"]
    stamped = with_ends(value, der.encode(0xA0, bits(octets(bytes(LARGE)))))
    tracemalloc.start()
    try:
        assert read_value(stamped, "x").timestamp == octets(bytes(LARGE))
        assert tracemalloc.get_traced_memory()[1] < 20 * LARGE
    finally:
        tracemalloc.stop()


def test_a_part_has_few_elements() -> None:
    assert len(read_xml(b"<a>" + b"<b/>" * (MAX_XML_ELEMENTS - 1) + b"</a>", "a.xml")) == MAX_XML_ELEMENTS - 1
    with pytest.raises(OfdTooLarge, match=r"a\.xml: more than"):
        read_xml(b"<a>" + b"<b/>" * MAX_XML_ELEMENTS + b"</a>", "a.xml")


def test_a_name_leads_through_few_folders() -> None:
    assert len(OfdContainer(zipped(("/".join("a" * MAX_NAME_PARTS), b"")))) == 1
    with pytest.raises(NotAnOfd):
        OfdContainer(zipped(("/".join("a" * (MAX_NAME_PARTS + 1)), b"")))
