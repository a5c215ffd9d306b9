"""A roster that somebody uploaded: kept for a while, so that it can be looked at before it is imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

# How long an uploaded roster is kept. It is full of personal data, and its owner has it.
ROSTER_RETENTION = timedelta(days=1)
# Characters of a file name that are kept.
MAX_FILE_NAME_LENGTH = 100


@dataclass(frozen=True)
class RosterUpload:
    """`campus`: that of the account which uploaded it. `name`: that of the file."""

    id: UUID
    campus: str
    created_by: str
    name: str
    created_at: datetime
    data: bytes = b""
