"""What each revision after the first signature changed; only signatures, their evidence and timestamps may be added.

A PDF grows by revisions, each of which may replace any object of those before it. New objects do no harm unless an old
one refers to them, so it is enough to look at every replaced object and to allow, for the few kinds that signing has to
touch, the few entries that it has to touch. This is stricter than the usual difference analysis, which lets form fields
be filled in (some published attacks pass as that). Sources: ISO 32000-2 7.5.6, 12.7, 12.8; ETSI EN 319 142-1 5.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, Reference, StreamObject

from qianda.verify import reasons
from qianda.verify.findings import Element, Finding
from qianda.verify.objects import Snapshot, changed_entries, plain, reference, references, same
from qianda.verify.signed_file import SignedFile

_CATALOG_ENTRIES = {"/DSS", "/Extensions", "/Version", "/Perms", "/Metadata", "/AcroForm"}
_FORM_ENTRIES = {"/Fields", "/SigFlags"}
_FIELD_ENTRIES = {"/V", "/AP"}
_INFO_ENTRIES = {"/ModDate", "/Producer"}
_DSS_ENTRIES = {"/Type", "/Certs", "/CRLs", "/OCSPs", "/VRI"}
_SIGNATURE_HASH = re.compile(r"/[0-9A-F]{40}")  # the name of an entry of /VRI


class _Change(Exception):
    """Something that signing does not do; the message names it."""


def changes_beyond_signatures(file: SignedFile, base: int) -> Iterator[Finding]:
    """One finding for each revision after `base` (counted from 0) that changed more than signing has to."""
    for revision in range(base + 1, file.revisions):
        try:
            _check_revision(file, revision)
        except _Change as change:
            reason = reasons.REVISION_CHANGED.about(revision=revision + 1, what=str(change))
            yield Finding(Element.TEXT, reason)


def page_widgets(document: Snapshot) -> set[Reference | None]:
    """The form fields that stand on pages; one that is no object of its own counts as None."""
    found: set[Reference | None] = set()
    for page in pages(document):
        annotations = document.array(document.read(page), "/Annots")
        for index, at in enumerate(references(annotations)):
            annotation = document.follow(annotations.raw_get(index))
            if document.entry(annotation, "/Subtype") == "/Widget":
                found.add(at)
    return found


def pages(document: Snapshot) -> Iterator[Reference]:
    """The pages, from the tree in the catalog; every node is visited once at most."""
    waiting, seen = [reference(document.root, "/Pages")], set[Reference]()
    while waiting:
        at = waiting.pop()
        if at is None or at in seen:
            continue
        seen.add(at)
        node = document.read(at)
        if "/Kids" in node:
            waiting.extend(references(document.array(node, "/Kids")))
        else:
            yield at


def _check_revision(file: SignedFile, revision: int) -> None:
    step = _Step(file.at(revision - 1), file.at(revision))
    if step.before.root_ref != step.after.root_ref:
        raise _Change("/Root")
    freed = file.reader.xrefs.get_xref_data(revision).freed.items()
    for number, generation in freed:
        if any(step.before.has(Reference(number, before)) for before in range(max(generation, 1))):
            raise _Change("deleted objects")
    for at in file.reader.xrefs.explicit_refs_in_revision(revision):
        if step.before.has(at):
            old, new = step.before.read(at), step.after.read(at)
            if not same(old, new):
                step.check(at, old, new)


@dataclass(frozen=True)
class _Step:
    """From one revision to the next."""

    before: Snapshot
    after: Snapshot

    def check(self, at: Reference, old: Any, new: Any) -> None:
        """Raise _Change unless the object `at` was replaced as signing has to."""
        if isinstance(old, StreamObject) and isinstance(new, StreamObject):
            if not (self._is_metadata(old, self.before) and self._is_metadata(new, self.after)):
                raise _Change(f"object {at.idnum}")
        elif isinstance(old, ArrayObject) and isinstance(new, ArrayObject):
            self._check_array(at, old, new)
        elif isinstance(old, DictionaryObject) and isinstance(new, DictionaryObject) and type(old) is type(new):
            self._check_dictionary(at, old, new)
        else:
            raise _Change(f"object {at.idnum}")

    def _check_dictionary(self, at: Reference, old: DictionaryObject, new: DictionaryObject) -> None:
        changed = changed_entries(old, new)
        if at == self.before.root_ref:
            self._check_catalog(changed)
        elif at == reference(self.before.root, "/AcroForm"):
            self._check_form(old, new)
        elif at in references(self.before.array(self._form(), "/Fields")):
            self._check_field(changed, old)
        elif at == reference(self.before.trailer, "/Info"):
            _allow(changed, _INFO_ENTRIES, "document information")
        elif self.before.entry(old, "/Type") == "/Page":
            _allow(changed, {"/Annots"}, "a page")
            self._check_added(self.before.array(old, "/Annots"), self.after.array(new, "/Annots"))
        elif not self._is_evidence(at, old, new):
            raise _Change(f"object {at.idnum}")

    def _check_catalog(self, changed: set[str]) -> None:
        old, new = self.before.root, self.after.root
        _allow(changed, _CATALOG_ENTRIES, "the catalog")
        if "/Perms" in changed and ("/Perms" in old or set(self.after.dictionary(new, "/Perms")) != {"/DocMDP"}):
            raise _Change("/Perms")
        if "/Metadata" in changed and not self._is_metadata(self.after.entry(new, "/Metadata"), self.after):
            raise _Change("/Metadata")
        if "/AcroForm" in changed:
            if reference(old, "/AcroForm") or reference(new, "/AcroForm"):
                raise _Change("/AcroForm")
            self._check_form(self._form(), self.after.dictionary(new, "/AcroForm"))

    def _check_form(self, old: DictionaryObject, new: DictionaryObject) -> None:
        _allow(changed_entries(old, new), _FORM_ENTRIES, "the form")
        self._check_added(self.before.array(old, "/Fields"), self.after.array(new, "/Fields"))

    def _check_field(self, changed: set[str], old: DictionaryObject) -> None:
        """A signature field gets its signature, once, and the picture of it in the place it had from the start."""
        _allow(changed, _FIELD_ENTRIES, "a form field")
        if self.before.entry(old, "/FT") != "/Sig" or "/V" in old:
            raise _Change("a form field")

    def _check_array(self, at: Reference, old: ArrayObject, new: ArrayObject) -> None:
        """Lists of fields, annotations or evidence, when they are objects of their own."""
        annotated = [reference(self.before.read(page), "/Annots") for page in pages(self.before)]
        if at in (reference(self._form(), "/Fields"), *annotated):
            self._check_added(old, new)
        elif not self._is_evidence(at, old, new):
            raise _Change(f"object {at.idnum}")

    def _check_added(self, old: ArrayObject, new: ArrayObject) -> None:
        """Only the invisible fields of document timestamps may be added, behind what was there."""
        items_before, items_after = plain(old), plain(new)
        if items_after[: len(items_before)] != items_before:
            raise _Change("a field or annotation was removed or replaced")
        for item in items_after[len(items_before) :]:
            if not isinstance(item, IndirectObject) or self.before.has(item.reference):
                raise _Change("a field or annotation was added")
            if not self._is_timestamp_field(self.after.follow(item)):
                raise _Change("a field or annotation was added")

    def _is_timestamp_field(self, field: Any) -> bool:
        if not isinstance(field, DictionaryObject) or "/AP" in field or "/Kids" in field:
            return False
        if plain(self.after.array(field, "/Rect")) not in ([], [0, 0, 0, 0]):
            return False
        value = self.after.dictionary(field, "/V")
        return bool(self.after.entry(field, "/FT") == "/Sig" and self.after.entry(value, "/Type") == "/DocTimeStamp")

    def _is_evidence(self, at: Reference, old: Any, new: Any) -> bool:
        """The document security store and its lists; what they hold is limited, as they could name any object."""
        store = self.before.dictionary(self.before.root, "/DSS")
        if at == reference(self.before.root, "/DSS"):
            return set(new) | set(old) <= _DSS_ENTRIES
        if at == reference(store, "/VRI"):
            return all(_SIGNATURE_HASH.fullmatch(name) for name in set(old) | set(new))
        lists = [reference(store, name) for name in ("/Certs", "/CRLs", "/OCSPs")]
        return at in lists and None not in references(old) + references(new)

    def _form(self) -> DictionaryObject:
        return self.before.dictionary(self.before.root, "/AcroForm")

    @staticmethod
    def _is_metadata(value: Any, document: Snapshot) -> bool:
        if not isinstance(value, StreamObject):
            return False
        return bool((document.entry(value, "/Type"), document.entry(value, "/Subtype")) == ("/Metadata", "/XML"))


def _allow(changed: set[str], allowed: set[str], where: str) -> None:
    if not changed <= allowed:
        raise _Change(f"{where}: {', '.join(sorted(changed - allowed))}")
