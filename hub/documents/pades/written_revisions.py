"""Read the revisions that our own engine appended to an issued file, byte by byte, and nothing else.

Each part can be written in only one way, and every byte belongs to a part. Anything that deviates was not written by
us.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from hub.documents.pades.plan import Plan
from hub.documents.pades.update import dictionary
from qianda.pdf import ObjectReader, Value, is_equal, read_object

_TRAILER = re.compile(
    rb"trailer\n<</ID \[<(?P<id>[0-9a-f]*)><[0-9a-f]{32}>\](?:\n/Info (?P<info>\d+ 0 R))?\n/Prev (?P<before>[1-9]\d*)"
    rb"\n/Root (?P<root>\d+) 0 R\n/Size (?P<size>[1-9]\d*)>>\nstartxref\n(?P<table>[1-9]\d*)\n%%EOF\n"
)
_END = re.compile(rb"startxref\n(\d{1,10})\n%%EOF\n\Z")
_END_LENGTH = 48
_HEAD = b"xref\n0 1\n0000000000 65535 f \n"
_SECTION = re.compile(rb"([1-9]\d{0,6}) ([1-9]\d{0,4})\n")
_ROW = re.compile(rb"(\d{10}) 00000 n \n")
_OBJECT_END = b"\nendobj\n"
MAX_REVISIONS = 64
VALUES_KEPT = 512
# An object up to this size is read once for all files that contain it.
MAX_KEPT_BYTES = 2000


class FileIsWrong(Exception):
    """The file is not the finished contract that was expected; the message names the part that is wrong."""


@dataclass(frozen=True)
class WrittenRevision:
    """A revision. `objects`: the content of each object, by its number; `values`: what it means; `places`: the offsets
    of the contents.

    Objects from the number `new_from` on did not exist before.
    """

    start: int
    end: int
    objects: dict[int, bytes]
    values: dict[int, Value]
    places: dict[int, int]
    new_from: int

    @property
    def replaced(self) -> set[int]:
        return {number for number in self.objects if number < self.new_from}

    @property
    def new(self) -> set[int]:
        return {number for number in self.objects if number >= self.new_from}

    def place(self, number: int) -> int:
        """Return the offset of the object's content in the file."""
        return self.places[number] + len(b"%d 0 obj\n" % number)


@dataclass(frozen=True)
class _Table:
    """A table of objects at an offset: where each object begins, by its number. `end`: that of the revision."""

    offset: int
    places: dict[int, int]
    end: int
    size: int

    @property
    def start(self) -> int:
        """Return the offset at which the revision begins."""
        return min(self.places.values())


def read_written(pdf: bytes, issued: Plan) -> list[WrittenRevision]:
    """Return the revisions after the issued file, oldest first. Raises FileIsWrong."""
    backwards: list[_Table] = []
    end, offset = len(pdf), _last_table(pdf, len(pdf))
    while offset != issued.table:
        if len(backwards) >= MAX_REVISIONS or not issued.length < offset < end:
            raise FileIsWrong("the revisions do not lead back to the issued file")
        places, at = _rows(pdf, offset, end)
        trailer = _TRAILER.match(pdf, at)
        if trailer is None or trailer.end() != end or int(trailer["table"]) != offset:
            raise FileIsWrong("the end of a revision")
        _check_trailer(trailer, issued)
        backwards.append(_Table(offset, places, end, int(trailer["size"])))
        offset, end = int(trailer["before"]), backwards[-1].start
    if end != issued.length or not backwards:
        raise FileIsWrong("the revisions do not follow the issued file")
    found, start, size = [], issued.length, issued.size
    for table in reversed(backwards):
        found.append(_revision(pdf, table, start, size))
        if not max(found[-1].objects) < table.size or table.size < size:
            raise FileIsWrong("the number of objects")
        start, size = table.end, table.size
    return found


def _last_table(pdf: bytes, end: int) -> int:
    tail = _END.search(pdf, max(0, end - _END_LENGTH), end)
    if tail is None:
        raise FileIsWrong("the file does not end as it has to")
    return int(tail[1])


def _check_trailer(trailer: re.Match[bytes], issued: Plan) -> None:
    first_id = trailer["id"] == issued.ids[0].encode() if issued.ids[0] else True
    if int(trailer["root"]) != issued.root or (trailer["info"] or b"") != issued.info.encode("latin-1") or not first_id:
        raise FileIsWrong("a trailer")


def _rows(pdf: bytes, table: int, end: int) -> tuple[dict[int, int], int]:
    """Return the places of the objects, in the order of the rows, and the offset at which the table ends."""
    if not pdf.startswith(_HEAD, table):
        raise FileIsWrong("a table of objects")
    places: dict[int, int] = {}
    at, before = table + len(_HEAD), 0
    while section := _SECTION.match(pdf, at, end):
        at = section.end()
        for number in range(int(section[1]), int(section[1]) + int(section[2])):
            row = _ROW.match(pdf, at, end)
            if row is None or number <= before:
                raise FileIsWrong("a table of objects")
            places[number] = int(row[1])
            before, at = number, row.end()
    if not places:
        raise FileIsWrong("a table of objects")
    return places, at


def _revision(pdf: bytes, table: _Table, start: int, new_from: int) -> WrittenRevision:
    """Split the revision into its objects. No bytes may be between them."""
    ordered = sorted(table.places.items(), key=lambda item: item[1])
    ends = [place for _, place in ordered[1:]] + [table.offset]
    if ordered[0][1] != start:
        raise FileIsWrong("a revision does not begin with an object")
    objects, values = dict[int, bytes](), dict[int, Value]()
    for (number, place), behind in zip(ordered, ends, strict=True):
        head = b"%d 0 obj\n" % number
        if not pdf.startswith(head, place):
            raise FileIsWrong(f"object {number} is not where the table says")
        written = pdf[place + len(head) : behind]
        values[number] = _read_small(written) if len(written) <= MAX_KEPT_BYTES else _read_object(written)
        objects[number] = written.removesuffix(_OBJECT_END)
    return WrittenRevision(start, table.end, objects, values, table.places, new_from)


def _read_object(written: bytes) -> Value:
    """Return the value of the only object in these bytes, which are what stands between its number and the next one."""
    found = read_object(ObjectReader(written), number=0, start=0)
    if found.end != len(written):
        raise FileIsWrong("an object is not where the table says")
    return found.value


@lru_cache(VALUES_KEPT)
def _read_small(written: bytes) -> Value:
    """Return what `_read_object` returns. Contracts with the same layout and seal have most small objects in common."""
    return _read_object(written)


def is_written_as(value: Value, entries: Mapping[str, str]) -> bool:
    """Return whether this is the dictionary with these entries, which may have been written with other white space."""
    return is_equal(value, read_value(dictionary(entries)))


@lru_cache(VALUES_KEPT)
def read_value(text: bytes) -> Value:
    """Return the value that is expected. Contracts with the same layout have most of them in common."""
    return ObjectReader(text).value()
