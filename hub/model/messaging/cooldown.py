"""Cooldowns: a service that failed recently is tried only after the others for the same purpose. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FIRST_COOLDOWN = timedelta(seconds=30)
MAX_COOLDOWN = timedelta(minutes=10)


@dataclass
class Cooldowns:
    """Cooldowns of services, doubled with each further failure, from FIRST_COOLDOWN up to MAX_COOLDOWN.

    They are kept in the memory of one process. They only save time: correctness must not depend on them.
    """

    _until: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)

    def sort_by_cooldown(self, names: Sequence[str], now: datetime) -> list[str]:
        """Return all names, those in a cooldown last."""
        return sorted(names, key=lambda name: self.is_cooling_down(name, now))

    def is_cooling_down(self, name: str, now: datetime) -> bool:
        return name in self._until and now < self._until[name][0]

    def record_failure(self, name: str, now: datetime) -> None:
        before = self._until.get(name)
        length = min(before[1] * 2, MAX_COOLDOWN) if before else FIRST_COOLDOWN
        self._until[name] = (now + length, length)

    def record_success(self, name: str) -> None:
        self._until.pop(name, None)
