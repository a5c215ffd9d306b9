"""Visitor: somebody who came without a link of their own. What they may do is bound to the phone they gave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Visitor:
    """`person` is a keyed hash of the phone (E.164): codes and wrong answers are counted by it. `name` is what they
    say that they are called. `key_challenge` serves once and survives the change of the secret."""

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
