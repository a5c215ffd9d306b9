"""Append the place for a seal to a PDF from an unknown source, and close the file after the seal has signed.

A large file is read in chunks and never held in memory. The functions return the bytes to append.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pikepdf
from pikepdf import PasswordError, PdfError

from hub.content_hash import Sha256State
from hub.documents.pades.cms import signer_template
from hub.documents.pades.earlier_signatures import NO_FORM, FormFacts, read_form_facts
from hub.documents.pades.mapped_file import MappedFile, hash_file, mentions
from hub.documents.pades.new_seal import SealMark, SealToWrite, reserve_seal
from hub.documents.pades.page_frame import frames_of
from hub.documents.pades.picture import Picture
from hub.documents.pades.plan import ALL_PAGES, LAST_PAGE, CannotUpdate, NoSuchPage, Plan, name_in_store
from hub.documents.pades.profile import digits_for
from hub.documents.pades.source import AS_WRITTEN, HYBRID, read_plan
from hub.documents.pades.steps import Reserved, SigningDetails, reserve_timestamp
from hub.documents.sealing.keyword_search import Finding, find_words
from hub.documents.sealing.marks import choose_findings, mark_on_page, marks_across, marks_over
from hub.documents.signing.signature import TIMESTAMP_FIELD, Evidence, filled
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_place import AcrossPages, InField, OnPage, OverKeyword, SealPlace

PDF_HEAD: Final = b"%PDF-"
FIELD_NAME: Final = "Seal"
# Files up to this size are read as a whole, which costs less than mapping them. Larger ones are hashed in chunks.
MAX_HELD_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class PdfOrder:
    """`picture`: a PDF page of the size that the seal is to have; `chain`: DER, the seal's certificate first; `at`: the
    signing time that the file claims."""

    path: Path
    place: SealPlace
    picture: bytes
    chain: tuple[bytes, ...]
    at: datetime


@dataclass(frozen=True)
class PreparedPdfSeal:
    """The bytes to append to a file of `length` bytes, with an empty place for the signature.

    `hashed`: SHA-256 after the file's last byte.
    """

    hashed: Sha256State
    length: int
    reserved: Reserved
    field: str
    timestamp_field: str
    to_be_signed: bytes

    @property
    def gap(self) -> tuple[int, int]:
        """The place for the signature, in the appended bytes."""
        start, end = self.reserved.gap
        return start - self.length, end - self.length

    def close(self, content: bytes, evidence: Evidence) -> tuple[bytes, Reserved]:
        """Return the appended bytes with the signature, followed by the place for a document timestamp (B-LTA)."""
        appended = filled(self.reserved.appended, self.gap, content)
        start, end = self.gap
        value = name_in_store(appended[start + 1 : end - 1].lower())
        plan = self.reserved.plan
        field = plan.signatures[self.field]
        assert field.value is not None
        signed = replace(field, value=replace(field.value, vri=value))
        after = self.hashed.copy()
        after.update(appended)
        known = plan._replace(signatures=plan.signatures | {self.field: signed})
        return appended, reserve_timestamp(after, known, evidence, self.timestamp_field)


def prepare_pdf(order: PdfOrder) -> PreparedPdfSeal:
    """Prepare a seal. Raises CannotSeal."""
    try:
        if order.path.stat().st_size <= MAX_HELD_BYTES:
            pdf = order.path.read_bytes()
            return _prepare(pdf, hashlib.sha256(pdf), order)
        with MappedFile.of(order.path) as mapped:
            return _prepare(mapped, hash_file(order.path), order)
    except NoSuchPage as error:
        raise CannotSeal(SealFault.NO_PAGE) from error
    except CannotUpdate as error:
        raise CannotSeal(_fault(order.path)) from error


def _prepare(pdf: bytes | MappedFile, hashed: Sha256State, order: PdfOrder) -> PreparedPdfSeal:
    digits = digits_for(order.chain)
    if not pdf.startswith(PDF_HEAD):
        raise CannotSeal(SealFault.DAMAGED)
    findings = _findings(order)
    plan = read_plan(pdf, _pages(order.place, findings))
    facts = read_form_facts(pdf) if plan.catalog.keys() & {"/AcroForm", "/Perms"} else NO_FORM
    picture = Picture.read(order.picture, transparent=True)
    seal = _seal(order, plan, facts, (picture.width, picture.height), findings)
    reserved = reserve_seal(hashed, plan, seal, SigningDetails(order.at, picture, digits))
    name = seal.field if isinstance(seal.field, str) else seal.field.entries["/T"][1:-1]
    to_be_signed = signer_template(order.chain).attributes_to_sign(reserved.digest)
    stamp = TIMESTAMP_FIELD if TIMESTAMP_FIELD not in facts.names else facts.unused_name(TIMESTAMP_FIELD)
    return PreparedPdfSeal(hashed, len(pdf), reserved, name, stamp, to_be_signed)


def _findings(order: PdfOrder) -> list[Finding]:
    if not isinstance(order.place, OverKeyword):
        return []
    found = find_words(order.path, order.place.words)
    return [found[number] for number in choose_findings(order.place, len(found))]


def _pages(place: SealPlace, findings: Sequence[Finding]) -> set[int]:
    """Return the pages that the plan has to include."""
    if isinstance(place, OnPage):
        return {LAST_PAGE if place.page is None else place.page - 1}
    return {page for page, _, _ in findings} or {ALL_PAGES}


def _seal(
    order: PdfOrder, plan: Plan, facts: FormFacts, size: tuple[float, float], findings: Sequence[Finding]
) -> SealToWrite:
    if isinstance(order.place, InField):
        field, lock = facts.empty_field(order.place.name)
        return SealToWrite(field, (), lock)
    marks = _marks(order.place, plan, size, findings)
    facts.check_new_field(len(marks))
    return SealToWrite(facts.unused_name(FIELD_NAME), marks)


def _marks(
    place: OnPage | OverKeyword | AcrossPages, plan: Plan, size: tuple[float, float], findings: Sequence[Finding]
) -> tuple[SealMark, ...]:
    frames = frames_of(plan.pages, plan.page_order)
    if isinstance(place, OnPage):
        page = len(plan.page_order) - 1 if place.page is None else place.page - 1
        return mark_on_page(place, size, {page: frames[page]})
    if isinstance(place, OverKeyword):
        spots = [(page, *frames[page].shown(x, y)) for page, x, y in findings]
        return marks_over(spots, size, frames)
    return marks_across(place, size, frames)


def _fault(path: Path) -> SealFault:
    """Return why nothing can be appended to a file."""
    if mentions(path, HYBRID):
        return SealFault.HYBRID
    try:
        with pikepdf.open(path, **AS_WRITTEN) as document:
            if document.is_encrypted:
                return SealFault.ENCRYPTED
            return SealFault.DAMAGED if document.get_warnings() else SealFault.UNSUITABLE
    except PasswordError:
        return SealFault.ENCRYPTED
    except (PdfError, ValueError, OSError):
        return SealFault.DAMAGED
