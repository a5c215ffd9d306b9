"""From one revision to the next: whether the replaced objects are those of a signature, of evidence, of a timestamp.

What an object *is* follows from where the document refers to it, never from what it says of itself, and it must not be
referred to from anywhere else: metadata may be a page's content as well. Sources: ISO 32000-2 7.5.5, 12.5.5, 12.7.5.5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, Reference, StreamObject

from qianda.verify.mentions import Mentions, mentioned
from qianda.verify.objects import Snapshot, changed_entries, entry_as_written, plain, reference, references
from qianda.verify.pages import pages
from qianda.verify.signing import NotSigning, allow, check_box, check_picture, check_signature, is_timestamp_field

Replaced = tuple[Reference, Any, Any]  # an object, before and after

_CATALOG_ENTRIES = {"/DSS", "/Extensions", "/Version", "/Perms", "/Metadata", "/AcroForm"}
_INFO_ENTRIES = ("/ModDate", "/Producer")
_DSS_ENTRIES = {"/Type", "/Certs", "/CRLs", "/OCSPs", "/VRI"}
_SIGNATURE_HASH = re.compile(r"/[0-9A-F]{40}")  # the name of an entry of /VRI


class Step:
    """`mentions` are those of the revision before."""

    def __init__(self, before: Snapshot, after: Snapshot, mentions: Mentions) -> None:
        self.before = before
        self.after = after
        self.mentions = mentions
        self.form = before.dictionary(before.root, "/AcroForm")
        self.store = before.dictionary(before.root, "/DSS")
        self.fields = references(before.array(self.form, "/Fields"))
        self.annotated = list(pages(before))
        self.signature: Reference | None = None  # the one that was added, once its field was found

    def check(self, replaced: Sequence[Replaced]) -> None:
        """Raise NotSigning unless these objects were replaced as signing has to."""
        allow(changed_entries(self.before.trailer, self.after.trailer), {"/Size", "/Prev", "/ID"}, "the trailer")
        signed = [each for each in replaced if each[0] in self.fields]
        if len(signed) > 1:
            raise NotSigning("more than one field was signed")
        for at, old, new in signed:
            self._check_field(at, old, new)
        for at, old, new in replaced:
            if at not in self.fields:
                self._check(at, old, new)

    def _check(self, at: Reference, old: Any, new: Any) -> None:
        if type(old) is not type(new):
            raise NotSigning(f"object {at.idnum}")
        if isinstance(old, StreamObject):
            self._check_metadata(at, old, new)
        elif isinstance(old, ArrayObject):
            self._check_array(at, old, new)
        elif isinstance(old, DictionaryObject):
            self._check_dictionary(at, old, new)
        else:
            raise NotSigning(f"object {at.idnum}")

    def _check_metadata(self, at: Reference, old: StreamObject, new: StreamObject) -> None:
        if not (self._is_only(self.before.root, "/Metadata", at) and _is_metadata(old) and _is_metadata(new)):
            raise NotSigning(f"object {at.idnum}")

    def _check_dictionary(self, at: Reference, old: DictionaryObject, new: DictionaryObject) -> None:
        if at == self.before.root_ref:
            self._check_catalog()
        elif self._is_only(self.before.root, "/AcroForm", at):
            self._check_form(old, new)
        elif self._is_only(self.before.trailer, "/Info", at):
            allow(changed_entries(old, new), set(_INFO_ENTRIES), "document information")
            if any(
                isinstance(entry_as_written(new, name), DictionaryObject | ArrayObject | IndirectObject)
                for name in _INFO_ENTRIES
            ):
                raise NotSigning("document information")
        elif at in self.annotated:
            allow(changed_entries(old, new), {"/Annots"}, "a page")
            self._check_added(self.before.array(old, "/Annots"), self.after.array(new, "/Annots"))
        elif not self._is_evidence(at, old, new):
            raise NotSigning(f"object {at.idnum}")

    def _check_catalog(self) -> None:
        old, new = self.before.root, self.after.root
        changed = changed_entries(old, new)
        allow(changed, _CATALOG_ENTRIES, "the catalog")
        if self.mentions.of(self.before.root_ref) != 1 + self._limits_of_signatures():
            raise NotSigning("the catalog is something else as well")
        if "/Version" in changed and entry_as_written(new, "/Version") != "/2.0":
            raise NotSigning("/Version")
        if "/Extensions" in changed and any(mentioned(entry_as_written(new, "/Extensions"))):
            raise NotSigning("/Extensions")
        if "/Perms" in changed and ("/Perms" in old or not self._limits_changes(new)):
            raise NotSigning("/Perms")
        if "/Metadata" in changed and ("/Metadata" in old or not _is_metadata(self._new(new, "/Metadata"))):
            raise NotSigning("/Metadata")
        if "/DSS" in changed and ("/DSS" in old or not set(self._new(new, "/DSS")) <= _DSS_ENTRIES):
            raise NotSigning("/DSS")
        if "/AcroForm" in changed:
            if reference(old, "/AcroForm") or reference(new, "/AcroForm"):
                raise NotSigning("/AcroForm")
            self._check_form(self.form, self.after.dictionary(new, "/AcroForm"))

    def _limits_changes(self, catalog: DictionaryObject) -> bool:
        permissions = entry_as_written(catalog, "/Perms")
        if not isinstance(permissions, DictionaryObject) or self.signature is None:
            return False
        return set(permissions) == {"/DocMDP"} and reference(permissions, "/DocMDP") == self.signature

    def _limits_of_signatures(self) -> int:
        """How often signatures refer to the catalog as that to which their limits apply. No other way counts: what only
        looks like a signature could use it as a resource.
        """
        values = [self.before.dictionary(self.before.read(at), "/V") for at in self.fields if at]
        limits = [limit for value in values for limit in _written_list(value, "/Reference")]
        return sum(
            reference(limit, "/Data") == self.before.root_ref for limit in limits if isinstance(limit, DictionaryObject)
        )

    def _check_form(self, old: DictionaryObject, new: DictionaryObject) -> None:
        allow(changed_entries(old, new), {"/Fields", "/SigFlags"}, "the form")
        if not isinstance(entry_as_written(new, "/SigFlags"), int):
            raise NotSigning("/SigFlags")
        self._check_added(self.before.array(old, "/Fields"), self.after.array(new, "/Fields"))

    def _check_field(self, at: Reference, old: DictionaryObject, new: DictionaryObject) -> None:
        """A signature field gets its signature, once, and the picture of it in the one place it had from the start."""
        changed = changed_entries(old, new)
        allow(changed, {"/V", "/AP"}, "a form field")
        if self.before.entry(old, "/FT") != "/Sig" or "/V" in old:
            raise NotSigning("a form field")
        annotations = [references(self.before.array(self.before.read(page), "/Annots")) for page in self.annotated]
        if (self.fields.count(at), sum(each.count(at) for each in annotations), self.mentions.of(at)) != (1, 1, 2):
            raise NotSigning("a form field that shows in more than one place")
        check_box(self.before.items(old, "/Rect"))
        check_signature(self._new(new, "/V"), "/Sig", self.before.root_ref)
        self.signature = reference(new, "/V")
        if "/AP" in changed:
            pictures = entry_as_written(new, "/AP")
            if not isinstance(pictures, DictionaryObject) or set(pictures) != {"/N"}:
                raise NotSigning("/AP")
            check_picture(self._new(pictures, "/N"), self.after)

    def _check_array(self, at: Reference, old: ArrayObject, new: ArrayObject) -> None:
        """Lists of fields, annotations or evidence, when they are objects of their own."""
        lists = [(self.form, "/Fields"), *((self.before.read(page), "/Annots") for page in self.annotated)]
        if any(self._is_only(parent, name, at) for parent, name in lists):
            self._check_added(old, new)
        elif not self._is_evidence(at, old, new):
            raise NotSigning(f"object {at.idnum}")

    def _check_added(self, old: ArrayObject, new: ArrayObject) -> None:
        """Only the invisible fields of document timestamps may be added, behind what was there."""
        items_before, items_after = plain(old), plain(new)
        if items_after[: len(items_before)] != items_before:
            raise NotSigning("a field or annotation was removed or replaced")
        for item in items_after[len(items_before) :]:
            if not isinstance(item, IndirectObject) or item.reference in self.mentions.live:
                raise NotSigning("a field or annotation was added")
            field = self.after.follow(item)
            if not is_timestamp_field(field, self.after):
                raise NotSigning("a field or annotation was added")
            check_signature(self._new(field, "/V"), "/DocTimeStamp", self.before.root_ref)

    def _is_evidence(self, at: Reference, old: Any, new: Any) -> bool:
        """The document security store and its lists; what they hold is limited, as they could name any object."""
        if self._is_only(self.before.root, "/DSS", at):
            return set(new) | set(old) <= _DSS_ENTRIES
        if self._is_only(self.store, "/VRI", at):
            return all(_SIGNATURE_HASH.fullmatch(name) is not None for name in set(old) | set(new))
        lists = any(self._is_only(self.store, name, at) for name in ("/Certs", "/CRLs", "/OCSPs"))
        return lists and None not in references(old) + references(new)

    def _is_only(self, parent: DictionaryObject, name: str, at: Reference) -> bool:
        """Whether this entry refers to the object, and nothing else does."""
        return at == reference(parent, name) and self.mentions.of(at) == 1

    def _new(self, parent: DictionaryObject, name: str) -> Any:
        """What the entry refers to; it must be an object of the new revision's own."""
        at = reference(parent, name)
        if at is None or at in self.mentions.live:
            raise NotSigning(f"{name} is no new object")
        return self.after.read(at)


def _written_list(parent: DictionaryObject, name: str) -> list[Any]:
    """The list as it stands in the dictionary itself; nothing when it is somewhere else."""
    value = entry_as_written(parent, name)
    return [value.raw_get(at) for at in range(len(value))] if isinstance(value, ArrayObject) else []


def _is_metadata(value: Any) -> bool:
    if not isinstance(value, StreamObject) or not {"/Type", "/Subtype"} <= set(value):
        return False
    return bool((value.raw_get("/Type"), value.raw_get("/Subtype")) == ("/Metadata", "/XML"))
