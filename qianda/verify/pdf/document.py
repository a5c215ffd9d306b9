"""A PDF document as it was in one of its revisions (ISO 32000-2 7.5.6)."""

from __future__ import annotations

from collections.abc import Mapping

from qianda.pdf import NotOurForm, Reference, Value, is_equal

Entries = dict[str, Value]


class Document:
    """The objects of a document by number, and its trailer. Methods raise NotOurForm if a reference leads nowhere."""

    def __init__(self, objects: Mapping[int, Value], trailer: Entries) -> None:
        self.objects = objects
        self.trailer = trailer
        root = trailer.get("/Root")
        if not isinstance(root, Reference):
            raise NotOurForm("the trailer names no catalog")
        self.root_number = root.number
        self.root = self.dictionary(trailer, "/Root")

    def read(self, number: int) -> Value:
        if number not in self.objects:
            raise NotOurForm(f"object {number} is missing")
        return self.objects[number]

    def follow(self, value: Value) -> Value:
        """Return the object behind a reference, or any other value unchanged."""
        return self.read(value.number) if isinstance(value, Reference) else value

    def entry(self, parent: Entries, name: str) -> Value:
        """Return the value of an entry, or None if the entry is missing."""
        return self.follow(parent.get(name))

    def dictionary(self, parent: Entries, name: str) -> Entries:
        """Return the dictionary in an entry; an empty one if there is none. Raises NotOurForm for another type."""
        return as_dictionary(self.entry(parent, name), name)

    def array(self, parent: Entries, name: str) -> list[Value]:
        """Return the array in an entry; an empty one if the entry is missing. Raises NotOurForm for another type."""
        value = self.entry(parent, name)
        if value is not None and not isinstance(value, list):
            raise NotOurForm(f"{name} is not a list")
        return value or []

    def items(self, parent: Entries, name: str) -> list[Value]:
        """Return the items of an array, with references followed."""
        return [self.follow(item) for item in self.array(parent, name)]


def as_dictionary(value: Value, what: str) -> Entries:
    """Return the value if it is a dictionary, and an empty one for None. Raises NotOurForm for another type."""
    if value is not None and not isinstance(value, dict):
        raise NotOurForm(f"{what} is not a dictionary")
    return value or {}


def reference(parent: Entries, name: str) -> int | None:
    """Return the number of the object that an entry refers to; None if the entry is no reference."""
    value = parent.get(name)
    return value.number if isinstance(value, Reference) else None


def references(values: list[Value]) -> list[int | None]:
    """Return the object numbers that the items of a list refer to; None for an item that is no reference."""
    return [value.number if isinstance(value, Reference) else None for value in values]


def changed_entries(old: Entries, new: Entries) -> set[str]:
    """Return the names of the entries that were added, removed or changed. References are compared, not followed."""
    return {
        name for name in old.keys() | new.keys() if (name in old) != (name in new) or not is_equal(old[name], new[name])
    }
