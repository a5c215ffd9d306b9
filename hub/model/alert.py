"""Alert: what staff have to hear of now, when it is tried again, and how many of one kind become one message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

BUNDLED_WITHIN = timedelta(minutes=10)
"""After one message of a kind the next follows no earlier, and brings all that came meanwhile."""
RETRIES_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
"""Longer than an attempt can take: the first is also the lease of an attempt whose process died."""
MOST_TRIES = len(RETRIES_AFTER) + 1
SENT_WITHIN = timedelta(days=1)
"""An older one is no news any more, say where the first address was configured later."""
SHOWN_FOR = timedelta(days=14)
MOST_LINES = 8


@dataclass(frozen=True)
class Alert:
    """`text` names no person, number or ticket. `campus`: None where it concerns all. `failure`: why some address, or
    all of them, did not get it."""

    id: UUID
    kind: str
    text: str
    campus: str | None
    created_at: datetime
    sent_at: datetime | None = None
    failure: str | None = None


@dataclass(frozen=True)
class Bundle:
    """An attempt that has begun: the alerts of one kind that go out as one message, in the order in which they came.

    `reached` holds the marks of addresses that have it from an earlier attempt; `tries` counts this one too.
    """

    head: UUID
    kind: str
    alerts: tuple[Alert, ...]
    tries: int
    reached: frozenset[str]

    @property
    def lines(self) -> list[str]:
        """What happened, the same text once."""
        return list(dict.fromkeys(alert.text for alert in self.alerts))

    @property
    def campus(self) -> str | None:
        """The campus of all of them, if it is one."""
        campuses = {alert.campus for alert in self.alerts}
        return campuses.pop() if len(campuses) == 1 else None


def next_try(tries: int, now: datetime) -> datetime | None:
    """When to try again after so many attempts; None: it is given up."""
    return now + RETRIES_AFTER[tries - 1] if tries < MOST_TRIES else None


def written(lines: list[str], number: int, console: str) -> str:
    """The text of the message: the first lines, how many alerts there were, and where to look."""
    shown = lines[:MOST_LINES]
    if number > len(shown):
        shown.append(f"共 {number} 条 · {number} in all")
    return "\n".join([*shown, console])
