"""What later revisions need to know of a file: its *plan*, plain data of a few KB. Values are as a PDF writes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

Entries = dict[str, str]  # of a dictionary: the values as they are written in a PDF, as latin-1
NO_CHANGES: Final = 1  # /P of DocMDP and of a field lock (ISO 32000-2 12.8.2.2 and 12.7.5.5)
STORE_LISTS: Final = ("/Certs", "/CRLs", "/OCSPs")


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


def name_in_store(digits: bytes) -> str:
    """Return the name that a signature has in /VRI: its digits are hashed as they stand in the file (ISO 32000-2
    12.8.4.4)."""
    return hashlib.sha1(digits, usedforsecurity=False).hexdigest().upper()
