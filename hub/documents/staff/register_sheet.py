"""Write the register of seals as a file: CSV or a spreadsheet, in which no text becomes a formula."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from hub.documents.staff.board_sheet import BYTE_ORDER_MARK, XlsxTable, format_csv

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
RegisterLine = Sequence[str | int]


def register_csv(lines: Iterable[RegisterLine]) -> bytes:
    """Return the lines as UTF-8 with a byte order mark, by which spreadsheets recognise the encoding."""
    return BYTE_ORDER_MARK + format_csv([TITLES, *lines])


def register_xlsx(lines: Iterable[RegisterLine]) -> bytes:
    """Return the lines as a spreadsheet."""
    table = XlsxTable(TITLES)
    for line in lines:
        table.add(line)
    return table.finish()
