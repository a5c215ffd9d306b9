"""Visitor: the session of a person who came without a link of their own. Which rights they have depends on the phone
number that they verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Visitor:
    """The session of a visitor.

    `person`: keyed hash of `phone` (E.164); codes and wrong answers are counted by it. `name`: as they stated it.
    `key_challenge`: valid for one use. It stays the same when the session secret is replaced.
    """

    id: UUID
    door: str
    person: str
    phone: str
    key_challenge: bytes
    created_at: datetime
    expires_at: datetime
    poster: UUID | None = None
    name: str = ""
    language: str = "zh"
    verified_at: datetime | None = None

    def live(self, now: datetime) -> bool:
        return now < self.expires_at
