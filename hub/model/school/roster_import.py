"""The upload of a roster with its faults, and then its import, which is kept so that it can be shown and undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
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


@dataclass(frozen=True)
class RosterImport:
    """An import of a roster.

    `campus`: the campus of the account that imported. `upload`: the uploaded file; None for an import by a command.
    `added`, `already`, `refused`: numbers of rows. `removed`: the number of enrolments deleted by undoing the import.
    """

    id: UUID
    campus: str
    created_by: str
    name: str
    created_at: datetime
    upload: UUID | None = None
    added: int = 0
    already: int = 0
    refused: int = 0
    undone_at: datetime | None = None
    undone_by: str | None = None
    removed: int = 0


class KeptBecause(StrEnum):
    """Why an enrolment stays when its import is undone."""

    ISSUED = "issued"
    CHANGED = "changed"
    BEING_ISSUED = "being-issued"


@dataclass(frozen=True)
class KeptEnrolment:
    """An enrolment that stays when its import is undone, because somebody has used it since."""

    enrolment: UUID
    student_name: str
    because: KeptBecause
    contract: UUID | None = None
