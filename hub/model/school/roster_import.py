"""The import of a roster, kept so that it can be shown and undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


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
