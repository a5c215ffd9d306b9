"""The objects of a PDF as they were in one of its revisions (ISO 32000-2 7.5.6)."""

from __future__ import annotations

from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, Reference, StreamObject
from pyhanko.pdf_utils.reader import PdfFileReader

Cache = dict[tuple[int, int, object], Any]


class Snapshot:
    """One revision, counted from 0. Objects that did not change are read once for all snapshots (`cache`).

    Always look into containers through these methods: pyHanko's own access follows references to the *last* revision.
    """

    def __init__(self, reader: PdfFileReader, revision: int, cache: Cache) -> None:
        self._reader = reader
        self._revision = revision
        self._cache = cache
        self.trailer: DictionaryObject = reader.trailer.flatten(revision)
        self.root_ref = reference(self.trailer, "/Root")
        self.root = self.dictionary(self.trailer, "/Root")

    def has(self, at: Reference) -> bool:
        return self._place(at) is not None

    def read(self, at: Reference) -> Any:
        """Raises pyHanko's PdfReadError when there is no such object."""
        key = (at.idnum, at.generation, self._place(at))
        if key not in self._cache:
            self._cache[key] = self._reader.get_object(at, revision=self._revision)
        return self._cache[key]

    def follow(self, value: Any) -> Any:
        return self.read(value.reference) if isinstance(value, IndirectObject) else value

    def entry(self, parent: DictionaryObject, name: str) -> Any:
        """The value behind `name`, None when there is none."""
        return self.follow(parent.raw_get(name)) if name in parent else None

    def dictionary(self, parent: DictionaryObject, name: str) -> DictionaryObject:
        """The dictionary behind `name`, an empty one when there is none. Raises TypeError."""
        value = self.entry(parent, name)
        if value is None:
            return generic.DictionaryObject({})
        if not isinstance(value, DictionaryObject):
            raise TypeError(f"{name} is no dictionary")
        return value

    def array(self, parent: DictionaryObject, name: str) -> ArrayObject:
        """The array behind `name`, an empty one when there is none. Raises TypeError."""
        value = self.entry(parent, name)
        if value is None:
            return generic.ArrayObject()
        if not isinstance(value, ArrayObject):
            raise TypeError(f"{name} is no array")
        return value

    def items(self, parent: DictionaryObject, name: str) -> list[Any]:
        """The items of the array behind `name`, references followed."""
        values = self.array(parent, name)
        return [self.follow(values.raw_get(index)) for index in range(len(values))]

    def _place(self, at: Reference) -> object:
        return self._reader.xrefs.get_historical_ref(at, self._revision)


def references(values: ArrayObject) -> list[Reference | None]:
    """What the items refer to; None for one that is no reference."""
    raw = (values.raw_get(index) for index in range(len(values)))
    return [item.reference if isinstance(item, IndirectObject) else None for item in raw]


def reference(parent: DictionaryObject, name: str) -> Reference | None:
    """What the entry refers to; None when it is no reference, or missing."""
    value = parent.raw_get(name) if name in parent else None
    return value.reference if isinstance(value, IndirectObject) else None


def entry_as_written(parent: DictionaryObject, name: str) -> Any:
    """The value of an entry, a reference not followed; None when there is none."""
    return parent.raw_get(name) if name in parent else None


def plain(value: Any) -> Any:
    """Plain data to compare, references left as they are; of a stream its dictionary alone."""
    if isinstance(value, DictionaryObject):
        return {str(name): plain(value.raw_get(name)) for name in value}
    if isinstance(value, ArrayObject):
        return [plain(value.raw_get(index)) for index in range(len(value))]
    return value


def same(old: Any, new: Any) -> bool:
    """Equal in every entry and, for streams, every byte."""
    if old is new:
        return True
    if type(old) is not type(new) or plain(old) != plain(new):
        return False
    return not isinstance(old, StreamObject) or bool(old.encoded_data == new.encoded_data)


def changed_entries(old: DictionaryObject, new: DictionaryObject) -> set[str]:
    before, after = plain(old), plain(new)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
