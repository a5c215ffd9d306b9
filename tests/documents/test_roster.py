"""Rosters: good rows are imported, bad ones are named one by one."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from io import BytesIO

import pytest
import xlsxwriter

from hub.documents.school.roster_columns import COLUMNS
from hub.documents.school.spreadsheet import (
    MAX_BYTES,
    MAX_ROW_LENGTH,
    MAX_ROWS,
    MAX_ROWS_ABOVE,
    NO_SPREADSHEET,
    SpreadsheetReader,
)
from hub.errors import UnreadableFile
from tests.documents.roster_reading import ReadRoster, read_roster

CHILD, MOTHER, ADULT = "340104201403050003", "340104198803050008", "340104199003050004"
A_DAY = datetime(1990, 3, 5, tzinfo=UTC).replace(tzinfo=None)  # spreadsheets have no zones
GOOD: Mapping[str, object] = {
    "external_id": "X-1",
    "campus": "hefei",
    "course": "math-a",
    "student_name": "陈小满",
    "student_id_number": CHILD,
    "guardian_name": "陈大川",
    "guardian_relation": "父亲",
    "guardian_id_number": MOTHER,
    "guardian_phone": "19000000001",
}
Read = Callable[..., ReadRoster]


@pytest.fixture(scope="module")
def read(spreadsheets: SpreadsheetReader) -> Read:
    def rows(*lines: Mapping[str, object], language: str = "en", titles: int = 0) -> ReadRoster:
        names = list(COLUMNS)
        header: list[object] = [COLUMNS[name][titles] for name in names]
        data = sheet([header, *([line.get(name) for name in names] for line in lines)])
        return read_roster(spreadsheets, data, language)

    return rows


def sheet(rows: list[list[object]]) -> bytes:
    output = BytesIO()
    with xlsxwriter.Workbook(output, {"in_memory": True}) as workbook:
        page = workbook.add_worksheet()
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, datetime):
                    page.write_datetime(row, column, cell, day)
                elif isinstance(cell, str):
                    page.write_string(row, column, cell)
                elif isinstance(cell, int | float):
                    page.write_number(row, column, cell)
    return output.getvalue()


def faults(roster: ReadRoster) -> list[tuple[int, str]]:
    return [(problem.row, problem.code) for problem in roster.problems]


@pytest.mark.parametrize("titles", [0, 1])
def test_a_good_row(read: Read, titles: int) -> None:
    roster = read(GOOD, titles=titles)
    assert not roster.problems
    (row,) = roster.rows
    assert (row.number, row.campus, row.course, row.external_id) == (2, "hefei", "math-a", "X-1")
    assert row.student.birth_date == date(2014, 3, 5)
    (signer,) = row.signers
    assert (signer.role, signer.name, signer.phone) == ("guardian", "陈大川", "+8619000000001")
    assert (signer.id_type, signer.id_number, signer.relation, signer.language) == ("cn-id", MOTHER, "父亲", "zh")


def test_full_width_digits_spaces_and_a_zero_width_mark_are_mended(read: Read) -> None:
    roster = read(
        {
            **GOOD,
            "student_name": " 陈小满\u200b ",
            "student_id_number": "３４０１０４ 20140305 0003",
            "guardian_phone": "＋86 190-0000-0001",
        }
    )
    assert not roster.problems
    assert roster.rows[0].student.id_number == CHILD
    assert roster.rows[0].signers[0].phone == "+8619000000001"


def test_a_phone_stored_as_a_number_is_read(read: Read) -> None:
    assert read({**GOOD, "guardian_phone": 19000000001.0}).rows[0].signers[0].phone == "+8619000000001"


@pytest.mark.parametrize(
    "birth",
    [
        "1990-03-05",
        "1990/3/5",
        "1990.3.5",
        "1990年3月5日",
        "19900305",
        datetime(1990, 3, 5, tzinfo=UTC).replace(tzinfo=None),
        32937.0,
        19900305.0,
    ],
    ids=str,
)
def test_dates_as_people_write_them(read: Read, birth: object) -> None:
    adult = {
        "campus": "beijing",
        "course": "mandarin",
        "student_name": "Maria Gonzalez",
        "student_id_type": "Passport",
        "student_id_number": "xda000001",
        "student_birth_date": birth,
        "student_phone": "19000000005",
        "language": "English",
    }
    roster = read(adult)
    assert not roster.problems
    (row,) = roster.rows
    assert row.student.birth_date == date(1990, 3, 5)
    assert [(s.role, s.id_type, s.id_number, s.language) for s in row.signers] == [
        ("student", "passport", "XDA000001", "en")
    ]


def test_an_adult_signs_alone_and_two_guardians_sign_both(read: Read) -> None:
    adult = {**GOOD, "external_id": "X-2", "student_id_number": ADULT, "student_phone": "19000000002"}
    both = {
        **GOOD,
        "guardian2_name": "夏静怡",
        "guardian2_relation": "母亲",
        "guardian2_id_number": ADULT,
        "guardian2_phone": "19000000003",
    }
    roster = read(adult, both)
    assert not roster.problems
    assert [[signer.role for signer in row.signers] for row in roster.rows] == [["student"], ["guardian", "guardian"]]


def test_each_signer_may_have_an_email_address(read: Read) -> None:
    both = {
        **GOOD,
        "guardian_email": " chen@school.example ",
        "guardian2_name": "夏静怡",
        "guardian2_id_number": ADULT,
        "guardian2_phone": "19000000003",
        "guardian2_email": "xia@school.example",
    }
    unnamed = {**GOOD, "external_id": "X-2", "student_id_number": "340104201503050000", "email": "one@school.example"}
    adult = {**GOOD, "external_id": "X-3", "student_id_number": ADULT, "student_phone": "19000000002"}
    roster = read(both, unnamed, {**adult, "student_email": "own@school.example"})
    assert not roster.problems
    assert [[signer.email for signer in row.signers] for row in roster.rows] == [
        ["chen@school.example", "xia@school.example"],
        ["one@school.example"],
        ["own@school.example"],
    ]


BAD: dict[str, tuple[str, Mapping[str, object]]] = {
    "name missing": ("name-missing", {"student_name": None}),
    "name undrawable": ("name-undrawable", {"student_name": "陈🙂"}),
    "name too long": ("name-wrong", {"student_name": "陈" * 61}),
    "id missing": ("id-missing", {"student_id_number": ""}),
    "check digit": ("id-wrong", {"guardian_id_number": "340104198803050005"}),
    "id as a number": ("id-lost-digits", {"guardian_id_number": 3.40104198803e17}),
    "id type": ("id-type", {"guardian_id_type": "驾驶证"}),
    "no birth date": ("birth-date", {"student_id_type": "护照", "student_id_number": "X0000001"}),
    "birth date unreadable": ("birth-date", {"student_birth_date": "last spring"}),
    "birth date in the future": (
        "birth-date-impossible",
        {"student_id_type": "护照", "student_id_number": "X0000001", "student_birth_date": "2099-01-01"},
    ),
    "birth date of two hundred years ago": (
        "birth-date-impossible",
        {
            "student_id_type": "护照",
            "student_id_number": "X0000001",
            "student_birth_date": "1826-01-01",
            "student_phone": "19000000002",
        },
    ),
    "born in the future by the ID number": ("birth-date-impossible", {"student_id_number": "340104209912010073"}),
    "birth date differs": ("birth-date-differs", {"student_birth_date": "2014-03-06"}),
    "phone missing": ("phone-missing", {"guardian_phone": None}),
    "phone wrong": ("phone-wrong", {"guardian_phone": "1900000000"}),
    "e-mail wrong": ("email-wrong", {"guardian_email": "chen.example"}),
    "e-mail of the first signer wrong": ("email-wrong", {"email": "chen@"}),
    "landline": ("phone-wrong", {"guardian_phone": "0551-62345678"}),
    "no guardian": (
        "guardian-missing",
        {"guardian_name": None, "guardian_id_number": None, "guardian_phone": None},
    ),
    "guardian under 18": ("guardian-wrong", {"guardian_id_number": "340104201503050000"}),
    "documents swapped": (
        "documents-swapped",
        {"student_id_number": MOTHER, "guardian_id_number": CHILD, "student_phone": "19000000002"},
    ),
    **{
        f"totals: {word}": ("total-row", dict.fromkeys(GOOD) | {"external_id": word, "guardian_phone": 3})
        for word in ("合计", " 合　计：3人", "总计", "Subtotal", "Grand total")
    },
    "totals beside an ID number": ("name-missing", {"external_id": "合计", "student_name": None}),
    "guardian is the student": ("guardian-wrong", {"guardian_id_number": CHILD}),
    "guardian without a name": ("name-missing", {"guardian_name": None}),
    "second guardian without a name": (
        "name-missing",
        {"guardian2_id_number": ADULT, "guardian2_phone": "19000000003"},
    ),
    "no such campus": ("campus-unknown", {"campus": "atlantis"}),
    "no such course": ("course-unknown", {"course": "alchemy"}),
    "phone rounded": ("phone-lost-digits", {"guardian_phone": "1.9E+10"}),
    "id rounded": ("id-lost-digits", {"guardian_id_number": "3.40104E+17"}),
    "zeros lost": ("id-lost-zeros", {"guardian_id_type": "台胞证", "guardian_id_number": 1234567.0}),
    "no campus": ("campus-missing", {"campus": None}),
    "no course": ("course-missing", {"course": " "}),
    "language": ("language", {"language": "fr"}),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_bad_row_is_named_and_stops_nobody(read: Read, case: str, language: str) -> None:
    code, change = BAD[case]
    good_child = "340104201503050000"
    after = {**GOOD, "external_id": "X-9", "student_id_number": good_child}
    roster = read({**GOOD, **change}, after, language=language)
    assert faults(roster) == [(2, code)]
    assert [row.number for row in roster.rows] == [3]
    problem = roster.problems[0]
    assert problem.what and problem.how and "{" not in problem.what
    for secret in (CHILD, MOTHER, "340104198803050005", "0551-62345678"):
        assert secret not in f"{problem}"


def test_several_faults_of_one_row_are_all_named(read: Read) -> None:
    roster = read({**GOOD, "student_name": None, "guardian_phone": "1", "course": None})
    assert {code for _, code in faults(roster)} == {"name-missing", "phone-wrong", "course-missing"}


def test_repeated_rows_and_external_ids(read: Read) -> None:
    other = {**GOOD, "student_id_number": "340104201503050000"}
    roster = read(GOOD, {**GOOD, "external_id": "X-2"}, other, {**GOOD, "external_id": None, "course": "english-b"})
    assert faults(roster) == [(3, "duplicate"), (4, "duplicate")]
    assert "row 2" in roster.problems[0].what
    assert [row.number for row in roster.rows] == [2, 5]


def test_empty_rows_are_skipped_and_numbers_stay(read: Read) -> None:
    assert [row.number for row in read({}, GOOD, {}).rows] == [3]


def test_columns_may_stand_in_any_order_and_must_not_lack(spreadsheets: SpreadsheetReader) -> None:
    with pytest.raises(UnreadableFile, match="student name"):
        read_roster(spreadsheets, sheet([["校区", "课程", "学员证件号码"]]))


def test_files_that_are_no_spreadsheet_or_too_large(spreadsheets: SpreadsheetReader) -> None:
    for data in (b"", b" \n\n", b"PK\x03\x04 nonsense", b"%PDF-1.7\x00", b'campus,"course\n'):
        with pytest.raises(UnreadableFile):
            spreadsheets.rows(data)
    with pytest.raises(UnreadableFile, match="more than 20 MB"):
        spreadsheets.rows(bytes(MAX_BYTES + 1))
    bomb = BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(5):
            archive.writestr(f"xl/worksheets/sheet{number}.xml", bytes(100 * 1024 * 1024))
    with pytest.raises(UnreadableFile, match="unpack"):
        spreadsheets.rows(bomb.getvalue())


def test_what_no_program_opens_is_refused_in_words_of_ours(spreadsheets: SpreadsheetReader) -> None:
    """A spreadsheet with a password begins like the second one."""
    whole, other = sheet([["校区", "课程"]]), BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a", "b")
    for data in (whole[:-30], b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), other.getvalue()):
        with pytest.raises(UnreadableFile) as refused:
            spreadsheets.rows(data)
        assert refused.value.detail.splitlines()[1:] == [NO_SPREADSHEET]


def test_too_many_rows(spreadsheets: SpreadsheetReader) -> None:
    """Those that hold something count."""
    rows = MAX_ROWS + MAX_ROWS_ABOVE
    assert sum(1 for _ in spreadsheets.filled_rows(b"x\n\n" * rows)) == rows
    with pytest.raises(UnreadableFile, match="50,000 rows"):
        list(spreadsheets.filled_rows(b"x\n\n" * (rows + 1)))


def test_a_list_whose_last_row_is_far_down_is_refused(spreadsheets: SpreadsheetReader) -> None:
    with pytest.raises(UnreadableFile, match="50,000 rows"):
        spreadsheets.rows(b"x" + b"\n" * (MAX_ROWS + MAX_ROWS_ABOVE) + b"x")


def test_a_row_holds_no_book(spreadsheets: SpreadsheetReader) -> None:
    """A small file can name one long text in each cell, and the hub would hold them all."""
    half = "x" * (MAX_ROW_LENGTH // 2)
    assert spreadsheets.rows(sheet([["a", half, half[1:]]])) == [["a", half, half[1:]]]
    with pytest.raises(UnreadableFile, match="a row has more than 20,000 characters"):
        spreadsheets.rows(sheet([["a", half, half]]))
