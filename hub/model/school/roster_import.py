"""An import of a roster, so that it can be told of and undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True)
class RosterImport:
    """`campus`, `created_by`: of whoever imported. `upload`: the uploaded file; None for an import by a command.

    `added`, `already`, `refused`: numbers of rows. `removed`: enrolments that were deleted when it was undone.
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
    """An enrolment of an import that somebody has used since."""

    enrolment: UUID
    student_name: str
    because: KeptBecause
    contract: UUID | None = None
