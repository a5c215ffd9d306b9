"""Which objects a PDF has in one of its revisions, and how often each is referred to, in whatever role.

An object that is a signature field to one reader may be a page's content to another, and a reference to what is missing
means nothing until a later revision brings it to life. So what may change depends on *all* references to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, Reference

from qianda.verify.signed_file import SignedFile


class Mentions:
    """The objects of one revision, counted from 0; `advance` goes on to the next one.

    Objects count as they are in this revision: what they referred to before they were replaced does not.
    """

    def __init__(self, file: SignedFile, revision: int) -> None:
        self._file = file
        self.revision = revision
        self.live: set[Reference] = set()
        self._of: dict[Reference, list[Reference]] = {}
        self._counts = Counter(mentioned(file.at(revision).trailer))
        for number in range(revision + 1):
            self.live |= file.reader.xrefs.explicit_refs_in_revision(number)
        for at in self.live:
            self._count(at)

    def advance(self) -> None:
        self._counts.subtract(mentioned(self._file.at(self.revision).trailer))
        self.revision += 1
        self._counts.update(mentioned(self._file.at(self.revision).trailer))
        written = self._file.reader.xrefs.explicit_refs_in_revision(self.revision)
        self.live |= written
        for at in written:
            self._counts.subtract(self._of.get(at, ()))
            self._count(at)

    def of(self, at: Reference | None) -> int:
        return self._counts[at] if at else 0

    def missing(self) -> set[Reference]:
        """What is referred to and is not there."""
        return {at for at, count in self._counts.items() if count and at not in self.live}

    def _count(self, at: Reference) -> None:
        self._of[at] = list(mentioned(self._file.at(self.revision).read(at)))
        self._counts.update(self._of[at])


def mentioned(value: Any) -> Iterator[Reference]:
    """Each reference in a value, as often as it is there; references are not followed."""
    if isinstance(value, IndirectObject):
        yield value.reference
    elif isinstance(value, DictionaryObject):
        for name in value:
            yield from mentioned(value.raw_get(name))
    elif isinstance(value, ArrayObject):
        for index in range(len(value)):
            yield from mentioned(value.raw_get(index))
