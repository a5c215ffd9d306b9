"""ZIP files that the hub writes are read alike by other readers and by our own, which is stricter."""

from __future__ import annotations

import io
import stat
import zipfile
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hub.documents.zip_writer import copy_member, pack_member, write_zip
from hub.model.evidence.package import leave_out
from qianda.zip_archive import ZipRules, read_members

RULES = ZipRules(10, 1 << 20, 1 << 20)
FILE = bytes(range(256)) * 40
CONTENTS = {"mimetype": b"text/plain", "long.txt": b"a line of text\n" * 900, "空 empty": b"", "file.pdf": FILE}
STORED = ("mimetype", "file.pdf")
AT = datetime(2026, 11, 29, 7, 26, 45, tzinfo=timezone(timedelta(hours=8)))


@pytest.fixture
def written() -> bytes:
    return write_zip((pack_member(name, data, is_stored=name in STORED) for name, data in CONTENTS.items()), AT)


def test_other_readers_find_every_member_with_its_time_and_permissions(written: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == CONTENTS
        for info in archive.infolist():
            assert info.compress_type == (zipfile.ZIP_STORED if info.filename in STORED else zipfile.ZIP_DEFLATED)
            assert datetime(*info.date_time, tzinfo=UTC) == AT - timedelta(seconds=1)  # ZIP counts in pairs of seconds
            assert stat.S_IMODE(info.external_attr >> 16) == 0o644
    assert len(written) < len(FILE) + 1500  # the text is compressed


def test_our_reader_accepts_it_and_a_copied_member_stays_compressed(written: bytes) -> None:
    members = read_members(written, RULES)
    assert {each.name: each.read() for each in members} == CONTENTS
    again = write_zip((copy_member(each) for each in members), AT)
    assert again == written


def test_a_stored_file_is_left_out_and_put_back(written: bytes) -> None:
    parts = leave_out(written, FILE)
    stored = {parts.file: parts.own, parts.pieces[1]["file"]: FILE} if parts.pieces else {}
    pieces = [stored[one["file"]][one["start"] :][: one["length"]] for one in parts.pieces or ()]
    assert b"".join(pieces) == written and FILE not in parts.own


def test_a_file_that_only_begins_as_one_in_the_package_is_not_left_out(written: bytes) -> None:
    with pytest.raises(ValueError, match="does not contain"):
        leave_out(written, FILE[:-1] + b"!")
