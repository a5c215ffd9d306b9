"""Rosters as schools have them: text in several encodings, titles above the header, merged cells, hidden sheets."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
import xlsxwriter

from hub.documents.school.roster_columns import ALIASES, COLUMNS, find_header
from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.errors import UnreadableFile
from hub.model.staff.scope import Scope
from tests.documents.roster_reading import read_roster

CHILD, MOTHER = "340104201403050003", "340104198803050008"
SISTER = "340104201503050000"
TITLES = ["校区", "班级", "学生姓名", "身份证号", "家长姓名", "关系", "家长身份证号", "联系电话"]
ROW = ["合肥校区", "数学素养A", "陈小满", CHILD, "陈大川", "父亲", MOTHER, "19000000001"]


def book(write: Callable[[xlsxwriter.Workbook], None]) -> bytes:
    output = BytesIO()
    with xlsxwriter.Workbook(output, {"in_memory": True}) as workbook:
        write(workbook)
    return output.getvalue()


# ---- text


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_text_as_spreadsheets_save_it(spreadsheets: SpreadsheetReader, encoding: str, separator: str) -> None:
    lines = [TITLES, [], ROW, [*ROW[:2], '"陈,小;禾"', f'"=""{SISTER}"""', *ROW[4:7], "'19000000001"]]
    data = "\r\n".join(separator.join(line) for line in lines).encode(encoding)
    roster = read_roster(spreadsheets, data)
    assert [(row.number, row.student.name, row.student.id_number) for row in roster.rows] == [
        (3, "陈小满", CHILD),
        (4, "陈,小;禾", SISTER),
    ]
    assert roster.rows[1].signers[0].phone == "+8619000000001" and not roster.problems


def test_a_separator_that_is_named_in_the_first_line(spreadsheets: SpreadsheetReader) -> None:
    assert list(spreadsheets.filled_rows(b"sep=|\r\na,b|c\r\n")) == [(2, ["a,b", "c"])]


def test_what_text_has_lost_is_named_by_cell(spreadsheets: SpreadsheetReader) -> None:
    rounded = [*ROW[:3], "3.40104E+17", *ROW[4:7], "1.9E+10"]
    data = "\n".join(",".join(line) for line in (TITLES, rounded)).encode()
    assert read_roster(spreadsheets, data).faults == [("D2", "id-lost-digits"), ("H2", "phone-lost-digits")]


# ---- sheets


def test_titles_above_merged_cells_and_hidden_sheets(spreadsheets: SpreadsheetReader) -> None:
    def write(workbook: xlsxwriter.Workbook) -> None:
        hidden, empty = workbook.add_worksheet("WpsReserved"), workbook.add_worksheet("封面")
        hidden.write_row(0, 0, TITLES)
        sheet = workbook.add_worksheet("名单")
        sheet.merge_range("A1:H1", "2026 年寒假班报名表")
        sheet.write_row("A3", TITLES)
        sheet.write_row("A4", ROW)
        sheet.write_row("A5", [*ROW[:2], "陈小禾", SISTER, *ROW[4:]])
        sheet.merge_range("A4:A6", ROW[0])
        sheet.merge_range("H4:H5", ROW[7])
        sheet.activate()
        hidden.hide()
        empty.write_blank(0, 0, None)

    roster = read_roster(spreadsheets, book(write))
    assert roster.header.row == 3 and not roster.problems
    assert [(row.number, row.campus, row.signers[0].phone) for row in roster.rows] == [
        (4, "hefei", "+8619000000001"),
        (5, "hefei", "+8619000000001"),
    ]


def test_a_merged_value_ends_with_its_area(spreadsheets: SpreadsheetReader) -> None:
    def write(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.add_worksheet()
        for row in range(5):
            sheet.write_string(row, 1, f"b{row}")
        sheet.merge_range("A2:A3", "a")

    rows = [cells for _, cells in spreadsheets.filled_rows(book(write))]
    assert [cells[0] for cells in rows] == ["", "a", "a", "", ""]


def test_a_million_empty_rows_and_the_cached_values_of_formulas(spreadsheets: SpreadsheetReader) -> None:
    def write(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, TITLES)
        sheet.write_row(1, 0, ROW)
        sheet.write_formula(1, 2, '=CONCAT("陈","小满")', None, "陈小满")
        sheet.write_string(1_048_575, 7, " ")

    roster = read_roster(spreadsheets, book(write))
    assert [row.student.name for row in roster.rows] == ["陈小满"] and not roster.problems


def test_a_workbook_that_shows_nothing_is_refused(spreadsheets: SpreadsheetReader) -> None:
    with pytest.raises(UnreadableFile, match="empty"):
        list(spreadsheets.filled_rows(book(lambda workbook: workbook.add_worksheet())))


# ---- titles


def columns_of(*titles: str, above: list[str] | None = None) -> dict[str, int]:
    rows = [(1, list(above or ["报名表"])), (2, list(titles))]
    return dict(find_header(rows, {}).columns)  # type: ignore[arg-type]


def test_usual_titles() -> None:
    assert columns_of("* 学员姓名（必填）", "身份证号码", "家长", "手机号", "分校", "报读课程", "性别") == {
        "student_name": 0,
        "student_id_number": 1,
        "guardian_name": 2,
        "phone": 3,
        "campus": 4,
        "course": 5,
    }
    assert columns_of("Student Name", "ID number", "Parent’s", "Parent phone", "Campus", "Class")["guardian_phone"] == 3


def test_a_group_above_says_whose_name_it_is() -> None:
    above = ["学生信息", "", "家长信息", "", ""]
    found = columns_of("姓名", "身份证号", "姓名", "手机号", "关系", above=above)
    assert found == {
        "student_name": 0,
        "student_id_number": 1,
        "guardian_name": 2,
        "guardian_phone": 3,
        "guardian_relation": 4,
    }


def test_titles_of_two_groups_are_remembered_apart_and_a_second_one_alike_is_named() -> None:
    rows = [(1, ["学生信息", "", "家长信息", ""]), (2, ["姓名", "号码", "姓名", "号码"])]
    header = find_header(rows, {"学生号码": "student_id_number"})  # type: ignore[arg-type]
    assert header.keys == ("学生姓名", "学生号码", "家长姓名", "家长号码")
    assert header.columns == {"student_name": 0, "student_id_number": 1, "guardian_name": 2}
    assert [each.cell(header.row) for each in header.unknown] == ["D2"]
    alike = find_header([(1, ["姓名", "身份证号", "姓名"])], {})
    assert [each.cell(1) for each in alike.unknown] == ["C1"] and alike.columns["student_name"] == 0


def test_what_is_not_known_is_named_with_what_it_could_be() -> None:
    header = find_header([(1, ["校区", "课程", "学员姓名", "证件编号", "乘车路线"])], {})
    unknown = {each.cell(header.row): each for each in header.unknown}
    assert "student_id_number" in unknown["D1"].candidates and "student id number" in unknown["D1"].offer()
    assert unknown["E1"].candidates == () and unknown["E1"].offer() == ""
    assert header.missing == ("student_id_number",)


def test_what_a_person_chose_goes_before_the_table() -> None:
    rows = [(1, ["校区", "课程", "姓名", "证件编号", "家长姓名"])]
    header = find_header(rows, {"证件编号": "student_id_number", "家长姓名": ""})  # type: ignore[arg-type]
    assert header.columns["student_id_number"] == 3 and "guardian_name" not in header.columns
    assert not header.missing and not header.unknown


def test_each_column_is_known_by_its_own_titles() -> None:
    assert {column: columns_of(*titles) for column, titles in COLUMNS.items()} == {
        column: {column: 0} for column in COLUMNS
    }
    assert set(ALIASES.values()) == {*COLUMNS, ""}


# ---- campuses and courses


def test_a_campus_need_not_be_named_by_who_has_but_one(spreadsheets: SpreadsheetReader) -> None:
    lines = [TITLES[1:], ROW[1:]]
    data = "\n".join(",".join(line) for line in lines).encode()
    only = Scope(frozenset({"hefei"}))
    assert [row.campus for row in read_roster(spreadsheets, data, scope=only).rows] == ["hefei"]
    with pytest.raises(UnreadableFile, match="campus"):
        read_roster(spreadsheets, data)


@pytest.mark.parametrize("campus", ["hefei", "HEFEI", "合肥校区", "合肥", " 合 肥 校 区 ", "Hefei campus"])
@pytest.mark.parametrize("course", ["math-a", "数学素养A", "数学素养Ａ", "mathematics a"])
def test_campus_and_course_by_id_or_name(spreadsheets: SpreadsheetReader, campus: str, course: str) -> None:
    data = "\n".join(",".join(line) for line in (TITLES, [campus, course, *ROW[2:]])).encode()
    assert [(row.campus, row.course) for row in read_roster(spreadsheets, data).rows] == [("hefei", "math-a")]


def test_a_name_that_is_nearly_right_gets_an_offer(spreadsheets: SpreadsheetReader) -> None:
    data = "\n".join(",".join(line) for line in (TITLES, ["合肥", "数学素养B", *ROW[2:]])).encode()
    roster = read_roster(spreadsheets, data, "zh")
    assert roster.faults == [("B2", "course-unknown")]
    assert roster.problems[0].what == "该校区没有这门课程，是不是：数学素养A (math-a)"


def test_the_campuses_of_others_are_not_for_this_importer(spreadsheets: SpreadsheetReader) -> None:
    data = "\n".join(",".join(line) for line in (TITLES, ["北京", *ROW[1:]])).encode()
    only = Scope(frozenset({"hefei"}))
    assert read_roster(spreadsheets, data, scope=only).faults == [("A2", "campus-not-yours")]


# ---- all faults of a row


def test_all_faults_of_a_row_are_named_at_once(spreadsheets: SpreadsheetReader) -> None:
    bad = ["亚特兰蒂斯", "", "🙂", "110", "", "母亲", "340104198803050005", "12"]
    data = "\n".join(",".join(line) for line in (TITLES, bad)).encode()
    assert read_roster(spreadsheets, data).faults == [
        ("A2", "campus-unknown"),
        ("B2", "course-missing"),
        ("C2", "name-undrawable"),
        ("D2", "id-wrong"),
        ("E2", "name-missing"),
        ("G2", "id-wrong"),
        ("H2", "phone-wrong"),
    ]
