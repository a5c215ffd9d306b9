"""Read campuses and courses from a table, typed or uploaded, and convert them to the values of a school's file.

A table is kept as CSV with its titles in the first row, so that people can continue typing in it.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from hub.documents.school.separated_text import rows_of_text
from hub.documents.school.spreadsheet import Cell, SpreadsheetReader
from hub.errors import UnreadableFile

CAMPUS_TITLES: Mapping[str, str] = {
    "id": "id 编号 校区编号 campusid",
    "parent": "parent 上级 上级编号 上级校区",
    "name": "name 名称 校区 校区名称",
    "name_en": "englishname 英文名 英文名称 nameen",
    "zone": "timezone zone 时区",
    "address": "address 地址",
    "address_en": "englishaddress 英文地址 addressen",
    "phone": "phone 电话 联系电话",
}
COURSE_TITLES: Mapping[str, str] = {
    "campus": "campus 校区 校区编号 campusid",
    "id": "id 编号 课程编号 courseid",
    "name": "name 名称 课程 课程名称",
    "name_en": "englishname 英文名 英文名称 nameen",
    "subject": "subject 内容 科目 课程内容",
    "subject_en": "englishsubject 英文内容 subjecten",
    "lessons": "lessons 课时 课时数 节数",
    "minutes": "minutes 分钟 每课分钟 每节分钟",
    "starts": "starts 开课 开始日期 开课日期",
    "ends": "ends 结课 结束日期 结课日期",
    "schedule": "schedule 时间 上课时间",
    "schedule_en": "englishschedule 英文时间 scheduleen",
    "place": "place 地点 教室 上课地点",
    "place_en": "englishplace 英文地点 placeen",
    "class_size": "classsize 人数 班额 班级人数",
    "teacher": "teacher 老师 教师",
    "teacher_en": "englishteacher 英文教师 teacheren",
    "price": "price 学费 价格 费用",
    "materials_fee": "materialsfee 材料费 资料费",
    "refunds": "refunds 退费 退费规则",
}
COUNTS = ("lessons", "minutes", "class_size")
OF_COURSE = ("campus", "id", "name", "name_en")
MAX_TABLE_ROWS = 500
MAX_TABLE_BYTES = 2 * 1024 * 1024
_REFUND = re.compile(r"(?P<when>.*\D)(?P<share>\d{1,3})\s*[%％]?")


@dataclass(frozen=True)
class TableRow:
    """One filled row below the titles. `number`: its number in the spreadsheet."""

    number: int
    values: Mapping[str, str]


def read_upload(data: bytes) -> str:
    """Return an uploaded spreadsheet (.xlsx, .xls, .ods, or text) as CSV. Raises UnreadableFile."""
    if len(data) > MAX_TABLE_BYTES:
        raise UnreadableFile(f"The file has more than {MAX_TABLE_BYTES // 1024 // 1024} MB.")
    reader = SpreadsheetReader()
    try:
        rows: list[list[str]] = []
        for number, cells in reader.filled_rows(data):
            if len(rows) > MAX_TABLE_ROWS:
                raise UnreadableFile(f"The spreadsheet could not be read:\nit has more than {MAX_TABLE_ROWS} rows")
            rows += [[] for _ in range(number - len(rows) - 1)] if number < MAX_TABLE_ROWS else []
            rows.append([_text(cell) for cell in cells])
    finally:
        reader.close()
    written = StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


def read_table(text: str, titles: Mapping[str, str]) -> tuple[list[TableRow], list[str]]:
    """Return the rows below the titles, and what is wrong with the table itself."""
    try:
        rows = [(number, row) for number, row in enumerate(rows_of_text(text.encode()), 1) if any(map(str.strip, row))]
    except ValueError as error:
        return [], [str(error)]
    if not rows:
        return [], ["is empty"]
    known = {alias: name for name, aliases in titles.items() for alias in aliases.split()}
    columns = [known.get(_folded(title), "") for title in rows[0][1]]
    faults = [
        f"row {rows[0][0]}: there is no column {title.strip()}; there are {', '.join(_all_words(titles))}"
        for title, column in zip(rows[0][1], columns, strict=True)
        if title.strip() and not column
    ]
    faults += [f"the column {name} occurs twice" for name in titles if columns.count(name) > 1]
    if len(rows) > MAX_TABLE_ROWS + 1:
        faults.append(f"has more than {MAX_TABLE_ROWS} rows")
    found = [TableRow(number, _values(columns, row)) for number, row in rows[1:]]
    return found, faults


def _all_words(titles: Mapping[str, str]) -> list[str]:
    """Return the titles that a table may have, each in both languages: campus 校区."""
    return [f"{name} {next(word for word in words.split() if not word.isascii())}" for name, words in titles.items()]


def course_entry(row: TableRow, template: str) -> dict[str, Any]:
    """Return the entry `[[course]]` for a row. A value that should be a number and is not stays as it is; reading the
    file reports it as a fault."""
    details: dict[str, Any] = {name: value for name, value in row.values.items() if name not in OF_COURSE}
    for name in COUNTS:
        if (value := details.get(name)) and value.isdecimal():
            details[name] = int(value)
    if "refunds" in details:
        details["refund_steps"] = _refund_steps(details.pop("refunds"))
    return {name: row.values[name] for name in OF_COURSE if name in row.values} | {
        "details": {"template": template} | details
    }


def _refund_steps(text: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for part in re.split(r"[;；\n]", text):
        if not part.strip():
            continue
        found = _REFUND.fullmatch(part.strip())
        steps.append({"when": found["when"].strip(), "share": int(found["share"])} if found else {"when": part.strip()})
    return steps


def _values(columns: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    return {column: cell.strip() for column, cell in zip(columns, row, strict=False) if column and cell.strip()}


def _folded(title: str) -> str:
    return re.sub(r"[\s_\-*＊]", "", unicodedata.normalize("NFKC", title)).casefold()


def _text(cell: Cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)
