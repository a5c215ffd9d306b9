"""An uploaded roster, kept for a while so that its faults can be shown before it is imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

# How long an uploaded roster is kept: not long, because it is full of personal data and its owner has the original.
ROSTER_RETENTION = timedelta(days=1)
# Maximum number of characters of a file name that are stored.
MAX_FILE_NAME_LENGTH = 100


@dataclass(frozen=True)
class RosterUpload:
    """An uploaded roster. `campus`: the campus of the account that uploaded it. `name`: the name of the file."""

    id: UUID
    campus: str
    created_by: str
    name: str
    created_at: datetime
    data: bytes = b""
