"""Alert: urgent news for staff, its retries, and the grouping of alerts of one kind into one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hub.model.staff.alert_texts import Facts, write_sentence

# Minimum time between two messages of one kind. The later message contains all alerts of this time.
BUNDLED_WITHIN = timedelta(minutes=10)
# Pauses between the tries. The first one is also the lease of an attempt, so it is longer than an attempt can take.
RETRIES_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
MAX_TRIES = len(RETRIES_AFTER) + 1
# Older alerts are not sent, for example when the first address is configured later.
SENT_WITHIN = timedelta(days=1)
# How long the console shows an alert.
SHOWN_FOR = timedelta(days=14)
# Lines in one message; the total is given if there are more alerts.
MAX_LINES = 8
# Kinds that are never shortened to MAX_LINES, because each alert is for a different person.
NEVER_SHORTENED = frozenset({"digest"})
# Bytes of lines in one message of these kinds; the rest goes into further messages. WeCom's robots accept 2048 bytes of
# text, including title and address.
MAX_FULL_BYTES = 1800


@dataclass(frozen=True)
class Alert:
    """An alert.

    `facts`: values for its sentence; never a signer's name, a phone number or a ticket. `campus`: None for all.
    `failure`: why it did not reach some or all addresses.
    """

    id: UUID
    kind: str
    facts: Facts
    campus: str | None
    created_at: datetime
    sent_at: datetime | None = None
    failure: str | None = None

    @property
    def until(self) -> datetime | None:
        """When the problem ends by itself, if known."""
        return datetime.fromisoformat(str(self.facts["until"])) if "until" in self.facts else None

    def said(self, language: str) -> str:
        return write_sentence(self.kind, self.facts, language)


@dataclass(frozen=True)
class AlertBatch:
    """An attempt to send the alerts of one kind, in order of creation, as one message.

    `reached`: marks of the addresses that got it in an earlier attempt. `tries`: number of attempts including this one.
    """

    head: UUID
    kind: str
    alerts: tuple[Alert, ...]
    tries: int
    reached: frozenset[str]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The sentences in Chinese and English, without duplicates."""
        return list(dict.fromkeys((alert.said("zh"), alert.said("en")) for alert in self.alerts))

    @property
    def campus(self) -> str | None:
        """The campus that all alerts have in common, or None."""
        campuses = {alert.campus for alert in self.alerts}
        return campuses.pop() if len(campuses) == 1 else None


def compute_next_try(tries: int, now: datetime) -> datetime | None:
    """Return when to retry after this number of attempts; None to give up."""
    return now + RETRIES_AFTER[tries - 1] if tries < MAX_TRIES else None


def write_alert(kind: str, lines: Sequence[tuple[str, str]], number: int, console: str) -> list[str]:
    """Return the texts of the messages, usually one: lines in Chinese, then in English, and the URL of the console.

    `number`: the number of all alerts. The text states it if some alerts have no line of their own.
    """
    parts = _parts(lines) if kind in NEVER_SHORTENED else [lines[:MAX_LINES]]
    total = f"共 {number} 条 · {number} in all" if number > sum(map(len, parts)) else None
    return [_message(part, total, console) for part in parts]


def _parts(lines: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Split the lines into parts of at most MAX_FULL_BYTES. A longer line is a part of its own."""
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
    """Return the text of one message. A line that is the same in both languages appears once."""
    shown = list(dict.fromkeys(line for language in zip(*lines, strict=True) for line in language))
    return "\n".join([*shown, *([total] if total else []), console])
