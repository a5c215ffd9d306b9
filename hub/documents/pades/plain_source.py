"""Read the plan of a file whose tables and objects are written plainly, as Typst and our own engine do it.

Only the objects that the plan needs are read, each at the place given by the newest table. Files that are not plain
(other kinds of tables, escapes, comments, a name with two values …) are left to another reader.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from itertools import repeat
from typing import Any, Final

from hub.documents.pades.mapped_file import MappedFile
from hub.documents.pades.plan import (
    INHERITED,
    NO_CHANGES,
    STORE_LISTS,
    CannotUpdate,
    Entries,
    FieldPlan,
    PagePlan,
    Plan,
    SignedValue,
    StorePlan,
    asked_pages,
    name_in_store,
)

_TOKEN: Final = re.compile(
    r"([1-9]\d{0,6} 0 R(?=[ \n/\[\]<>(])|<<|\[|>>|\]"
    r"|(?:/[A-Za-z0-9_.+:-]{1,127}|-?(?:0|[1-9]\d{0,14})(?:\.\d{1,10})?|true|false)(?=[ \n/\[\]<>(])"
    r"|\([ -'*-\[\]-~]*\)|<[0-9A-Fa-f]*>)",
    re.ASCII,
)
_SECTION: Final = re.compile(rb"(\d{1,7}) (\d{1,7})\n")
_ROW: Final = re.compile(rb"(\d{10}) 00000 n(?: \n|\r\n)")
_FREE_ROW: Final = re.compile(rb"\d{10} 65535 f(?: \n|\r\n)")
_ROW_BYTES: Final = 20
_SPACE: Final = " \n"
_STREAM_END: Final = re.compile(rb"\r?\n?endstream[ \n]+endobj[ \n]")
# The deepest nesting of values.
MAX_DEPTH: Final = 30
MAX_TABLES: Final = 100
MAX_ROWS: Final = 50_000  # of all tables
MAX_VALUE_BYTES: Final = 1 << 18  # of an object without its stream, and of a trailer
MAX_STREAM_BYTES: Final = 10_000_000


class NotPlain(Exception):
    """The file is not written plainly."""


class _Reference(int):
    """The number of an object."""


def read_plain_plan(pdf: bytes | MappedFile, pages: set[int], table: int) -> Plan:
    """Read the plan of a file. `pages`: those that get new fields (`asked_pages`); `table`: offset of the last table.

    Raises NotPlain.
    """
    try:
        return _PlainReader(pdf, pages, table).read()
    except CannotUpdate:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, zlib.error) as error:
        raise NotPlain from error


class _PlainReader:
    def __init__(self, pdf: bytes | MappedFile, asked: set[int], table: int) -> None:
        self._pdf, self._asked, self._table = pdf, asked, table
        self._places: dict[int, int] = {}  # offsets by number
        self._rows = 0
        self._objects: dict[int, tuple[Any, int]] = {}
        self._page_order: list[int] = []
        self._referred: set[int] = set()

    def read(self) -> Plan:
        plan = self._read_plan()
        if not self._referred <= self._places.keys():
            raise NotPlain  # qpdf takes a reference to nothing for null
        return plan

    def _read_plan(self) -> Plan:
        trailer = self._read_tables()
        root = self._dictionary(trailer["/Root"])
        form = self._dictionary(root["/AcroForm"]) if "/AcroForm" in root else {}
        listed = self._resolved(form.get("/Fields", []))
        fields = {_own_number(each): self._dictionary(each) for each in listed}
        shown = {number for number, field in fields.items() if field.get("/FT") == "/Sig"}
        pages, shown_on = self._pages(root["/Pages"], shown)
        return Plan(
            length=len(self._pdf),
            ends_a_line=self._pdf.endswith(b"\n"),
            table=self._table,
            has_table_stream=False,
            size=int(trailer["/Size"]),
            root=_own_number(trailer["/Root"]),
            info=_written(_Reference(_own_number(trailer["/Info"]))) if "/Info" in trailer else "",
            ids=_ids(trailer.get("/ID")),
            catalog=_entries(root),
            form=_own_number(root["/AcroForm"]) if form else 0,
            form_entries=_entries(form),
            fields=tuple(map(_own_number, listed)),
            signatures=self._signatures(fields, shown_on),
            pages=pages,
            page_order=tuple(self._page_order),
            store=self._store(root["/DSS"]) if "/DSS" in root else None,
        )

    # ---- tables and objects

    def _read_tables(self) -> dict[str, Any]:
        """Return the newest trailer."""
        trailers: list[dict[str, Any]] = []
        sections: list[dict[int, int]] = []
        table: int | None = self._table
        while table is not None:
            found, at = self._read_table(table)
            sections += found
            trailer, _ = self._value(at, b"startxref")
            if not isinstance(trailer, dict) or trailer.keys() & {"/XRefStm", "/Encrypt"}:
                raise NotPlain
            trailers.append(trailer)
            before = int(trailer["/Prev"]) if "/Prev" in trailer else None
            if before is not None and (before >= table or len(trailers) >= MAX_TABLES):
                raise NotPlain
            table = before
        for section in reversed(sections):
            self._places.update(section)
        return trailers[0]

    def _read_table(self, table: int) -> tuple[list[dict[int, int]], int]:
        """Return the sections of a table, and the offset of its trailer's dictionary."""
        sections, at = [], table + len(b"xref\n")
        if not self._pdf.startswith(b"xref\n", table):
            raise NotPlain
        while found := _SECTION.match(self._pdf, at):
            first, count, at = int(found[1]), int(found[2]), found.end()
            if first == 0 and count and _FREE_ROW.match(self._pdf, at):  # no other object is free in a plain file
                first, count, at = 1, count - 1, at + _ROW_BYTES
            self._rows += count
            if self._rows > MAX_ROWS:
                raise NotPlain
            sections.append(self._read_rows(first, count, at))
            at += _ROW_BYTES * count
        if not self._pdf.startswith(b"trailer\n", at):
            raise NotPlain
        return sections, at + len(b"trailer")

    def _read_rows(self, first: int, count: int, at: int) -> dict[int, int]:
        """Return the offsets of a section's objects. Check that each row leads to its object, even if the plan does not
        need that object."""
        rows = _ROW.findall(self._pdf, at, at + _ROW_BYTES * count)
        places = dict(zip(range(first, first + count), map(int, rows), strict=True))
        heads = map(b"%d 0 obj".__mod__, places)
        if not all(map(self._pdf.startswith, heads, places.values())):
            raise NotPlain
        return places

    def _object(self, number: int) -> tuple[Any, int]:
        """Return an object's value, and the offset of its stream; 0 if it has none."""
        if number not in self._objects:
            begin = self._places[number] + len(b"%d 0 obj" % number)
            self._objects[number] = self._value(begin, b"endobj")
        return self._objects[number]

    def _value(self, begin: int, end_word: bytes) -> tuple[Any, int]:
        """Return the value between an offset and this word, and the offset of the stream between them, 0 for none."""
        pdf, limit, stream = self._pdf, begin + MAX_VALUE_BYTES, 0
        end = pdf.find(end_word, begin, limit)
        at = pdf.find(b"stream", begin, limit if end < 0 else end)
        if at >= 0:
            end, end_word, stream = at, b"stream", at + len(b"stream\n")
        if end < 0 or not pdf.startswith(end_word + b"\n", end):
            raise NotPlain
        return self._read_value(pdf[begin:end].decode("ascii")), stream

    def _read_value(self, text: str) -> Any:
        """Return a value. One that is neither a list, a dictionary nor a reference is returned as written."""
        parts = _TOKEN.split(text)
        if text[-1] not in _SPACE or "".join(parts[::2]).strip(_SPACE):
            raise NotPlain
        items: list[Any] = []
        around: list[tuple[str, list[Any]]] = []
        for token in parts[1::2]:
            if token[0] == "/":
                items.append(token)
            elif token in ("<<", "["):
                if len(around) > MAX_DEPTH:
                    raise NotPlain
                around.append((token, items))
                items = []
            elif token in (">>", "]"):
                opened, outer = around.pop()
                outer.append(_closed(opened + token, items))
                items = outer
            elif token.endswith(" R"):
                reference = _Reference(token[:-4])
                self._referred.add(reference)
                items.append(reference)
            else:
                items.append(token)
        if around or len(items) != 1:
            raise NotPlain
        return items[0]

    def _resolved(self, value: Any) -> Any:
        return self._object(value)[0] if isinstance(value, _Reference) else value

    def _dictionary(self, value: Any) -> dict[str, Any]:
        """Return the dictionary that is this object. Raises NotPlain for a stream."""
        found, stream = self._object(_own_number(value))
        if not isinstance(found, dict) or stream:
            raise NotPlain
        return found

    # ---- parts of the plan

    def _pages(self, root: Any, fields: set[int]) -> tuple[dict[int, PagePlan], dict[int, int]]:
        """Return the pages that matter, and for each signature field's number, the number of its page."""
        pages: dict[int, PagePlan] = {}
        shown_on: dict[int, int] = {}
        leaves = list(self._leaves(root))
        self._page_order = [number for number, _, _ in leaves]
        asked = asked_pages(self._asked, len(leaves))
        for place, (number, page, frame) in enumerate(leaves):
            listed = page.get("/Annots", [])
            annotations = self._resolved(listed)
            here = {int(each) for each in annotations if isinstance(each, _Reference)} & fields
            shown_on.update(dict.fromkeys(here, number))
            if here or place in asked:
                list_number = int(listed) if isinstance(listed, _Reference) else 0
                around = {name: _written(self._resolved(value)) for name, value in frame.items()}
                annotated = tuple(map(_written, annotations))
                pages[number] = PagePlan(number, _entries(page), annotated, list_number, around)
        return pages, shown_on

    def _leaves(self, root: Any) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
        """Yield the number of each page, its dictionary, and its own or inherited frame entries."""
        waiting: list[tuple[Any, dict[str, Any]]] = [(root, {})]
        seen = set[int]()
        while waiting:
            reference, inherited = waiting.pop()
            number, node = _own_number(reference), self._dictionary(reference)
            if number in seen:
                raise NotPlain
            seen.add(number)
            frame = inherited | {name: node[name] for name in INHERITED if name in node}
            if node["/Type"] == "/Pages":
                waiting += [(kid, frame) for kid in reversed(self._resolved(node["/Kids"]))]
            elif node["/Type"] == "/Page":
                yield number, node, frame
            else:
                raise NotPlain

    def _signatures(self, fields: dict[int, dict[str, Any]], shown_on: dict[int, int]) -> dict[str, FieldPlan]:
        found: dict[str, FieldPlan] = {}
        for number, field in fields.items():
            if field.get("/FT") != "/Sig" or "/Kids" in field:
                continue
            name = field["/T"]
            if not name.startswith("(") or name[1:-1] in found:
                raise NotPlain
            value = self._signed_value(field["/V"]) if "/V" in field else None
            found[name[1:-1]] = FieldPlan(number, _entries(field), shown_on.get(number, 0), value)
        return found

    def _signed_value(self, reference: Any) -> SignedValue:
        value = self._dictionary(reference)
        start, length = (int(number) for number in value["/ByteRange"][2:4])
        digits = value["/Contents"]
        if not digits.startswith("<") or len(digits) % 2:
            raise NotPlain
        limits = [self._resolved(limit) for limit in self._resolved(value.get("/Reference", []))]
        allowed = [self._resolved(limit.get("/TransformParams", {})).get("/P") for limit in limits]
        return SignedValue(
            _own_number(reference),
            start + length,
            name_in_store(digits[1:-1].lower().encode("ascii")),
            str(NO_CHANGES) in allowed,
            value.get("/Type") == "/DocTimeStamp",
        )

    def _store(self, reference: Any) -> StorePlan:
        store = self._dictionary(reference)
        lists = {name: tuple(map(_own_number, self._resolved(store.get(name, [])))) for name in STORE_LISTS}
        numbers = dict.fromkeys(number for listed in lists.values() for number in listed)
        known = {hashlib.sha256(self._content(number)).hexdigest(): number for number in numbers}
        vri = _entries(self._resolved(store["/VRI"])) if "/VRI" in store else {}
        return StorePlan(_own_number(reference), lists, vri, known)

    def _content(self, number: int) -> bytes:
        """Return the content of a stream, decompressed."""
        head, begins = self._object(number)
        length = int(head["/Length"])
        end = begins + length
        if not begins or head.keys() - {"/Length", "/Filter"} or not _STREAM_END.match(self._pdf, end):
            raise NotPlain
        content = self._pdf[begins:end]
        if "/Filter" not in head:
            return content
        if head["/Filter"] != "/FlateDecode":
            raise NotPlain
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(content, MAX_STREAM_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise NotPlain
        return unpacked


def _closed(brackets: str, items: list[Any]) -> Any:
    if brackets == "[]":
        return items
    names = items[::2]
    found = dict(zip(names, items[1::2], strict=True))
    if brackets != "<<>>" or len(found) < len(names) or not all(map(str.startswith, names, repeat("/"))):
        raise NotPlain
    return found


def _own_number(value: Any) -> int:
    if not isinstance(value, _Reference):
        raise NotPlain
    return int(value)


def _entries(found: dict[str, Any]) -> Entries:
    return {name: _written(value) for name, value in found.items()}


def _written(value: Any) -> str:
    """Return a value as qpdf writes it."""
    if isinstance(value, str):
        if value.startswith("<"):
            raise NotPlain
        return value
    if isinstance(value, _Reference):
        return f"{int(value)} 0 R"
    if isinstance(value, list):
        return " ".join(("[", *map(_written, value), "]"))
    return " ".join(("<<", *(f"{name} {_written(value[name])}" for name in sorted(value)), ">>"))


def _ids(value: Any) -> tuple[str, str]:
    if value is None:
        return "", ""
    first, second = value
    return _hex_of(first), _hex_of(second)


def _hex_of(text: str) -> str:
    """Return the bytes of a string in hexadecimal, whichever of the two ways it is written in."""
    if text.startswith("("):
        return text[1:-1].encode("ascii").hex()
    if not text.startswith("<") or len(text) % 2:
        raise NotPlain
    return text[1:-1].lower()
