"""Split a PDF into its revisions: each has objects, a table of exactly these objects, and a trailer.

Every byte belongs to one of them. So a reader that follows the tables, and a reader that searches the file for objects,
find the same objects. `hub/web/static/signer/pdf_revisions.js` follows the same rules. Source: ISO 32000-2, 7.5.4 to
7.5.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from qianda.pdf.objects import NotOurForm, ObjectReader, Stream, Value
from qianda.pdf.separators import count_separators

MAX_REVISIONS = 64  # a contract has two for each signer, and four more
MAX_OBJECTS = 50_000  # a contract has about 250
# What each value becomes in memory is many times as large, and is looked at again and again. A long text costs little.
MAX_DICTIONARIES = 500_000
MAX_SEPARATORS_OUTSIDE_STREAMS = 6 << 20

_HEADER = re.compile(rb"%PDF-[12]\.\d\n%[^\r\n%]{4}\n\n?")
_OBJECT = re.compile(rb"([1-9]\d{0,6}) 0 obj\n")
_STREAM = re.compile(rb"\nstream\n")
_STREAM_END = re.compile(rb"\nendstream")
_OBJECT_END = re.compile(rb"\nendobj\n")
_TABLE = re.compile(rb"xref\n")
_FREE_ROW = re.compile(rb"0000000000 65535 f(?: \n|\r\n)")
_SECTION = re.compile(rb"(0|[1-9]\d{0,6}) ([1-9]\d{0,5})\n")
_ROW = re.compile(rb"(\d{10}) 00000 n(?: \n|\r\n)")
_TRAILER = re.compile(rb"trailer\n(?=<<)")
_END = re.compile(rb"\nstartxref\n([1-9]\d{0,9})\n%%EOF\n")
# Text in a stream or a string that a reader could take for an object if it searches the file for objects.
_MARKER = re.compile(rb"\d[\x00\t\n\f\r ]+\d+[\x00\t\n\f\r ]+obj|endobj|endstream|startxref|trailer\s*<<|%%EOF")
# Each marker contains one of these words. Searching for them first is ten times as fast.
_MARKER_WORDS = (b"obj", b"endstream", b"startxref", b"trailer", b"%%EOF")
_COUNTED = b" 0 obj\n"


class TooComplex(Exception):
    """The file has more objects or revisions, or larger ones, than this program reads."""


@dataclass(frozen=True)
class WrittenObject:
    """An object as one revision wrote it. `start`: offset of its number; `end`: offset after its last line."""

    number: int
    start: int
    end: int
    value: Value


@dataclass(frozen=True)
class Revision:
    """One revision: the objects that it writes, its trailer, and its first and last offset. `table`: offset of its
    table."""

    start: int
    end: int
    table: int
    objects: dict[int, WrittenObject]
    trailer: dict[str, Value]


def read_revisions(pdf: bytes) -> list[Revision]:
    """Return all revisions of the file, oldest first. Raises NotOurForm, or TooComplex before anything is read."""
    if (
        pdf.count(_COUNTED) > MAX_OBJECTS
        or pdf.count(b"%%EOF\n") > MAX_REVISIONS
        or is_larger_outside_streams(pdf, MAX_SEPARATORS_OUTSIDE_STREAMS, MAX_DICTIONARIES)
    ):
        raise TooComplex
    reader, revisions = ObjectReader(pdf), list[Revision]()
    reader.need(_HEADER, "the head of the file")
    while reader.at < len(pdf):
        revisions.append(_read_revision(reader, revisions[-1] if revisions else None))
    if not revisions:
        raise NotOurForm("the file has no objects", reader.at)
    return revisions


def is_larger_outside_streams(pdf: bytes, max_separators: int, max_dictionaries: int) -> bool:
    """Return whether more separators, or more dictionaries, are to be read as objects and tables.

    Each stream begins and ends where `read_object` finds it, as no value contains `\\nstream\\n`, and no data of a
    stream `\\nendstream`.
    """
    separators = dictionaries = at = 0
    while 0 <= at < len(pdf):  # without an end of the stream, no reader goes on
        begin = pdf.find(b"\nstream\n", at)
        data = len(pdf) if begin < 0 else begin + len(b"\nstream\n")
        separators += count_separators(pdf[at:data])
        dictionaries += pdf.count(b"<<", at, data)
        if separators > max_separators or dictionaries > max_dictionaries:
            return True
        at = pdf.find(b"\nendstream", data)
    return False


def _read_revision(reader: ObjectReader, previous: Revision | None) -> Revision:
    start, objects = reader.at, dict[int, WrittenObject]()
    while match := reader.take(_OBJECT):
        written = read_object(reader, int(match[1]), match.start())
        if written.number in objects:
            raise NotOurForm(f"object {written.number} occurs twice in a revision", written.start)
        objects[written.number] = written
    table = reader.at
    _check_table(reader, objects, is_first=previous is None)
    reader.need(_TRAILER, "the end of the table")
    trailer = reader.value()
    if int(reader.need(_END, "the end of a revision")[1]) != table:
        raise NotOurForm("startxref does not name the table", table)
    assert isinstance(trailer, dict)  # the pattern of the trailer demands "<<"
    _check_trailer(trailer, max(objects), previous, table)
    return Revision(start, reader.at, table, objects, trailer)


def read_object(reader: ObjectReader, number: int, start: int) -> WrittenObject:
    """Read the object whose value begins at the reader's position, up to its end. `start`: offset of its number. Raises
    NotOurForm."""
    written = reader.at
    value = reader.value()
    marker = _find_marker(reader.file, written, reader.at)
    if marker:
        raise NotOurForm(f"a text of object {number} looks like another object", marker.start())
    if isinstance(value, dict) and "/Linearized" in value:
        raise NotOurForm("the file is linearized", start)  # some readers then use the first table, not the last
    if isinstance(value, dict) and reader.take(_STREAM):
        value = _read_stream(reader, value, number)
    reader.need(_OBJECT_END, "the end of an object")
    return WrittenObject(number, start, reader.at, value)


def _read_stream(reader: ObjectReader, entries: dict[str, Value], number: int) -> Stream:
    length, start = entries.get("/Length"), reader.at
    if type(length) is not int or not 0 <= length <= len(reader.file) - start:
        raise NotOurForm(f"the stream of object {number} does not say its length", start)
    if entries.get("/Type") in ("/ObjStm", "/XRef") or "/F" in entries:
        raise NotOurForm(f"the stream of object {number} contains or names what is not checked", start)
    marker = _find_marker(reader.file, start, start + length)
    if marker:
        raise NotOurForm(f"the stream of object {number} holds what looks like another object", marker.start())
    reader.at += length
    reader.need(_STREAM_END, "the end of a stream")
    return Stream(entries, reader.file[start : start + length])


def _find_marker(file: bytes, start: int, end: int) -> re.Match[bytes] | None:
    is_possible = any(file.find(word, start, end) >= 0 for word in _MARKER_WORDS)
    return _MARKER.search(file, start, end) if is_possible else None


def _check_table(reader: ObjectReader, objects: dict[int, WrittenObject], *, is_first: bool) -> None:
    """Check that every object has one row with its offset, that the rows are in ascending order, and that there are no
    others. Raises NotOurForm."""
    listed: list[int] = []
    reader.need(_TABLE, "what follows an object")
    while section := reader.take(_SECTION):
        for number in range(int(section[1]), int(section[1]) + int(section[2])):
            if number == 0:
                reader.need(_FREE_ROW, "the row of object 0")
            elif int(reader.need(_ROW, "a row of the table")[1]) != (
                objects[number].start if number in objects else -1
            ):
                raise NotOurForm(f"the table is wrong about object {number}", reader.at)
            listed.append(number)
    if is_first and listed[:1] != [0]:
        raise NotOurForm("the first table does not begin with object 0", reader.at)
    if any(later <= earlier for earlier, later in pairwise(listed)):
        raise NotOurForm("the table is not in order, or names an object twice", reader.at)
    if not objects or len(listed) - listed.count(0) != len(objects):
        raise NotOurForm("the table leaves objects out", reader.at)


def _check_trailer(trailer: dict[str, Value], highest: int, previous: Revision | None, table: int) -> None:
    if not is_same_place(trailer.get("/Prev"), previous):
        raise NotOurForm("/Prev does not name the revision before", table)
    size, least = trailer.get("/Size"), previous.trailer["/Size"] if previous else 0
    assert isinstance(least, int)
    if type(size) is not int or not max(highest + 1, least) <= size <= 10_000_000:
        raise NotOurForm("/Size is not the number of objects", table)
    if "/Encrypt" in trailer or "/XRefStm" in trailer:
        raise NotOurForm("the file is encrypted, or has two tables", table)


def is_same_place(written: Value, previous: Revision | None) -> bool:
    return type(written) is int and written == previous.table if previous else written is None
