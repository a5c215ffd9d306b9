"""Follow which object draws which: pages, forms, patterns and the letters of fonts (ISO 32000-2 7.8.2).

Some programs draw deeply nested parts, others leave them out. And if a form, a pattern or a letter uses a part of the
state that it has not set itself, only some programs take that part from the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Final

from qianda.pdf import Reference, Stream, TooComplex, Value
from qianda.pdf.separators import count_separators
from qianda.verify.pdf.content_steps import ContentSteps, Part, Use
from qianda.verify.pdf.contents import names_drawn
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.mixing import named_resources
from qianda.verify.pdf.unpacking import unpacked

# Some programs draw more deeply nested forms, others leave them out.
MAX_FORM_DEPTH: Final = 15
# Of all contents of a document together, unpacked. Following a million separators takes one or two seconds.
MAX_CONTENT_SEPARATORS: Final = 8 << 20
MAX_CONTENT_BYTES: Final = 64 << 20
# Of all resources of a document together, as many objects may use the same ones.
MAX_LISTED: Final = 200_000
# The parts of the state that are reset at the beginning of a group (11.4.6).
_NOT_IN_GROUP: Final = {"BM", "SMask"}


class DrawnParts:
    """The objects that each object of a document draws, and the parts of the state that it needs; by object number."""

    def __init__(self, document: Document, pages: Collection[int], max_separators: int) -> None:
        self._document, self._pages, self._max_separators = document, pages, max_separators
        self._uses = defaultdict[int, set[tuple[int, Use]]](set)
        self._needs = defaultdict[int, set[str]](set)
        self._size = self._separators = self._listed = 0

    def add_stream(self, number: int, stream: Value, resources: Entries, part: Part) -> Iterator[str]:
        """Add what a form, a pattern or a letter draws, and yield its faults. `number`: of the object that has it."""
        content = unpacked(stream)
        if content is None:
            yield "/Filter"
        elif not self.add(number, content, resources, part):
            yield "/Contents"

    def add(self, number: int, content: bytes, resources: Entries, part: Part) -> bool:
        """Add what contents draw. Return False if programs read or draw them in different ways. Raises TooComplex."""
        document = self._document
        self._size += len(content)
        self._separators += count_separators(content)
        if self._separators > self._max_separators or self._size > MAX_CONTENT_BYTES:
            raise TooComplex
        kinds = {
            kind: entries for kind, each in resources.items() if isinstance(entries := document.follow(each), dict)
        }
        for entries in kinds.values():
            self.count_listed(entries)
        steps = ContentSteps(named_resources(document, kinds), part)
        if names_drawn(content, kinds, steps) is None:
            return False
        self._needs[number] |= steps.needs
        for use in steps.uses:
            drawn = kinds[use.kind][use.name]
            if isinstance(drawn, Reference):
                self._uses[number].add((drawn.number, use))
            elif use.kind == "/Font":  # it is not known what its letters draw. A direct pattern is a shading
                return False
        return True

    def count_listed(self, resources: Value) -> None:
        """Count what a list of resources has, before it is looked at. Raises TooComplex."""
        self._listed += len(resources) if isinstance(resources, dict | list) else 0
        if self._listed > MAX_LISTED:
            raise TooComplex

    def nest_deeply(self) -> bool:
        level = set(self._pages)
        for _ in range(MAX_FORM_DEPTH + 1):
            level = {drawn for number in level for drawn, _ in self._uses.get(number, ())}
        return bool(level)

    def begin_differently(self) -> bool:
        """Return whether an object is drawn while a part of the state that it needs is unusual."""
        needs = {number: each - self._not_in(number) for number, each in self._needs.items()}
        has_changed = True
        while has_changed:
            has_changed = False
            for number, uses in self._uses.items():
                passed_on = {part for drawn, use in uses for part in needs.get(drawn, set()) - use.own}
                more = passed_on - self._not_in(number) - needs[number]
                needs[number] |= more
                has_changed = has_changed or bool(more)
        return any(use.unusual & needs.get(drawn, set()) for uses in self._uses.values() for drawn, use in uses)

    def _not_in(self, number: int) -> set[str]:
        value = self._document.objects.get(number)
        return _NOT_IN_GROUP if isinstance(value, Stream) and "/Group" in value.entries else set()
