"""Alert: what staff have to hear of now, when it is tried again, and how many of one kind become one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hub.model.alert_words import Facts, sentence

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
    """`facts` are what its sentence says, and name no person who signs, no number and no ticket. `campus`: None where
    it concerns all. `failure`: why some address, or all of them, did not get it. `text`: the whole sentence of one that
    an older hub wrote."""

    id: UUID
    kind: str
    facts: Facts
    campus: str | None
    created_at: datetime
    sent_at: datetime | None = None
    failure: str | None = None
    text: str = ""

    def said(self, language: str) -> str:
        return self.text or sentence(self.kind, self.facts, language)


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
    def lines(self) -> list[tuple[str, str]]:
        """What happened, in Chinese and in English; the same once."""
        return list(dict.fromkeys((alert.said("zh"), alert.said("en")) for alert in self.alerts))

    @property
    def campus(self) -> str | None:
        """The campus of all of them, if it is one."""
        campuses = {alert.campus for alert in self.alerts}
        return campuses.pop() if len(campuses) == 1 else None


def next_try(tries: int, now: datetime) -> datetime | None:
    """When to try again after so many attempts; None: it is given up."""
    return now + RETRIES_AFTER[tries - 1] if tries < MOST_TRIES else None


def written(lines: Sequence[tuple[str, str]], number: int, console: str) -> str:
    """The text of the message: the first lines in Chinese, then in English, how many alerts there were, and where to
    look. What is the same in both stands there once."""
    shown = list(dict.fromkeys(line for language in zip(*lines[:MOST_LINES], strict=True) for line in language))
    if number > min(len(lines), MOST_LINES):
        shown.append(f"共 {number} 条 · {number} in all")
    return "\n".join([*shown, console])
