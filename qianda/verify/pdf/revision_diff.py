"""Compare a revision with the one before: only what a signature, evidence or a timestamp has to replace may differ.

What an object *is* follows from where the document refers to it, never from what it says about itself. There must be no
other reference to it, because metadata, for example, could also be a page's content. Sources: ISO 32000-2 7.5.5,
12.5.5, 12.7.5.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from qianda.pdf import Reference, Stream, Value, is_equal
from qianda.verify.pdf.back_references import BackReferences, referred
from qianda.verify.pdf.document import Document, Entries, as_dictionary, changed_entries, reference, references
from qianda.verify.pdf.pages import pages
from qianda.verify.pdf.signature_objects import (
    NotSigning,
    allow,
    check_apart,
    check_box,
    check_picture,
    check_signature,
    check_was_empty,
    is_timestamp_field,
    written_list,
)

_CATALOG_ENTRIES = {"/DSS", "/Extensions", "/Version", "/Perms", "/Metadata", "/AcroForm"}
_INFO_ENTRIES = ("/ModDate", "/Producer")
_DSS_ENTRIES = {"/Type", "/Certs", "/CRLs", "/OCSPs", "/VRI"}
_SIGNATURE_HASH = re.compile(r"/[0-9A-F]{40}")  # the name of an entry of /VRI


class RevisionDiff:
    """One revision and its predecessor. `back_references`: those of the predecessor."""

    def __init__(self, before: Document, after: Document, back_references: BackReferences) -> None:
        self.before = before
        self.after = after
        self.back_references = back_references
        self.form = before.dictionary(before.root, "/AcroForm")
        self.store = before.dictionary(before.root, "/DSS")
        self.fields = references(before.array(self.form, "/Fields"))
        self.pages = list(pages(before))
        self.signature: int | None = None  # object number of the added signature, once its field was found

    def check(self, written: Sequence[int]) -> None:
        """Check the objects that the revision replaces. Raises NotSigning for any change that signing does not need."""
        allow(changed_entries(self.before.trailer, self.after.trailer), {"/Size", "/Prev", "/ID"}, "the trailer")
        identity = written_list(self.before.trailer, "/ID")[:1]
        if identity and not is_equal(identity, written_list(self.after.trailer, "/ID")[:1]):
            raise NotSigning("the file has another identity")
        replaced = [
            (number, self.before.read(number), self.after.read(number))
            for number in written
            if number in self.back_references.known and not is_equal(self.before.read(number), self.after.read(number))
        ]
        signed = [change for change in replaced if change[0] in self.fields]
        if len(signed) > 1:
            raise NotSigning("more than one field was signed")
        for change in signed:
            self._check_field(*change)
        for change in replaced:
            if change[0] not in self.fields:
                self._check_object(*change)

    def _check_object(self, number: int, old: Value, new: Value) -> None:
        if isinstance(old, Stream) and isinstance(new, Stream):
            self._check_metadata(number, old, new)
        elif isinstance(old, list) and isinstance(new, list):
            self._check_array(number, old, new)
        elif isinstance(old, dict) and isinstance(new, dict):
            self._check_dictionary(number, old, new)
        else:
            raise NotSigning(f"object {number}")

    def _check_metadata(self, number: int, old: Stream, new: Stream) -> None:
        if not (self._is_only(self.before.root, "/Metadata", number) and _is_metadata(old) and _is_metadata(new)):
            raise NotSigning(f"object {number}")

    def _check_dictionary(self, number: int, old: Entries, new: Entries) -> None:
        if number == self.before.root_number:
            self._check_catalog()
        elif self._is_only(self.before.root, "/AcroForm", number):
            self._check_form(old, new)
        elif self._is_only(self.before.trailer, "/Info", number):
            allow(changed_entries(old, new), set(_INFO_ENTRIES), "document information")
            if any(isinstance(new.get(name), dict | list | Reference) for name in _INFO_ENTRIES):
                raise NotSigning("document information")
        elif number in self.pages:
            allow(changed_entries(old, new), {"/Annots"}, "a page")
            self._check_added(self.before.array(old, "/Annots"), self.after.array(new, "/Annots"))
        elif not self._is_evidence(number, old, new):
            raise NotSigning(f"object {number}")

    def _check_catalog(self) -> None:
        old, new = self.before.root, self.after.root
        changed = changed_entries(old, new)
        allow(changed, _CATALOG_ENTRIES, "the catalog")
        if self.back_references.count(self.before.root_number) != 1 + self._limits_of_signatures():
            raise NotSigning("the catalog is something else as well")
        if "/Version" in changed and new.get("/Version") != "/2.0":
            raise NotSigning("/Version")
        if "/Extensions" in changed and any(referred(new.get("/Extensions"))):
            raise NotSigning("/Extensions")
        if "/Perms" in changed and ("/Perms" in old or not self._limits_changes(new)):
            raise NotSigning("/Perms")
        if "/Metadata" in changed and ("/Metadata" in old or not _is_metadata(self._new(new, "/Metadata"))):
            raise NotSigning("/Metadata")
        if "/DSS" in changed and ("/DSS" in old or not self._is_store(self._new(new, "/DSS"))):
            raise NotSigning("/DSS")
        if "/AcroForm" in changed:
            if reference(old, "/AcroForm") or reference(new, "/AcroForm"):
                raise NotSigning("/AcroForm")
            self._check_form(self.form, self.after.dictionary(new, "/AcroForm"))

    def _limits_changes(self, catalog: Entries) -> bool:
        permissions = catalog.get("/Perms")
        if not isinstance(permissions, dict) or self.signature is None:
            return False
        return set(permissions) == {"/DocMDP"} and reference(permissions, "/DocMDP") == self.signature

    def _limits_of_signatures(self) -> int:
        """Count how often signatures refer to the catalog as the object to which their limits apply.

        References of other objects are not counted: an object that only looks like a signature could use the catalog as
        a resource.
        """
        numbers = [number for number in self.fields if number is not None]
        fields = [as_dictionary(self.before.read(number), "a form field") for number in numbers]
        # An object may be the value of two fields, but refers to the catalog once.
        values = {id(value): value for field in fields if (value := self.before.dictionary(field, "/V"))}
        limits = [limit for value in values.values() for limit in written_list(value, "/Reference")]
        return sum(reference(limit, "/Data") == self.before.root_number for limit in limits if isinstance(limit, dict))

    def _check_form(self, old: Entries, new: Entries) -> None:
        allow(changed_entries(old, new), {"/Fields", "/SigFlags"}, "the form")
        if type(new.get("/SigFlags")) is not int:
            raise NotSigning("/SigFlags")
        self._check_added(self.before.array(old, "/Fields"), self.after.array(new, "/Fields"))

    def _check_field(self, number: int, old: Value, new: Value) -> None:
        """Check a replaced signature field: it gets its signature, once, and a picture of it in the field's original
        place.

        Raises NotSigning.
        """
        old, new = as_dictionary(old, "a form field"), as_dictionary(new, "a form field")
        changed = changed_entries(old, new)
        allow(changed, {"/V", "/AP"}, "a form field")
        if self.before.entry(old, "/FT") != "/Sig" or "/V" in old:
            raise NotSigning("a form field")
        if self._places(number) != (1, 1, 2):
            raise NotSigning("a form field that shows in more than one place")
        check_box(self.before.items(old, "/Rect"))
        check_apart(self.before.items(old, "/Rect"), self._rectangles_beside(number))
        check_was_empty(old, self.before)
        check_signature(self._new(new, "/V"), "/Sig", self.before.root_number)
        self.signature = reference(new, "/V")
        if "/AP" in changed:
            pictures = new.get("/AP")
            if not isinstance(pictures, dict) or set(pictures) != {"/N"}:
                raise NotSigning("/AP")
            check_picture(self._new(pictures, "/N"), self.after)

    def _places(self, number: int) -> tuple[int, int, int]:
        """Return how often the form lists the field, how often pages do, and how often anything refers to it."""
        listed = [
            references(self.before.array(as_dictionary(self.before.read(page), "a page"), "/Annots"))
            for page in self.pages
        ]
        on_pages = sum(annotations.count(number) for annotations in listed)
        return self.fields.count(number), on_pages, self.back_references.count(number)

    def _rectangles_beside(self, number: int) -> Iterator[list[Value]]:
        """Yield the rectangles of the other fields on the page of this one."""
        for page in self.pages:
            shown = references(self.before.array(as_dictionary(self.before.read(page), "a page"), "/Annots"))
            for other in shown if number in shown else []:
                if other is not None and other != number and other in self.fields:
                    yield self.before.items(as_dictionary(self.before.read(other), "a form field"), "/Rect")

    def _check_array(self, number: int, old: list[Value], new: list[Value]) -> None:
        """Check a replaced list of fields, annotations or evidence that is an object of its own. Raises NotSigning."""
        lists = [(self.form, "/Fields")]
        lists += [(as_dictionary(self.before.read(page), "a page"), "/Annots") for page in self.pages]
        if any(self._is_only(parent, name, number) for parent, name in lists):
            self._check_added(old, new)
        elif not self._is_evidence(number, old, new):
            raise NotSigning(f"object {number}")

    def _check_added(self, old: list[Value], new: list[Value]) -> None:
        """Check that only invisible fields of document timestamps were added, at the end. Raises NotSigning."""
        if not is_equal(new[: len(old)], old):
            raise NotSigning("a field or annotation was removed or replaced")
        for item in new[len(old) :]:
            if not isinstance(item, Reference) or item.number in self.back_references.known:
                raise NotSigning("a field or annotation was added")
            field = self.after.follow(item)
            if not is_timestamp_field(field, self.after):
                raise NotSigning("a field or annotation was added")
            value = self._new(as_dictionary(field, "a form field"), "/V")
            check_signature(value, "/DocTimeStamp", self.before.root_number)

    def _is_evidence(self, number: int, old: Value, new: Value) -> bool:
        """Return whether the object is the document security store or one of its lists, and has only allowed entries.

        The entries are limited because they could name any object.
        """
        if isinstance(old, dict) and isinstance(new, dict):
            if self._is_only(self.before.root, "/DSS", number):
                return self._is_store(old) and self._is_store(new)
            if self._is_only(self.store, "/VRI", number):
                return all(_SIGNATURE_HASH.fullmatch(name) is not None for name in set(old) | set(new))
        if isinstance(old, list) and isinstance(new, list):
            listed = any(self._is_only(self.store, name, number) for name in ("/Certs", "/CRLs", "/OCSPs"))
            return listed and None not in references(old) + references(new)
        return False

    def _is_store(self, value: Value) -> bool:
        return isinstance(value, dict) and set(value) <= _DSS_ENTRIES

    def _is_only(self, parent: Entries, name: str, number: int) -> bool:
        """Return whether this entry is the only reference to the object."""
        return number == reference(parent, name) and self.back_references.count(number) == 1

    def _new(self, parent: Entries, name: str) -> Value:
        """Return the object that the entry refers to. Raises NotSigning unless the new revision added that object."""
        number = reference(parent, name)
        if number is None or number in self.back_references.known:
            raise NotSigning(f"{name} is not a new object")
        return self.after.read(number)


def _is_metadata(value: Value) -> bool:
    if not isinstance(value, Stream):
        return False
    return (value.entries.get("/Type"), value.entries.get("/Subtype")) == ("/Metadata", "/XML")
