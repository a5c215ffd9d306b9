"""The keys that encrypt columns: the current one, and those before it, which are retired after a rotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class EncryptionKeyEntry:
    """A key, identified by `id` (hex). `refuses_unbound`: values that do not name a key are no longer decrypted."""

    id: str
    current_since: datetime
    is_current: bool
    refuses_unbound: bool
    retired_at: datetime | None


@dataclass
class EncryptionFaults:
    """Values that cannot be decrypted, by table, column and key of the row, without their content."""

    checked: int = 0
    names: list[str] = field(default_factory=list)


def is_unfinished(keys: Sequence[EncryptionKeyEntry]) -> bool:
    """Return whether a rotation has begun but has not yet retired the earlier keys."""
    return any(not key.is_current and key.retired_at is None for key in keys) or any(
        key.is_current and not key.refuses_unbound for key in keys
    )
