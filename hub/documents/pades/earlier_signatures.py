"""Refuse a further seal in a foreign file whose signatures or form forbid it.

Sources: ISO 32000-2, 12.8.2.2 (DocMDP), 12.8.2.4 (FieldMDP), 12.7.5.5 (signature fields, locks, seed values); ETSI EN
319 142-1. A certification allows existing fields to be signed, but no new ones to be added.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pikepdf
from pikepdf import Array, Dictionary, Object, PdfError

from hub.documents.pades.mapped_file import MappedFile
from hub.documents.pades.plan import NO_CHANGES, CannotUpdate, FieldPlan
from hub.documents.pades.source import AS_WRITTEN, entries_of, own_number, written
from hub.model.sealing.seal_fault import CannotSeal, SealFault

MAX_FIELDS: Final = 20_000
MAX_FIELD_DEPTH: Final = 30


@dataclass(frozen=True)
class _Lock:
    """Which fields a signature locks (ISO 32000-2, table 256): all, the listed ones, or all but the listed ones."""

    action: str
    fields: frozenset[str]
    closes_file: bool

    def locks(self, name: str | None) -> bool:
        """Return whether a field may no longer change. `name`: None for a field that does not exist yet."""
        if self.closes_file or self.action == "/All":
            return True
        return (name in self.fields) == (self.action == "/Include")


@dataclass(frozen=True)
class FormFacts:
    """The facts from a file's form and signatures. `names`: of all fields; `signed`: somebody has signed already;
    `certified`: what a certification allows (1 to 3), 0 without one."""

    names: frozenset[str]
    signed: bool
    certified: int
    locks: tuple[_Lock, ...]
    empty_fields: dict[str, FieldPlan]
    field_locks: dict[str, str]
    demanding: frozenset[str]

    def check_new_field(self, marks: int) -> None:
        """Raise CannotSeal unless a new field may be shown in this many places."""
        if self.certified == NO_CHANGES or any(lock.locks(None) for lock in self.locks):
            raise CannotSeal(SealFault.LOCKED)
        if self.certified:
            raise CannotSeal(SealFault.CERTIFIED)
        if self.signed and marks > 1:
            raise CannotSeal(SealFault.SIGNED_ALREADY)

    def empty_field(self, name: str) -> tuple[FieldPlan, str]:
        """Return a field that may be signed, and what its lock demands as /Reference. Raises CannotSeal."""
        if name not in self.names:
            raise CannotSeal(SealFault.NO_FIELD)
        if name not in self.empty_fields:
            raise CannotSeal(SealFault.FIELD_NOT_EMPTY)
        if self.certified == NO_CHANGES or any(lock.locks(name) for lock in self.locks):
            raise CannotSeal(SealFault.LOCKED)
        if name in self.demanding:
            raise CannotSeal(SealFault.FIELD_DEMANDS)
        return self.empty_fields[name], self.field_locks.get(name, "")

    def unused_name(self, beginning: str) -> str:
        """Return a name for a new field, beginning with `beginning`, that no field of the file has."""
        number = 1
        while f"{beginning}-{number}" in self.names:
            number += 1
        return f"{beginning}-{number}"


NO_FORM: Final = FormFacts(frozenset(), False, 0, (), {}, {}, frozenset())


def read_form_facts(pdf: bytes | MappedFile) -> FormFacts:
    """Read the form and the signatures of a file. Raises CannotUpdate, and CannotSeal for an XFA form."""
    try:
        source = pdf.path if isinstance(pdf, MappedFile) else io.BytesIO(pdf)
        with pikepdf.open(source, **AS_WRITTEN) as document:
            return _facts(document.Root)
    except CannotUpdate:
        raise
    except (PdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise CannotUpdate(f"{type(error).__name__}: {error}") from error


def _facts(root: Object) -> FormFacts:
    form = root.get("/AcroForm")
    if form is not None and "/XFA" in form:
        raise CannotSeal(SealFault.XFA_FORM)
    fields = list(_fields(form.get("/Fields", Array()), "", 0)) if form is not None else []
    if len(fields) > MAX_FIELDS:
        raise CannotUpdate("its form has too many fields")
    signatures = [(name, field) for name, field in fields if _kind(field) == "/Sig"]
    signed = [field["/V"] for _, field in signatures if "/V" in field]
    empty = {name: field for name, field in signatures if "/V" not in field and "/Kids" not in field}
    locks = [_lock(limit) for value in signed for limit in _field_limits(value)]
    if any("/ByteRange" not in value for value in signed):
        raise CannotUpdate("one of its signatures does not say what it covers")
    return FormFacts(
        names=frozenset(name for name, _ in fields),
        signed=any(value.get("/Type") != "/DocTimeStamp" for value in signed),
        certified=_certification(root),
        locks=tuple(locks),
        empty_fields={name: _plan(field) for name, field in empty.items()},
        field_locks={name: _reference(field["/Lock"], root) for name, field in empty.items() if "/Lock" in field},
        demanding=frozenset(name for name, field in empty.items() if int(field.get("/SV", Dictionary()).get("/Ff", 0))),
    )


def _fields(listed: Object, above: str, depth: int) -> Iterator[tuple[str, Object]]:
    """Yield all fields with their full names."""
    if depth > MAX_FIELD_DEPTH:
        raise CannotUpdate("its form is too deep")
    for field in listed:
        part = str(field["/T"]) if "/T" in field else ""
        name = ".".join(filter(None, (above, part)))
        yield name, field
        kids = field.get("/Kids", Array())
        if any("/T" in kid for kid in kids):
            yield from _fields(kids, name, depth + 1)


def _kind(field: Object) -> str:
    """Return the type of a field, which may be inherited from the field above it."""
    node: Object | None = field
    for _ in range(MAX_FIELD_DEPTH):
        if node is None:
            break
        if "/FT" in node:
            return str(node["/FT"])
        node = node.get("/Parent")
    return ""


def _certification(root: Object) -> int:
    value = root.get("/Perms", Dictionary()).get("/DocMDP")
    if value is None:
        return 0
    for limit in value.get("/Reference", Array()):
        if limit.get("/TransformMethod") == "/DocMDP":
            return int(limit.get("/TransformParams", Dictionary()).get("/P", 2))
    return 2


def _field_limits(value: Object) -> list[Object]:
    limits = value.get("/Reference", Array())
    return [each["/TransformParams"] for each in limits if each.get("/TransformMethod") == "/FieldMDP"]


def _lock(parameters: Object) -> _Lock:
    names = frozenset(str(name) for name in parameters.get("/Fields", Array()))
    return _Lock(str(parameters.get("/Action", "/All")), names, parameters.get("/P") == NO_CHANGES)


def _reference(lock: Object, root: Object) -> str:
    """Return the /Reference that the value of a field with a lock needs."""
    taken = {name: written(lock[name]) for name in ("/Action", "/Fields", "/P") if name in lock}
    parameters = " ".join(f"{name} {value}" for name, value in sorted(taken.items()))
    return (
        "[<</Type /SigRef\n/TransformMethod /FieldMDP\n"
        f"/Data {own_number(root)} 0 R\n/TransformParams <</Type /TransformParams\n/V /1.2\n{parameters}>>>>]"
    )


def _plan(field: Object) -> FieldPlan:
    page = field.get("/P")
    return FieldPlan(own_number(field), entries_of(field), own_number(page) if page is not None else 0)
