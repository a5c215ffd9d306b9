"""LegalHold: keeps a contract that is in dispute from any erasure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class LegalHold:
    """A hold on a contract. `until`: when it ends by itself; None if staff have to lift it."""

    id: UUID
    contract: UUID
    campus: str
    reason: str
    placed_by: str
    placed_at: datetime
    until: datetime | None = None
    lifted_by: str | None = None
    lifted_at: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        return self.lifted_at is None and (self.until is None or now < self.until)

    def describe(self, zone: str) -> str:
        """Return why the contract may not be erased, as a sentence. `zone`: the time zone for the last day."""
        end = f"until {self.until.astimezone(ZoneInfo(zone)):%Y-%m-%d}" if self.until else "until somebody lifts it"
        return f"it is held {end}, by {self.placed_by}: {self.reason}"


@dataclass(frozen=True)
class HeldContract:
    """A hold, with the number of its contract."""

    hold: LegalHold
    number: str

    @property
    def is_of_staff(self) -> bool:
        """Whether a member of staff placed it in the console."""
        return self.hold.placed_by.startswith("staff:")
