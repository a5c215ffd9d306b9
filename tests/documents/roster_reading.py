"""A roster read to its end, as an import reads it, at a school of four campuses."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hub.documents.fonts import ContractFont
from hub.documents.school.roster import open_roster
from hub.documents.school.roster_columns import RosterHeader
from hub.documents.school.roster_row import RosterRow, RowChecker, RowProblem
from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.model.school.course import Campus, Course
from hub.model.school.school_names import SchoolNames
from hub.model.staff.scope import EVERYTHING, Scope
from hub.settings import PACKED

SEEDS = PACKED / "demo" / "seeds"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class ReadRoster:
    header: RosterHeader
    rows: list[RosterRow] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)

    @property
    def faults(self) -> list[tuple[str, str]]:
        """Cell and code of each fault."""
        return [(each.cell, each.code) for each in self.problems]


def school_names(scope: Scope = EVERYTHING) -> SchoolNames:
    """Return the names of the demo's school."""
    campuses = tomllib.loads((SEEDS / "school.toml").read_text("utf-8"))["campus"]
    courses = tomllib.loads((SEEDS / "courses.toml").read_text("utf-8"))["course"]
    return SchoolNames(
        [Campus(each["id"], each.get("parent"), each["name"], each["name_en"], each["zone"]) for each in campuses],
        [Course(each["id"], each["campus"], each["name"], each["name_en"]) for each in courses],
        scope,
    )


def read_roster(
    spreadsheets: SpreadsheetReader, data: bytes, language: str = "en", scope: Scope = EVERYTHING
) -> ReadRoster:
    roster, names = open_roster(spreadsheets, data), school_names(scope)
    checker = RowChecker(roster.header, names, ContractFont(), NOW, language)
    found = ReadRoster(roster.header)
    for row in roster.rows(language, given=frozenset({"campus"} if names.only_campus else ())):
        good, problems = checker.check(row)
        found.rows += [good] if good else []
        found.problems += problems
    return found
