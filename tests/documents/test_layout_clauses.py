"""Clause templates: their markup, amounts in words, and what the restricted child process keeps away from the hub."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from hub.documents.child import Limits
from hub.documents.contract.clauses import ClauseWriter, Heading, Paragraph, Table, read_blocks
from hub.documents.contract.wording import capital_amount, chinese_number, day, money
from hub.errors import TemplateFailed
from tests.catalogues import catalogues


@pytest.fixture(scope="module")
def writer() -> Iterator[ClauseWriter]:
    writer = ClauseWriter(Limits(memory_bytes=256 * 1024 * 1024, cpu_seconds=1, seconds=120))
    yield writer
    writer.close()


def test_each_kind_of_line_becomes_its_block(writer: ClauseWriter) -> None:
    text = "plain\n# 费用\n+ 一\n! 二\n| 甲 | {{ a }}\n| 乙 | 1 | 丙 | 2\n|= 时间 | 比例\n| 前 | 100%\n# 其他\n+ 三\n"
    assert writer.write(text, {"a": "x | y"}, "zh") == (
        Paragraph("plain"),
        Heading("第一条", "费用"),
        Paragraph("一", "1.1"),
        Paragraph("二", "1.2", strong=True),
        Table((("甲", "x | y"), ("乙", "1", "丙", "2"))),
        Table((("时间", "比例"), ("前", "100%")), head_rows=1),
        Heading("第二条", "其他"),
        Paragraph("三", "2.1"),
    )


def test_articles_are_numbered_in_english_too() -> None:
    assert read_blocks("# A\n# B\n+ c\n", "en") == (Heading("1.", "A"), Heading("2.", "B"), Paragraph("c", "2.1"))


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("no article", "no article"),
        ("# a\n{{ missing }}", "missing"),
        ("# a\n{{ x.missing }}", "missing"),
        ("# a\n{% if %}", "Expected an expression"),
        ("# a\n{{ x.__class__.__mro__ }}", "unsafe"),
        ("# a\n{{ ''.__class__ }}", "unsafe"),
        ("# a\n{% for n in range(10**9) %}x{% endfor %}", "too big"),
        ("# a\n{{ 'x' * 10**10 }}", "memory"),
        ("# a\n{% for a in range(300) %}{{ 'x' * 1000 }}{% endfor %}", "longer than"),
        ("# a\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "too much time"),
        ("# a\n|= a | b\n| c | d | e", "its head has 2"),
        ("# a\n| a | b | c", "without a value"),
        ("# a\n{{ 'x' * 40001 }}", "longer than 40,000"),
        ("# a\n{% for n in range(1000) %}+ a\n{% endfor %}", "more than 1,000 lines"),
        ("# a\n{% for n in range(301) %}| a | b\n{% endfor %}", "more than 300 rows"),
        ("# a\n|= {{ 'a' }}{% for n in range(20) %}| a{% endfor %}", "more than 20 cells"),
    ],
)
def test_a_template_that_is_wrong_or_greedy_fails_and_the_next_one_works(
    writer: ClauseWriter, template: str, why: str
) -> None:
    with pytest.raises(TemplateFailed, match=why):
        writer.write(template, {"x": {}}, "zh")
    assert writer.write("# a", {}, "zh") == (Heading("第一条", "a"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [("# a\n" * 1001, "1,000"), ("# a\n" + "| a | b\n" * 301, "300"), ("# a\n" + "|" * 21, "20")],
)
def test_what_is_too_much_is_said_in_chinese_too(text: str, words: str) -> None:
    with pytest.raises(TemplateFailed) as refused:
        read_blocks(text, "zh")
    chinese = catalogues().translator("zh")(refused.value.detail)
    assert "超过" in chinese and words in chinese


def test_filters_write_amounts_and_days(writer: ClauseWriter) -> None:
    text = "# {{ d|day }} {{ p|money }} {{ p|capital }}"
    (heading,) = writer.write(text, {"d": "2026-12-05", "p": "3000.50"}, "zh")
    assert heading == Heading("第一条", "2026年12月5日 3,000.50 叁仟元伍角整")


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "零元整"),
        ("0.05", "伍分"),
        ("0.50", "伍角整"),
        ("10", "壹拾元整"),
        ("105", "壹佰零伍元整"),
        ("1005", "壹仟零伍元整"),
        ("1050", "壹仟零伍拾元整"),
        ("1680.32", "壹仟陆佰捌拾元叁角贰分"),
        ("16409.02", "壹万陆仟肆佰零玖元零贰分"),
        ("6007.14", "陆仟零柒元壹角肆分"),
        ("100000", "壹拾万元整"),
        ("107000", "壹拾万柒仟元整"),
        ("100500", "壹拾万零伍佰元整"),
        ("1000001", "壹佰万零壹元整"),
        ("100000000", "壹亿元整"),
        ("100010000", "壹亿零壹万元整"),
        ("4500.00", "肆仟伍佰元整"),
    ],
)
def test_amounts_in_capital_numerals(amount: str, words: str) -> None:
    assert capital_amount(Decimal(amount)) == words


@pytest.mark.parametrize("amount", ["-1", "0.001", "10000000000000000"])
def test_no_amount_of_money(amount: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        capital_amount(Decimal(amount))


def test_small_words() -> None:
    assert [chinese_number(number) for number in (1, 10, 11, 20, 99)] == ["一", "十", "十一", "二十", "九十九"]
    assert money(Decimal("12880.5")) == "12,880.50"
    assert day(date(2027, 2, 3), "en") == "3 February 2027"
