"""The container of an OFD: files that programs would read in different ways are refused."""

from __future__ import annotations

import io
import random
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from qianda.ofd import NotAnOfd, OfdTooLarge, container
from qianda.ofd.container import OfdContainer
from qianda.ofd.locations import resolve
from qianda.ofd.xml_part import read_xml
from qianda.zip_archive import MAX_RATIO
from tests.ofd.plain import members_of, plain_ofd

GOOD = plain_ofd()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    output = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(output, "w", method) as archive:
        warnings.simplefilter("ignore")  # it warns of doubled names, which are meant
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return output.getvalue()


# Two English words, one after the other.
ENGLISH = re.compile("[A-Za-z]{2,} [A-Za-z]{2,}")


@contextmanager
def refused(words: str = ".", kind: type[NotAnOfd] = NotAnOfd) -> Iterator[None]:
    """Expect a refusal that says why in both languages: `words` in English, and no English in Chinese."""
    with pytest.raises(kind, match=words) as stopped:
        yield
    said = stopped.value.what
    assert re.search("[\u4e00-\u9fff]", said.zh) and not ENGLISH.search(said.zh), said.zh
    assert said.en.isascii(), said.en


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/a", "a\\b", "c:a", "a//b", "./a", "a\nb", "", "a" * 600], ids=repr
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with refused():
        OfdContainer(zipped((name, b"x")))


@pytest.mark.parametrize("names", [("a", "a"), ("a", "A"), ("a", "a/b"), ("Doc/x", "doc")], ids=repr)
def test_two_members_of_one_name_are_refused(names: tuple[str, str]) -> None:
    with refused():
        OfdContainer(zipped((names[0], b"1"), (names[1], b"2")))


def test_what_stands_beside_the_members_is_refused() -> None:
    for changed in (b"x" + GOOD, GOOD + b"x", GOOD[:-2] + b"\1\0x"):
        with refused():
            OfdContainer(changed)


def test_an_archive_without_members_is_refused() -> None:
    with refused("no members"):
        OfdContainer(zipped())


def test_a_gap_between_members_is_refused() -> None:
    directory = struct.unpack_from("<L", GOOD, len(GOOD) - 6)[0]
    moved = GOOD[:directory] + b"hidden" + GOOD[directory:-6] + struct.pack("<LH", directory + 6, 0)
    with refused("belong to no member"):
        OfdContainer(moved)


def test_a_header_that_contradicts_the_directory_is_refused() -> None:
    for at in (8, 14, 18, 22, 30):  # method, checksum, both sizes, the name
        changed = GOOD[:at] + bytes((GOOD[at] ^ 1,)) + GOOD[at + 1 :]
        with refused():
            OfdContainer(changed)


def says_it_has(size: int) -> bytes:
    """Return a ZIP file with one member, of which it says that it unpacks to `size` bytes.

    The member is long and cannot be packed, so that its ratio is not what is refused.
    """
    file = bytearray(zipped(("a", random.Random(1).randbytes(container.MAX_UNPACKED_BYTES // MAX_RATIO + 1))))
    directory = file.index(b"PK\1\2")
    file[22:26] = file[directory + 24 : directory + 28] = struct.pack("<L", size)
    return bytes(file)


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    assert len(OfdContainer(says_it_has(container.MAX_UNPACKED_BYTES))) == 1
    with refused("MiB", OfdTooLarge):
        OfdContainer(says_it_has(container.MAX_UNPACKED_BYTES + 1))


def test_a_member_that_unpacks_to_more_than_it_says_is_refused() -> None:
    with refused("cannot be unpacked"):
        OfdContainer(says_it_has(10)).read("a")


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(GOOD)
    directory = data.index(b"PK\1\2")
    data[6] |= 1
    data[directory + 8] |= 1
    with refused("encrypted"):
        OfdContainer(bytes(data))


def test_a_second_name_in_an_extra_field_is_refused() -> None:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        info = zipfile.ZipInfo("a")
        info.extra = struct.pack("<HHBL", 0x7075, 6, 1, zlib.crc32(b"a")) + b"b"
        archive.writestr(info, b"x")
    with refused("two names"):
        OfdContainer(output.getvalue())


def test_data_descriptors_and_folders_are_read() -> None:
    class OneWay(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    output = OneWay()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/", b"")
        archive.writestr("a/b.xml", b"x" * 1000)
    read = OfdContainer(output.getvalue())
    assert (list(read), read.read("a/b.xml")) == (["a/b.xml"], b"x" * 1000)


def test_document_types_are_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><a>&d;</a>'
    for text in (bomb, bomb.decode().encode("utf-16")):
        with refused("document type"):
            read_xml(text, "a.xml")
    with refused("nested"):
        read_xml(b"<a>" * 300 + b"</a>" * 300, "a.xml")


def test_locations_are_found_from_root_and_folder() -> None:
    members = members_of(GOOD)
    base = "Doc_0/Document.xml"
    for location in ("/Doc_0/PublicRes.xml", "PublicRes.xml", "./PublicRes.xml", "Doc_0/PublicRes.xml"):
        assert resolve(location, base, members) == "Doc_0/PublicRes.xml"
    assert resolve("PublicRes.xml", "Doc_0/Signs/Sign_0/Signature.xml", members) == "Doc_0/PublicRes.xml"
    with refused():
        resolve("/../x", base, members)
