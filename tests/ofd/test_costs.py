"""What a small file can cost: nothing in an OFD is read twice, and no part that is far larger than in a real one."""

from __future__ import annotations

import dataclasses
import time

import pytest

from hub.documents.ofd.seal import finish_seal, seal_info
from qianda import der
from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.container import OfdContainer
from qianda.ofd.signed_data import MAX_CERTIFICATES
from qianda.ofd.values import MAX_VALUE_BYTES, read_seal, read_value
from qianda.ofd.xml_part import MAX_XML_BYTES, read_xml
from qianda.verify import verify_bytes
from qianda.zip_archive import MAX_NAME_PARTS
from tests.ofd.foreign import Habits, foreign_ofd
from tests.ofd.identities import Identities
from tests.ofd.plain import members_of, plain_ofd, with_members
from tests.ofd.test_container import zipped

REFERENCE = b'<ofd:Reference FileRef="/large"><ofd:CheckValue>AAAA</ofd:CheckValue></ofd:Reference>'


def test_a_member_is_hashed_once_however_often_signatures_name_it(who: Identities, sealed: bytes) -> None:
    name, end = "Doc_0/Signs/Sign_1/Signature.xml", b"</ofd:References>"
    named_often = members_of(sealed)[name].replace(end, REFERENCE * 1_500 + end)
    file = with_members(sealed, **{name: named_often, "large": bytes(2 << 20)})
    begin = time.process_time()
    assert verify_bytes(file, who.trust).failed
    assert time.process_time() - begin < 5  # otherwise 3 GB are hashed


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


def test_a_name_leads_through_few_folders() -> None:
    assert len(OfdContainer(zipped(("/".join("a" * MAX_NAME_PARTS), b"")))) == 1
    with pytest.raises(NotAnOfd):
        OfdContainer(zipped(("/".join("a" * (MAX_NAME_PARTS + 1)), b"")))
