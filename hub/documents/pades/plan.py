"""The *plan* of a file: what later revisions need to know of it, a few KB of plain data. Values are as written in a
PDF."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, NamedTuple

Entries = dict[str, str]  # of a dictionary: the values as written in a PDF, as latin-1
NO_CHANGES: Final = 1  # /P of DocMDP and of a field lock (ISO 32000-2 12.8.2.2 and 12.7.5.5)
STORE_LISTS: Final = ("/Certs", "/CRLs", "/OCSPs")
# The entries that make up a page's frame and can be inherited from the nodes above it (ISO 32000-2, 7.7.3.4).
INHERITED: Final = ("/MediaBox", "/CropBox", "/Rotate")
ALL_PAGES: Final = -1  # accepted in place of a page number, as is the next one
LAST_PAGE: Final = -2


class CannotUpdate(ValueError):
    """This engine cannot append to the file: it is encrypted, damaged, or of an unsupported form."""


class NoSuchPage(CannotUpdate):
    """A page was asked for that the file does not have."""


def asked_pages(asked: set[int], count: int) -> set[int]:
    """Return the pages that are asked for, counted from 0. `asked`: page numbers, ALL_PAGES, LAST_PAGE. `count`: how
    many pages the file has.

    Raises NoSuchPage.
    """
    if ALL_PAGES in asked:
        return set(range(count))
    pages = {count - 1 if number == LAST_PAGE else number for number in asked}
    if pages and max(pages) >= count:
        raise NoSuchPage("it has no such page")
    return pages


@dataclass(frozen=True)
class PagePlan:
    """A page object. `list_number`: the number of its list of annotations, 0 if the list is in the page itself.
    `frame`: its boxes and its rotation, inherited or its own."""

    number: int
    entries: Entries
    annotations: tuple[str, ...]
    list_number: int
    frame: Entries = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class SignedValue:
    """The value of a signed field. `end`: offset after the last byte that it covers; `vri`: its name in /VRI."""

    number: int
    end: int
    vri: str
    locks_all: bool
    is_timestamp: bool


@dataclass(frozen=True)
class FieldPlan:
    """A signature field. `page`: the number of the page object that shows the field, 0 for none."""

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


class Plan(NamedTuple):
    """`table`: offset of the last cross-reference table; `size`: the next free number; `info`: a reference or empty.

    `fields`: all fields of the form in their order, not only those for signatures; `pages`: those that show signature
    fields, and those that were asked for, by the number of the page object.
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
    form: int  # 0: there is none, or it is in the catalog itself
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


def name_in_store(digits: bytes) -> str:
    """Return the name that a signature has in /VRI: the hash of its digits as written in the file (ISO 32000-2
    12.8.4.4)."""
    return hashlib.sha1(digits, usedforsecurity=False).hexdigest().upper()
