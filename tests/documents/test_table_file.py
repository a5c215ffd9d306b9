"""Tables to take out: nothing that somebody typed becomes a formula."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from hub.documents.table_file import Value, XlsxTable, format_csv

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1+1", "\r=1")
AT = datetime(2026, 11, 27, 18, 2, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_in_either_form(text: str) -> None:
    assert format_csv([[text]]).decode().strip('"').startswith("'")
    table = XlsxTable(["Student"])
    table.add([text])
    with zipfile.ZipFile(io.BytesIO(table.finish())) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet and re.search(r'<c r="A2" t="(inlineStr|s)"', sheet)


def test_names_numbers_and_moments_stay_as_they_are() -> None:
    row: list[Value] = ["陈小满", 2, AT, None, 'say "hi", or not']
    assert format_csv([row]).decode() == '陈小满,2,2026-11-27 18:02,,"say ""hi"", or not"\r\n'
    table = XlsxTable(["a", "b", "c"])
    table.add(row)
    with zipfile.ZipFile(io.BytesIO(table.finish())) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<v>2</v>" in sheet and "<v>46353.75138888889</v>" in sheet
