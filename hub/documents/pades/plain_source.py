"""Read the plan of a file whose tables and objects are written plainly, as Typst and our own engine do it.

Only the objects that the plan needs are read, each at the place given by the newest table. Files that are not plain
(other kinds of tables, escapes, comments, a name with two values …) are left to another reader.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
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
    rb"[ \n]*(?:(?P<number>[1-9]\d{0,6}) 0 R(?=[ \n/\[\]<>(])"
    rb"|(?P<open><<|\[)|(?P<close>>>|\])"
    rb"|(?P<atom>(?:/[A-Za-z0-9_.+:-]{1,127}|-?(?:0|[1-9]\d{0,14})(?:\.\d{1,10})?|true|false)(?=[ \n/\[\]<>(])"
    rb"|\([ -'*-\[\]-~]*\)|<[0-9A-Fa-f]*>))"
)
_SECTION: Final = re.compile(rb"(\d{1,7}) (\d{1,7})\n")
_ROW: Final = re.compile(rb"(\d{10}) 00000 n(?: \n|\r\n)")
_ROWS: Final = re.compile(rb"(?:\d{10} (?:00000 n|65535 f)(?: \n|\r\n))*")
_ROW_BYTES: Final = 20
_FREE: Final = ord("f")
_BEHIND_OBJECT: Final = re.compile(rb"[ \n]+(?:endobj[ \n]|(stream)\n)")
_STREAM_END: Final = re.compile(rb"\r?\n?endstream[ \n]+endobj[ \n]")
# The deepest nesting of values.
MAX_DEPTH: Final = 30
MAX_TABLES: Final = 100
MAX_STREAM_BYTES: Final = 10_000_000

Table = tuple[tuple[int, int, int], ...]  # sections: the first number, the count, the offset of the rows


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
        self._tables: list[Table] = []
        self._objects: dict[int, tuple[Any, int]] = {}
        self._page_order: list[int] = []
        self._referred: set[int] = set()

    def read(self) -> Plan:
        plan = self._read_plan()
        for number in self._referred:
            self._offset(number)  # qpdf takes a reference to nothing for null
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
        newest: dict[str, Any] | None = None
        table: int | None = self._table
        while table is not None:
            sections, at = self._read_table(table)
            trailer, _ = self._value(at)
            if not isinstance(trailer, dict) or trailer.keys() & {"/XRefStm", "/Encrypt"}:
                raise NotPlain
            self._tables.append(sections)
            newest = newest or trailer
            before = int(trailer["/Prev"]) if "/Prev" in trailer else None
            if before is not None and (before >= table or len(self._tables) >= MAX_TABLES):
                raise NotPlain
            table = before
        assert newest is not None
        return newest

    def _read_table(self, table: int) -> tuple[Table, int]:
        """Return the sections of a table, and the offset of its trailer's dictionary."""
        at = table + len(b"xref\n")
        if not self._pdf.startswith(b"xref\n", table):
            raise NotPlain
        sections = []
        while section := _SECTION.match(self._pdf, at):
            first, count = int(section[1]), int(section[2])
            sections.append((first, count, section.end()))
            at = section.end() + _ROW_BYTES * count
            self._check_rows(first, section.end(), at)
        if not self._pdf.startswith(b"trailer\n", at):
            raise NotPlain
        return tuple(sections), at + len(b"trailer")

    def _check_rows(self, first: int, rows: int, end: int) -> None:
        """Check that each row is well formed and points to its object, even if the plan does not need that object."""
        pdf, table = self._pdf, self._pdf[rows:end]
        if not _ROWS.fullmatch(table):
            raise NotPlain
        for number, row in enumerate(range(0, len(table), _ROW_BYTES), first):
            free = table[row + _ROW_BYTES - 3] == _FREE
            if not free and not pdf.startswith(b"%d 0 obj" % number, int(table[row : row + 10])):
                raise NotPlain

    def _object(self, number: int) -> tuple[Any, int]:
        """Return an object's value, and the offset of its stream; 0 if it has none."""
        if number not in self._objects:
            at = self._offset(number)
            head = b"%d 0 obj" % number
            if not self._pdf.startswith(head, at):
                raise NotPlain
            value, end = self._value(at + len(head))
            behind = _BEHIND_OBJECT.match(self._pdf, end)
            if behind is None:
                raise NotPlain
            self._objects[number] = value, behind.end() if behind[1] else 0
        return self._objects[number]

    def _offset(self, number: int) -> int:
        for sections in self._tables:
            for first, count, rows in sections:
                if first <= number < first + count:
                    row = _ROW.match(self._pdf, rows + _ROW_BYTES * (number - first))
                    if row is None:
                        raise NotPlain
                    return int(row[1])
        raise NotPlain

    def _value(self, at: int) -> tuple[Any, int]:
        """Return the value that begins at an offset, and the offset after it. A value that is neither a list, a
        dictionary nor a reference is returned as written."""
        containers: list[tuple[bytes, list[Any]]] = []
        while True:
            token = _TOKEN.match(self._pdf, at)
            if token is None or len(containers) > MAX_DEPTH:
                raise NotPlain
            at, kind = token.end(), token.lastgroup
            if kind == "open":
                containers.append((token["open"], []))
                continue
            value: Any
            if kind == "number":
                value = _Reference(token["number"])
                self._referred.add(value)
            elif kind == "atom":
                value = token["atom"].decode("ascii")
            else:
                value = _closed(token["close"], *containers.pop())
            if not containers:
                return value, at
            containers[-1][1].append(value)

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


def _closed(close: bytes, opened: bytes, items: list[Any]) -> Any:
    if opened == b"[":
        if close != b"]":
            raise NotPlain
        return items
    names, values = items[::2], items[1::2]
    found = dict(zip(names, values, strict=True))
    if close != b">>" or len(found) < len(names) or not all(isinstance(each, str) and each[0] == "/" for each in names):
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
