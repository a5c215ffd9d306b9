"""Take the last revision of a PDF apart, and write it again with the right table, lengths and byte range."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_OBJECT = re.compile(rb"(?:(?<=\n)|(?<=%%EOF))(\d+) 0 obj\n?(.*?)\nendobj\n", re.DOTALL)
_BYTE_RANGE = re.compile(rb"/ByteRange \[[^\]]*\] *")
GAP = re.compile(rb"<(?:00){100,}>")
Objects = dict[int, bytes]
NEW = 900  # a number that no object of the samples has


@dataclass
class Revision:
    """The last revision of a file, to be changed and written again after `before`."""

    before: bytes
    objects: Objects
    trailer: bytes
    rows: dict[int, bytes] = field(default_factory=dict)  # entries of the table that should be wrong
    ahead: bytes = b""  # written before the objects
    behind: bytes = b""  # written between the objects and their table
    tail: bytes = b""  # written after the end
    start: int | None = None  # where `startxref` says that the table is, if not at its place
    spell: Callable[[bytes], bytes] = bytes  # how the table is written

    def write(self) -> bytes:
        out, places = bytearray(self.before + self.ahead), dict[int, int]()
        for number, body in self.objects.items():
            places[number] = len(out)
            out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
        rows = {number: b"%010d 00000 n \n" % place for number, place in places.items()} | self.rows
        out += self.behind
        listed = b"".join(b"%d 1\n%b" % (number, rows[number]) for number in sorted(rows))
        table = self.spell(b"xref\n0 1\n0000000000 65535 f \n" + listed)
        start = len(out) if self.start is None else self.start
        end = b"trailer\n<< %b >>\nstartxref\n%d\n%%%%EOF\n" % (self.trailer, start)
        return with_byte_range(bytes(out) + table + end + self.tail)


def with_byte_range(file: bytes) -> bytes:
    gaps = list(GAP.finditer(file))
    if not gaps:
        return file
    start, end = gaps[-1].span()
    right = b"/ByteRange [0 %d %d %d]" % (start, end, len(file) - end)
    written = list(_BYTE_RANGE.finditer(file))[-1]
    return file[: written.start()] + right.ljust(len(written[0])) + file[written.end() :]


def last_revision(shown: bytes, prepared: bytes) -> Revision:
    added = b"\n" + prepared[len(shown) :]
    trailer = re.findall(rb"trailer\n<<(.*)>>\nstartxref", added, re.DOTALL)[-1]
    return Revision(shown, {int(number): body for number, body in _OBJECT.findall(added)}, trailer)


def body_of(pdf: bytes, number: int) -> bytes:
    """Return an object as the last revision that contains it wrote it."""
    found = [body for at, body in _OBJECT.findall(pdf) if int(at) == number]
    return bytes(found[-1])


def number_of(pdf: bytes, pattern: bytes) -> int:
    """Return the number of the last object whose text matches."""
    return [int(number) for number, body in _OBJECT.findall(pdf) if re.search(pattern, body)][-1]


def startxref(pdf: bytes) -> int:
    return int(pdf.split(b"startxref")[-1].split()[0])


def drawn(text: bytes = b"BT /F1 18 Tf 60 700 Td (CNY 1.00) Tj ET") -> bytes:
    return b"<< /Length %d >>\nstream\n%b\nendstream" % (len(text), text)


def page_of(pdf: bytes) -> int:
    return number_of(pdf, rb"/Type /Page\b(?!s)")


def content_of(pdf: bytes) -> int:
    found = re.search(rb"/Contents (\d+) 0 R", body_of(pdf, page_of(pdf)))
    assert found
    return int(found[1])


def root_of(pdf: bytes) -> int:
    return int(re.findall(rb"/Root (\d+) 0 R", pdf)[-1])


def own_field(revision: Revision) -> int:
    return next(n for n, body in revision.objects.items() if b"/V " in body and b"/FT /Sig" in body)


def picture_of(revision: Revision) -> int:
    found = re.search(rb"/N (\d+) 0 R", revision.objects[own_field(revision)])
    assert found
    return int(found[1])


def form_of(pdf: bytes) -> int:
    return number_of(pdf, rb"\A<<\n/Fields")


def next_trailer(pdf: bytes) -> bytes:
    """Return the trailer for one more revision of this file."""
    last = pdf.rpartition(b"trailer\n<<")[2].partition(b">>\nstartxref")[0]
    entries = re.sub(rb"/Prev \d+", b"", last)
    return re.sub(rb"/Size \d+", b"/Size 1000", entries) + b"/Prev %d" % startxref(pdf)


def edit(revision: Revision, number: int, old: bytes, new: bytes) -> None:
    body = revision.objects.get(number) or body_of(revision.before, number)
    assert old in body
    revision.objects[number] = body.replace(old, new, 1)


@dataclass(frozen=True)
class Case:
    name: str
    shown: bytes
    prepared: bytes


def set_previous(revision: Revision, place: int) -> None:
    revision.trailer = re.sub(rb"/Prev \d+", b"/Prev %d" % place, revision.trailer)
