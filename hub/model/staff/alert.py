"""Alert: what staff have to hear of now, when it is tried again, and how many of one kind become one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hub.model.staff.alert_texts import Facts, sentence

# After one message of a kind the next follows no earlier, and brings all that came meanwhile.
BUNDLED_WITHIN = timedelta(minutes=10)
# Longer than an attempt can take: the first is also the lease of an attempt whose process died.
RETRIES_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
MAX_TRIES = len(RETRIES_AFTER) + 1
# An older one is no news any more, say where the first address was configured later.
SENT_WITHIN = timedelta(days=1)
SHOWN_FOR = timedelta(days=14)
# So many tell what is wrong; how many more there were is said beside them.
MAX_LINES = 8
# Kinds of which each alert is for somebody else: a line that is left out is a person who does not hear.
TOLD_IN_FULL = frozenset({"digest"})
# Bytes of lines in one message of these kinds; what does not fit goes into another. WeCom's robots take 2048 bytes of
# text, title and address included.
MAX_FULL_BYTES = 1800


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

    @property
    def until(self) -> datetime | None:
        """When what it tells of is over by itself, where that is known."""
        return datetime.fromisoformat(str(self.facts["until"])) if "until" in self.facts else None

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
    return now + RETRIES_AFTER[tries - 1] if tries < MAX_TRIES else None


def written(kind: str, lines: Sequence[tuple[str, str]], number: int, console: str) -> list[str]:
    """The texts of the messages, mostly one: lines in Chinese, then in English, how many alerts there were where not
    each has its line, and where to look."""
    parts = _parts(lines) if kind in TOLD_IN_FULL else [lines[:MAX_LINES]]
    total = f"共 {number} 条 · {number} in all" if number > sum(map(len, parts)) else None
    return [_message(part, total, console) for part in parts]


def _parts(lines: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """All lines, in pieces that fit. One that is too long by itself stands alone."""
    parts: list[list[tuple[str, str]]] = []
    room = 0
    for line in lines:
        length = len("\n".join((*line, "")).encode())
        if length > room:
            parts.append([])
            room = MAX_FULL_BYTES
        parts[-1].append(line)
        room -= length
    return parts


def _message(lines: Sequence[tuple[str, str]], total: str | None, console: str) -> str:
    """What is the same in both languages stands there once."""
    shown = list(dict.fromkeys(line for language in zip(*lines, strict=True) for line in language))
    return "\n".join([*shown, *([total] if total else []), console])
