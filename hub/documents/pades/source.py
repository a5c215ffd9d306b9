"""Read what later revisions need to know of a PDF: its *plan*, plain data of 1 to 2 KB.

The reader is qpdf (pikepdf): half a millisecond for a contract, and any valid PDF (object streams, cross-reference
streams, linearized ones). Values are kept as they are written in the file.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import pikepdf
from pikepdf import Array, Dictionary, Object, Pdf, PdfError

Entries = dict[str, str]  # of a dictionary: the values as they are written in a PDF, as latin-1
_TAIL = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*\Z")
_TAIL_LENGTH = 1024  # bytes at the end of a file in which its last table has to be named
_STORE_LISTS = ("/Certs", "/CRLs", "/OCSPs")
_NO_CHANGES = 1  # /P of DocMDP and of a field lock (ISO 32000-2 12.8.2.2 and 12.7.5.5)


class CannotUpdate(ValueError):
    """No file for this engine: encrypted, damaged, or of a form that it does not write behind."""


@dataclass(frozen=True)
class PagePlan:
    """A page object. `list_number`: that of its list of annotations, 0 where the list stands in the page itself."""

    number: int
    entries: Entries
    annotations: tuple[str, ...]
    list_number: int


@dataclass(frozen=True)
class SignedValue:
    """The value of a signed field. `end`: offset behind the last byte that it covers; `vri`: its name in /VRI."""

    number: int
    end: int
    vri: str
    locks_all: bool
    is_timestamp: bool


@dataclass(frozen=True)
class FieldPlan:
    """A signature field. `page`: the number of the page object that shows it, 0 for none."""

    number: int
    entries: Entries
    page: int
    value: SignedValue | None = None


@dataclass(frozen=True)
class StorePlan:
    """The document security store (/DSS). `known`: the streams in it by the SHA-256 (hex) of their content."""

    number: int
    lists: dict[str, tuple[int, ...]]
    vri: Entries
    known: dict[str, int]


@dataclass(frozen=True)
class Plan:
    """`table`: offset of the last cross-reference table; `size`: the next free number; `info`: a reference or empty.

    `fields`: the form's fields in their order, signatures or not; `pages`: those that show signature fields, and those
    that were asked for, by the number of the page object.
    """

    length: int
    ends_a_line: bool
    table: int
    has_table_stream: bool
    size: int
    root: int
    info: str
    ids: tuple[str, str]  # in hexadecimal
    catalog: Entries
    form: int  # 0: there is none
    form_entries: Entries
    fields: tuple[int, ...]
    signatures: dict[str, FieldPlan]
    pages: dict[int, PagePlan]
    page_order: tuple[int, ...]
    store: StorePlan | None

    @property
    def signed(self) -> list[FieldPlan]:
        """Return the signed fields in the order of signing."""
        signed = [(each.value.end, each) for each in self.signatures.values() if each.value is not None]
        return [each for _, each in sorted(signed, key=lambda pair: pair[0])]


def read_plan(pdf: bytes, pages: Iterable[int] = ()) -> Plan:
    """Read the plan of a file. `pages`: where new fields are to go, counted from 0. Raises CannotUpdate."""
    tail = _TAIL.search(pdf, max(0, len(pdf) - _TAIL_LENGTH))
    if tail is None:
        raise CannotUpdate("it does not end as a PDF ends")
    if b"/XRefStm" in pdf:
        raise CannotUpdate("it has tables of both kinds")
    try:
        with pikepdf.open(io.BytesIO(pdf), attempt_recovery=False, suppress_warnings=True) as document:
            plan = _PlanReader(document, set(pages)).read(pdf, int(tail[1]))
            if document.get_warnings():
                raise CannotUpdate("it is damaged")
            return plan
    except (PdfError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise CannotUpdate(f"{type(error).__name__}: {error}") from error


class _PlanReader:
    def __init__(self, document: Pdf, asked: set[int]) -> None:
        self._document = document
        self._asked = asked
        self._page_order: list[int] = []

    def read(self, pdf: bytes, table: int) -> Plan:
        document = self._document
        if document.is_encrypted:
            raise CannotUpdate("it is encrypted")
        root, trailer = document.Root, document.trailer
        form = root.get("/AcroForm")
        if form is not None and not form.is_indirect:
            raise CannotUpdate("its form stands in the catalog")
        listed = list(form.get("/Fields", ())) if form is not None else []
        pages, shown_on = self._pages({own_number(each) for each in listed if each.get("/FT") == "/Sig"})
        ids = trailer.get("/ID")
        return Plan(
            length=len(pdf),
            ends_a_line=pdf.endswith(b"\n"),
            table=table,
            has_table_stream=not pdf.startswith(b"xref", table),
            size=int(trailer.Size),
            root=own_number(root),
            info=written(trailer["/Info"]) if "/Info" in trailer else "",
            ids=(bytes(ids[0]).hex(), bytes(ids[1]).hex()) if ids is not None else ("", ""),
            catalog=entries_of(root),
            form=own_number(form) if form is not None else 0,
            form_entries=entries_of(form) if form is not None else {},
            fields=tuple(own_number(each) for each in listed),
            signatures=_signatures(listed, shown_on),
            pages=pages,
            page_order=tuple(self._page_order),
            store=_store(root.get("/DSS")),
        )

    def _pages(self, fields: set[int]) -> tuple[dict[int, PagePlan], dict[int, int]]:
        """Return the pages that matter, and by the number of each signature field that of its page."""
        pages: dict[int, PagePlan] = {}
        shown_on: dict[int, int] = {}
        for place, page in enumerate(self._document.pages):
            self._page_order.append(page.obj.objgen[0])
            annotations = page.obj.get("/Annots", ())
            here = {each.objgen[0] for each in annotations} & fields
            shown_on.update(dict.fromkeys(here, page.obj.objgen[0]))
            if here or place in self._asked:
                plan = _page(page.obj)
                pages[plan.number] = plan
        if self._asked and max(self._asked) >= len(self._page_order):
            raise CannotUpdate("it has no such page")
        return pages, shown_on


def _page(page: Object) -> PagePlan:
    annotations = page.get("/Annots", Array())
    list_number = own_number(annotations) if annotations.is_indirect else 0
    return PagePlan(own_number(page), entries_of(page), tuple(written(each) for each in annotations), list_number)


def _signatures(listed: list[Object], shown_on: dict[int, int]) -> dict[str, FieldPlan]:
    found: dict[str, FieldPlan] = {}
    for field in listed:
        if field.get("/FT") != "/Sig" or "/Kids" in field:
            continue
        name, number = str(field.T), own_number(field)
        if name in found:
            raise CannotUpdate("two fields have one name")
        value = _signed_value(field.V) if "/V" in field else None
        found[name] = FieldPlan(number, entries_of(field), shown_on.get(number, 0), value)
    return found


def _signed_value(value: Object) -> SignedValue:
    start, length = (int(number) for number in list(value.ByteRange)[2:4])
    contents = name_in_store(bytes(value.Contents).hex().encode("ascii"))
    limits = [limit.get("/TransformParams", Dictionary()) for limit in value.get("/Reference", ())]
    locks_all = any(limit.get("/P") == _NO_CHANGES for limit in limits)
    return SignedValue(own_number(value), start + length, contents, locks_all, value.get("/Type") == "/DocTimeStamp")


def _store(store: Object | None) -> StorePlan | None:
    if store is None:
        return None
    lists = {name: [own_number(each) for each in store.get(name, ())] for name in _STORE_LISTS}
    streams = {own_number(each): each for name in _STORE_LISTS for each in store.get(name, ())}
    known = {hashlib.sha256(each.read_bytes()).hexdigest(): number for number, each in streams.items()}
    vri = entries_of(store["/VRI"]) if "/VRI" in store else {}
    return StorePlan(own_number(store), {name: tuple(numbers) for name, numbers in lists.items()}, vri, known)


def name_in_store(digits: bytes) -> str:
    """Return the name that a signature has in /VRI: its digits are hashed as they stand in the file (ISO 32000-2
    12.8.4.4)."""
    return hashlib.sha1(digits, usedforsecurity=False).hexdigest().upper()


def own_number(item: Object) -> int:
    """Return the number of an object that stands by itself. Raises CannotUpdate for another one, and for a generation
    other than 0, which an update of ours would not name."""
    number, generation = item.objgen
    if not number or generation:
        raise CannotUpdate("an object that has to be replaced has no number of its own")
    return int(number)


def entries_of(item: Object) -> Entries:
    """Return the entries of a dictionary, as they are written."""
    return {name: written(value) for name, value in item.items()}


def written(value: object) -> str:
    """Return a value as it is written; what is an object of its own stays a reference."""
    if isinstance(value, Object):
        if value.is_indirect:
            return "{} {} R".format(*value.objgen)
        return value.unparse(resolved=False).decode("latin-1")
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
