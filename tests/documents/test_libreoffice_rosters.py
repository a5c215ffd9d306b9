"""Rosters that LibreOffice Calc 7.4.7.2 wrote (`rosters/README.md`).

A title, a hidden sheet of last term, merged cells, a formula, a real and a typed date, full-width digits, a number that
lost its last digits, and a million empty rows.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hub.documents.school.spreadsheet import SpreadsheetReader
from tests.documents.roster_reading import read_roster

FOLDER = Path(__file__).parent / "rosters"
LOST = ("D6", "id-lost-digits")
FIRST = (4, "hefei", "陈小满", "340104201403050003", date(2014, 3, 5), "+8619000000001")
SECOND = (5, "hefei", "陈 小禾", "340104201503050000", date(2015, 3, 5), "+8619000000011")


@pytest.mark.parametrize(
    ("file", "rows", "faults"),
    [
        ("roster.xlsx", [FIRST, SECOND], [LOST]),
        ("roster.ods", [FIRST, SECOND], [LOST]),
        # It writes 0 for a formula that it has not worked out: no name of anybody.
        ("roster.xls", [SECOND], [("C4", "name-wrong"), LOST]),
    ],
)
def test_a_workbook(
    spreadsheets: SpreadsheetReader, file: str, rows: list[tuple[object, ...]], faults: list[tuple[str, str]]
) -> None:
    roster = read_roster(spreadsheets, (FOLDER / file).read_bytes())
    assert roster.header.row == 3 and not roster.header.unknown
    assert [
        (row.number, row.campus, row.student.name, row.student.id_number, row.student.birth_date, row.signers[0].phone)
        for row in roster.rows
    ] == rows
    assert roster.faults == faults


@pytest.mark.parametrize("file", ["roster-utf8.csv", "roster-gbk.csv", "roster-utf16.csv"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_text_of_the_same_sheet_names_what_it_has_lost(spreadsheets: SpreadsheetReader, file: str, ends: bytes) -> None:
    """Text has no merged cells, and dates in the order of the program's language. WPS ends lines with CR and LF."""
    data = (FOLDER / file).read_bytes()
    encoding = file.removeprefix("roster-").removesuffix(".csv")
    data = data.decode(encoding).replace("\n", ends.decode()).encode(encoding)
    assert read_roster(spreadsheets, data).faults == [
        ("E4", "birth-date"),
        ("A5", "campus-missing"),
        ("A6", "campus-missing"),
        LOST,
    ]
