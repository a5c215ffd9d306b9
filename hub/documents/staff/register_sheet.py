"""Write the register of seals as a file: CSV or a spreadsheet, in which no text becomes a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

TITLES: Final = (
    "印章 Seal",
    "时间 Time",
    "结果 Outcome",
    "原因 Reason",
    "文件 SHA-256",
    "对象 About",
    "申请方 Asked by",
    "校区 Campus",
    "模板 Template",
    "授权 Grant",
    "次数 Count",
    "尝试 Tries",
    "结束 Ended",
    "成品 SHA-256",
)
# A cell that begins with one of these is a formula in spreadsheets, or may become one.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
RegisterLine = Sequence[str | int]


def register_csv(lines: Iterable[RegisterLine]) -> bytes:
    """Return the lines as UTF-8 with a byte order mark, by which spreadsheets recognise the encoding."""
    output = io.StringIO()
    writer = csv.writer(output)
    writer.writerow(TITLES)
    writer.writerows([inert(value) for value in line] for line in lines)
    return output.getvalue().encode("utf-8-sig")


def inert(value: str | int) -> str | int:
    """Return a value that no spreadsheet calculates. A text that looks like a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def register_xlsx(lines: Iterable[RegisterLine]) -> bytes:
    """Return the lines as a spreadsheet, in which every text stays text."""
    import xlsxwriter  # needed only by those who export the register

    output = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(output, options) as book:
        sheet = book.add_worksheet("Register")
        for number, line in enumerate((TITLES, *lines)):
            for column, value in enumerate(line):
                if isinstance(value, int):
                    sheet.write_number(number, column, value)
                else:
                    sheet.write_string(number, column, value)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(TITLES) - 1, 20)
    return output.getvalue()
