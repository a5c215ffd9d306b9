"""Campus, Course and Enrolment: the data from which a contract is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

# Maximum number of companions in a set. A message or a visit can contain 20 contracts.
MAX_COMPANIONS = 9


@dataclass(frozen=True)
class Campus:
    """A node of the campus tree; headquarters has no parent.

    `zone`: IANA time zone. `address_en`: if empty, English contracts show `address`.
    """

    id: str
    parent: str | None
    name: str
    name_en: str
    zone: str
    address: str = ""
    phone: str = ""
    address_en: str = ""

    def named(self, language: str) -> str:
        return self.name_en if language == "en" else self.name

    def located(self, language: str) -> str:
        return (self.address_en if language == "en" else "") or self.address


@dataclass(frozen=True)
class Course:
    """A course of a campus.

    `details`: JSON as the contract template expects it: schedule, dates, lessons, fees, refund steps.
    """

    id: str
    campus: str
    name: str
    name_en: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_approval(self) -> bool:
        """Whether its contracts are issued only after somebody else has approved them."""
        return self.details.get("approval") is True

    @property
    def template(self) -> str:
        """The name of the course's own contract template; empty if it has none."""
        return str(self.details.get("template", ""))

    @property
    def companions(self) -> tuple[str, ...]:
        """The templates of the companions: the documents that form one set with the course's contract, in order."""
        return tuple(self.details.get("companions", ()))

    @property
    def with_ofd(self) -> bool | None:
        """Whether its contracts are issued as OFD beside the PDF; None: as their template says."""
        said = self.details.get("with_ofd")
        return said if isinstance(said, bool) else None


@dataclass(frozen=True)
class Enrolment:
    """A line of the roster: one student, one course, and the people who sign.

    `people`: JSON as in the API. `contract`: the contract drawn from it. `roster_import`: the import that added it.
    `created_at`: when it was stored. `changed_at`, `changed_by`: the last change by staff.
    """

    id: UUID
    campus: str
    course: str
    student_name: str
    people: Mapping[str, Any]
    external_id: str | None = None
    contract: UUID | None = None
    roster_import: UUID | None = None
    created_at: datetime | None = field(default=None, compare=False)
    changed_at: datetime | None = None
    changed_by: str | None = None
