"""Read the plan of a PDF.

Files written as plainly as ours are read with a few patterns (`plain_source`). All other valid PDFs (object streams,
cross-reference streams, linearized files) are read with qpdf (pikepdf), which takes three times as long.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Object, PasswordError, Pdf, PdfError

from hub.documents.pades.mapped_file import MappedFile, mentions
from hub.documents.pades.plain_source import NotPlain, read_plain_plan
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

_TAIL = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*\Z")
HYBRID = b"/XRefStm"
# Have qpdf show the file as written. Otherwise it copies inherited entries into the pages, under invented numbers.
AS_WRITTEN: dict[str, Any] = {"attempt_recovery": False, "suppress_warnings": True, "inherit_page_attributes": False}
MAX_TREE_DEPTH = 100  # of the tree of pages
_TAIL_LENGTH = 1024  # bytes at the end of a file, in which the offset of its last table has to be


def read_plan(pdf: bytes | MappedFile, pages: Iterable[int] = ()) -> Plan:
    """Read the plan of a file. `pages`: those that get new fields, see `asked_pages`. Raises CannotUpdate."""
    tail = _TAIL.search(pdf, max(0, len(pdf) - _TAIL_LENGTH))
    if tail is None:
        raise CannotUpdate("it does not end as a PDF ends")
    try:
        return read_plain_plan(pdf, set(pages), int(tail[1]))
    except NotPlain:
        return read_any_plan(pdf, set(pages), int(tail[1]))


def read_any_plan(pdf: bytes | MappedFile, pages: set[int], table: int) -> Plan:
    """Read the plan with qpdf. `table`: offset of the last cross-reference table. Raises CannotUpdate."""
    if mentions(pdf.path, HYBRID) if isinstance(pdf, MappedFile) else HYBRID in pdf:
        raise CannotUpdate("it has tables of both kinds")
    try:
        source = pdf.path if isinstance(pdf, MappedFile) else io.BytesIO(pdf)
        with pikepdf.open(source, **AS_WRITTEN) as document:
            plan = _PlanReader(document, pages).read(pdf, table)
            if document.get_warnings():
                raise CannotUpdate("it is damaged")
            return plan
    except CannotUpdate:
        raise
    except (PdfError, PasswordError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise CannotUpdate(f"{type(error).__name__}: {error}") from error


class _PlanReader:
    def __init__(self, document: Pdf, asked: set[int]) -> None:
        self._document = document
        self._asked = asked
        self._page_order: list[int] = []

    def read(self, pdf: bytes | MappedFile, table: int) -> Plan:
        document = self._document
        if document.is_encrypted:
            raise CannotUpdate("it is encrypted")
        root, trailer = document.Root, document.trailer
        form = root.get("/AcroForm")
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
            ids=(_bytes_of(ids[0]).hex(), _bytes_of(ids[1]).hex()) if ids is not None else ("", ""),
            catalog=entries_of(root),
            form=own_number(form) if form is not None and form.is_indirect else 0,
            form_entries=entries_of(form) if form is not None else {},
            fields=tuple(own_number(each) for each in listed),
            signatures=_signatures(listed, shown_on),
            pages=pages,
            page_order=tuple(self._page_order),
            store=_store(root.get("/DSS")),
        )

    def _pages(self, fields: set[int]) -> tuple[dict[int, PagePlan], dict[int, int]]:
        """Return the pages that matter, and for each signature field's number, the number of its page."""
        pages: dict[int, PagePlan] = {}
        shown_on: dict[int, int] = {}
        listed = list(_leaves(self._document.Root.Pages))
        asked = asked_pages(self._asked, len(listed))
        for place, page in enumerate(listed):
            self._page_order.append(own_number(page))
            annotations = page.get("/Annots", ())
            here = {each.objgen[0] for each in annotations} & fields
            shown_on.update(dict.fromkeys(here, page.objgen[0]))
            if here or place in asked:
                plan = _page(page)
                pages[plan.number] = plan
        return pages, shown_on


def _leaves(root: Object) -> Iterator[Object]:
    """Yield the pages in their order. qpdf's own list is not used: it copies inherited entries into the pages."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        number = own_number(node)
        if number in seen:
            raise CannotUpdate("its page tree has a cycle")
        seen.add(number)
        if "/Kids" in node:
            waiting += reversed(list(node["/Kids"]))
        else:
            yield node


def _page(page: Object) -> PagePlan:
    annotations = page.get("/Annots", Array())
    list_number = own_number(annotations) if annotations.is_indirect else 0
    annotated = tuple(written(each) for each in annotations)
    return PagePlan(own_number(page), entries_of(page), annotated, list_number, _frame(page))


def _frame(page: Object) -> Entries:
    """Return the boxes and the rotation of a page, its own or inherited from the nodes above it."""
    found: Entries = {}
    node: Object | None = page
    for _ in range(MAX_TREE_DEPTH):
        if node is None:
            break
        for name in INHERITED:
            if name in node and name not in found:
                value = node[name]
                found[name] = _numbers(value) if isinstance(value, Array) else written(value)
        node = node.get("/Parent")
    return found


def _numbers(value: Array) -> str:
    return f"[ {' '.join(written(each) for each in value)} ]"


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
    contents = name_in_store(_bytes_of(value.Contents).hex().encode("ascii"))
    limits = [limit.get("/TransformParams", Dictionary()) for limit in value.get("/Reference", ())]
    locks_all = any(limit.get("/P") == NO_CHANGES for limit in limits)
    return SignedValue(own_number(value), start + length, contents, locks_all, value.get("/Type") == "/DocTimeStamp")


def _store(store: Object | None) -> StorePlan | None:
    if store is None:
        return None
    lists = {name: [own_number(each) for each in store.get(name, ())] for name in STORE_LISTS}
    streams = {own_number(each): each for name in STORE_LISTS for each in store.get(name, ())}
    known = {hashlib.sha256(each.read_bytes()).hexdigest(): number for number, each in streams.items()}
    vri = entries_of(store["/VRI"]) if "/VRI" in store else {}
    return StorePlan(own_number(store), {name: tuple(numbers) for name, numbers in lists.items()}, vri, known)


def own_number(item: Object) -> int:
    """Return the number of an indirect object. Raises CannotUpdate for a direct object, and for a generation other than
    0, which our updates do not write."""
    number, generation = item.objgen
    if not number or generation:
        raise CannotUpdate("an object that has to be replaced has no number of its own")
    return int(number)


def entries_of(item: Object) -> Entries:
    """Return the entries of a dictionary, as they are written."""
    return {name: written(value) for name, value in item.items()}


def written(value: object) -> str:
    """Return a value as written. An indirect object stays a reference."""
    if isinstance(value, Object):
        if value.is_indirect:
            return "{} {} R".format(*value.objgen)
        return value.unparse(resolved=False).decode("latin-1")
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _bytes_of(value: object) -> bytes:
    """Return the bytes of a string. Raises CannotUpdate for a number, of which `bytes` would make as many zeros."""
    if not isinstance(value, pikepdf.String):
        raise CannotUpdate("something else stands where a string belongs")
    return bytes(value)
