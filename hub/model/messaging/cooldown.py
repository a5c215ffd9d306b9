"""Rests: of several services that do the same, those that failed lately are asked last. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FIRST_REST = timedelta(seconds=30)
MAX_REST = timedelta(minutes=10)


@dataclass
class Rests:
    """Whoever failed is asked last for a while, twice as long each time. A brake of one process, nothing to rely on."""

    _until: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)

    def in_order(self, names: Sequence[str], now: datetime) -> list[str]:
        """Those that do not rest, then the others: these are better than nobody."""
        return sorted(names, key=lambda name: self.resting(name, now))

    def resting(self, name: str, now: datetime) -> bool:
        return name in self._until and now < self._until[name][0]

    def failed(self, name: str, now: datetime) -> None:
        before = self._until.get(name)
        length = min(before[1] * 2, MAX_REST) if before else FIRST_REST
        self._until[name] = (now + length, length)

    def served(self, name: str) -> None:
        self._until.pop(name, None)
