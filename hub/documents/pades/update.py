"""Write one incremental update (ISO 32000-2 7.5.6) as bytes to append, without reading the file."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime

from hub.documents.pades.plan import CannotUpdate, Entries, Plan

# Bytes that a reader could take for an object if it searches the file; `qianda.pdf` refuses a file that has them.
_LOOKS_LIKE_STRUCTURE = re.compile(
    rb"\d[\x00\t\n\f\r ]+\d+[\x00\t\n\f\r ]+obj|endobj|endstream|startxref|trailer\s*<<|%%EOF"
)
_WORDS = (b"obj", b"endstream", b"startxref", b"trailer", b"%%EOF")  # every match of the pattern contains one of them
_STREAM_END = b"\nendstream"


class Update:
    """The revision that is being written. Objects are numbered from the plan's first free number."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._next = plan.size
        self._parts: list[bytes] = [] if plan.ends_a_line else [b"\n"]
        self._at = plan.length + len(self._parts)
        self._places: dict[int, int] = {}

    def number(self, count: int = 1) -> int:
        """Return the number of a new object; with `count`, the first of that many consecutive numbers."""
        self._next += count
        return self._next - count

    def put(self, number: int, body: bytes, digits: bytes = b"") -> int:
        """Write an object. Return the offset of its body in the file. `digits`: the rest of the body, the
        zeros of an empty place, which need no search. Raises CannotUpdate for a body that looks like two objects."""
        if looks_like_structure(body.removesuffix(_STREAM_END)):
            raise CannotUpdate("an object holds what looks like another one")
        head = b"%d 0 obj\n" % number
        self._places[number] = self._at
        self._parts += [head, body, digits, b"\nendobj\n"]
        begins = self._at + len(head)
        self._at = begins + len(body) + len(digits) + len(b"\nendobj\n")
        return begins

    def add(self, body: bytes) -> int:
        """Write a new object. Return its number."""
        number = self.number()
        self.put(number, body)
        return number

    def finish(self) -> tuple[bytes, Plan]:
        """Return the bytes to append, and the plan of the resulting file."""
        table = self._at
        ids = (self.plan.ids[0] or secrets.token_hex(16), secrets.token_hex(16))
        trailer = {"/Root": f"{self.plan.root} 0 R", "/Prev": str(self.plan.table), "/ID": f"[<{ids[0]}><{ids[1]}>]"}
        if self.plan.info:
            trailer["/Info"] = self.plan.info
        written = self._table_as_stream(trailer) if self.plan.has_table_stream else self._table(trailer)
        data = b"".join((*self._parts, written, b"startxref\n%d\n%%%%EOF\n" % table))
        length = self.plan.length + len(data)
        return data, self.plan._replace(length=length, ends_a_line=True, table=table, size=self._next, ids=ids)

    def _table(self, trailer: Entries) -> bytes:
        lines = [b"xref\n0 1\n0000000000 65535 f \n"]
        for first, places in self._sections():
            lines.append(b"%d %d\n" % (first, len(places)))
            lines += [b"%010d 00000 n \n" % place for place in places]
        return b"".join((*lines, b"trailer\n", dictionary({**trailer, "/Size": str(self._next)}), b"\n"))

    def _table_as_stream(self, trailer: Entries) -> bytes:
        """Return the table as a stream, because the file's tables are streams (ISO 32000-2 7.5.8) and the two kinds of
        tables must not be mixed."""
        own = self.number()
        self._places[own] = self._at
        sections = self._sections()
        rows = b"".join(b"\x01%b\0\0" % place.to_bytes(5, "big") for _, places in sections for place in places)
        index = " ".join(f"{first} {len(places)}" for first, places in sections)
        entries = {"/Type": "/XRef", "/Size": str(self._next), "/W": "[1 5 2]", "/Index": f"[{index}]"}
        return b"%d 0 obj\n%b\nendobj\n" % (own, stream(rows, {**trailer, **entries}))

    def _sections(self) -> list[tuple[int, list[int]]]:
        sections: list[tuple[int, list[int]]] = []
        for number in sorted(self._places):
            if sections and number == sections[-1][0] + len(sections[-1][1]):
                sections[-1][1].append(self._places[number])
            else:
                sections.append((number, [self._places[number]]))
        return sections


def looks_like_structure(body: bytes) -> bool:
    """Return whether a reader that searches the file could take a part of these bytes for an object."""
    return any(word in body for word in _WORDS) and _LOOKS_LIKE_STRUCTURE.search(body) is not None


def dictionary(entries: Mapping[str, str]) -> bytes:
    """Return a dictionary of values that are already written. Names are in ascending order, as qpdf reads them back."""
    return ("<<" + "\n".join(f"{name} {value}" for name, value in sorted(entries.items())) + ">>").encode("latin-1")


def stream(content: bytes, entries: Mapping[str, str] | None = None) -> bytes:
    """Return a stream with its length."""
    head = dictionary({**(entries or {}), "/Length": str(len(content))})
    return head + b"\nstream\n" + content + _STREAM_END


def format_date(at: datetime) -> str:
    """Return a date as a PDF writes it, in UTC (ISO 32000-2 7.9.4)."""
    return "(D:{:04}{:02}{:02}{:02}{:02}{:02}Z)".format(*at.utctimetuple())


def references(numbers: list[int] | tuple[int, ...]) -> str:
    """Return a list of references to objects."""
    return "[" + " ".join(f"{number} 0 R" for number in numbers) + "]"
