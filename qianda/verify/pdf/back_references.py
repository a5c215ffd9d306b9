"""Count the references to each object of a PDF, whatever the object is used for.

An object that is a signature field to one reader may be a page's content to another. A reference to a missing object
takes effect only when a later revision writes that object. So what may change depends on *all* references to an object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from qianda.pdf import Reference, Stream, Value
from qianda.verify.pdf.document import Document


class BackReferences:
    """The number of references to each object, from objects and trailer of a document in its current revision."""

    def __init__(self, document: Document) -> None:
        self._of_object = {number: referred(value) for number, value in document.objects.items()}
        self._of_trailer = referred(document.trailer)
        self._counts = Counter(self._of_trailer)
        for numbers in self._of_object.values():
            self._counts.update(numbers)

    @property
    def known(self) -> Iterable[int]:
        """Numbers of the objects that exist."""
        return self._of_object.keys()

    def advance(self, after: Document, written: Iterable[int]) -> None:
        """Move on to the next revision. `after` is the document in it, `written` the objects that it wrote."""
        self._counts.subtract(self._of_trailer)
        self._of_trailer = referred(after.trailer)
        self._counts.update(self._of_trailer)
        for number in written:
            self._counts.subtract(self._of_object.get(number, ()))
            self._of_object[number] = referred(after.read(number))
            self._counts.update(self._of_object[number])

    def count(self, number: int | None) -> int:
        """Return the number of references to the object."""
        return self._counts[number] if number is not None else 0

    def missing(self) -> set[int]:
        """Return the numbers of the objects that are referred to and do not exist."""
        return {number for number, count in self._counts.items() if count and number not in self._of_object}


def referred(value: Value) -> list[int]:
    """Return the object number of each reference in a value, as often as it occurs. References are not followed."""
    found, waiting = list[int](), [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Reference):
            found.append(part.number)
        elif isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
        elif isinstance(part, Stream):
            waiting.append(part.entries)
    return found
