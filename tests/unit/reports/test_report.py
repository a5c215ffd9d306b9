"""Figures of reports, their drawing, and when the weekly mail is due."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from string import Formatter
from uuid import UUID
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from channels import Failure
from hub.documents.reports.report_chart import (
    HEIGHT,
    MAX_ROWS,
    ChartBar,
    ChartWords,
    choose_scale,
    draw_columns,
    draw_rows,
)
from hub.errors import BadInput
from hub.model.contract.person import check_address
from hub.model.messaging.provider import ProviderSettings
from hub.model.reports import report_texts
from hub.model.reports.report import (
    STEPS_PER_E,
    CountedContracts,
    CountedMessages,
    ReportLine,
    ReportPeriod,
    Undelivered,
    compute_percentile,
    list_undelivered,
    sum_costs,
    sum_days,
    sum_lines,
    sum_spend,
)
from hub.model.reports.report_texts import ReportMail, write_subject, write_text
from hub.model.reports.weekly_report import MailState, WeeklyReport, find_due_week, find_next_try
from hub.web.staff.report_labels import REASONS

ZONE = "Asia/Shanghai"
WEEK = date(2026, 11, 23)
WORDS = ChartWords("Contracts <by> day", "issued", "reached", "completed")
HOUR = timedelta(hours=1)


# ---- contracts


def test_a_line_adds_up_to_what_was_issued() -> None:
    states = ("ISSUED", "SIGNED", "COMPLETED", "EXPIRED", "VOIDED", "DECLINED", "SIGNED_ON_PAPER")
    counted = [CountedContracts("hefei", state, True, None, 2**place) for place, state in enumerate(states)]
    line = sum_lines([*counted, CountedContracts("beijing", "ISSUED", False, None, 7)])["hefei"]
    assert (line.issued, line.reached, line.signed, line.completed, line.expired, line.open) == (127, 127, 6, 4, 8, 1)
    assert line.ended == 16 + 32 + 64


def test_times_to_sign_are_right_to_three_percent() -> None:
    steps = Counter(math.floor(math.log(30 * each) * STEPS_PER_E) for each in range(1, 1001))
    for share, exact in ((0.5, 15_000), (0.9, 27_000)):
        found = compute_percentile(steps, share)
        assert found and abs(found.total_seconds() / exact - 1) < 0.03
    assert compute_percentile({}, 0.5) is None


def test_a_period_is_whole_days_of_its_zone() -> None:
    period = ReportPeriod(date(2026, 11, 1), date(2026, 11, 30), ZONE)
    assert period.begin == datetime(2026, 10, 31, 16, tzinfo=UTC) and period.end == datetime(
        2026, 11, 30, 16, tzinfo=UTC
    )
    assert len(period.list_days()) == 30
    for first, last in ((date(2026, 1, 2), date(2026, 1, 1)), (date(2026, 1, 1), date(2027, 1, 2))):
        with pytest.raises(BadInput):
            ReportPeriod(first, last, ZONE)


def test_days_without_a_contract_are_there_and_long_periods_are_shown_by_weeks() -> None:
    counted = [CountedContracts(day, "ISSUED", False, None, 1) for day in ("2026-01-01", "2026-01-04", "2026-01-05")]
    short = sum_days(counted, ReportPeriod(date(2026, 1, 1), date(2026, 1, 7), ZONE))
    assert [line.issued for line in short.values()] == [1, 0, 0, 1, 1, 0, 0]
    long = sum_days(counted, ReportPeriod(date(2026, 1, 1), date(2026, 6, 30), ZONE))
    assert list(long)[:3] == [date(2026, 1, 1), date(2026, 1, 5), date(2026, 1, 12)]
    assert [line.issued for line in long.values()][:3] == [2, 1, 0]


# ---- messages

MESSAGES = [
    CountedMessages("sms", "aliyun", "delivered", None, 100, 150, 0),
    CountedMessages("sms", "aliyun", "undelivered", "transient", 10, 12, 2),
    CountedMessages("sms", "aliyun", "refused", "content", 3, 3),
    CountedMessages("sms", None, "withdrawn", None, 9, 9),
    CountedMessages("email", "post", "undelivered", None, 4, 4),
]


def test_what_was_taken_is_paid_for_whether_or_not_it_arrived() -> None:
    providers = {"aliyun": ProviderSettings("aliyun", "sms_aliyun", "sms", segment_cost=0.045)}
    aliyun, post = sum_spend(MESSAGES, providers)
    assert (aliyun.messages, aliyun.segments, aliyun.unmeasured, aliyun.cost) == (110, 162, 2, Decimal("7.290"))
    assert (post.segments, post.cost) == (4, None)
    assert sum_costs([aliyun, post]) == {"CNY": Decimal("7.290")}


def test_failed_messages_are_listed_by_reason_the_most_frequent_first() -> None:
    found = [(each.channel, each.reason, each.number) for each in list_undelivered(MESSAGES)]
    assert found == [("sms", "transient", 10), ("email", "other", 4), ("sms", "content", 3)]


def test_every_failure_has_words_on_the_page_and_in_the_mail() -> None:
    assert set(REASONS) == set(report_texts.REASONS) == set(Failure)


def test_the_mail_says_the_same_in_both_languages() -> None:
    texts = [each for each in vars(report_texts).values() if isinstance(each, dict) and set(each) == {"zh", "en"}]
    assert len(texts) > 8
    for zh, en in ((each["zh"], each["en"]) for each in texts if isinstance(each["zh"], str)):
        assert {name for _, name, _, _ in Formatter().parse(zh)} == {name for _, name, _, _ in Formatter().parse(en)}
    assert report_texts.format_time(timedelta(minutes=90), "en") == "90 minutes"
    assert report_texts.format_time(timedelta(days=3), "zh") == "3 天"
    assert report_texts.format_time(timedelta(seconds=1), "en") == "1 minute"


def test_the_mail_names_every_figure_of_the_page_and_whose_they_are() -> None:
    period = ReportPeriod(date(2026, 11, 23), date(2026, 11, 29), "Asia/Shanghai")
    line = ReportLine(
        issued=1200, reached=1100, signed=900, completed=800, expired=60, open=40, steps=Counter({0: 900})
    )
    failed = [Undelivered("sms", "address", 3), Undelivered("email", "opted-out", 1)]
    mail = ReportMail("合肥校区", False, period, line, {}, failed, "https://x/staff/reports")
    said = write_text(mail, "zh")
    assert "1,200 份" in said and "其他方式结束 200，待签 40" in said and "分钟内，九成在" in said
    assert "号码或邮箱无法接收 3 条；已退订 1 条" in said
    said = write_text(mail, "en")
    assert "ended otherwise: 200, to be signed: 40" in said
    assert "number or mailbox cannot be reached (3); asked for no more messages (1)" in said
    assert write_subject(mail, "zh").startswith("合肥校区签约周报 2026-11-23")
    assert write_subject(replace(mail, has_below=True), "zh").startswith("合肥校区及下级校区签约周报")
    empty = write_text(replace(mail, line=ReportLine(), undelivered=()), "zh")
    assert empty.startswith("这一周没有签发合同。") and "待签" not in empty


# ---- charts


def heights(svg: str, name: str) -> list[float]:
    return [float(each) for each in re.findall(rf'<rect class="{name}"[^>]* height="([\d.]+)"', svg)][1:]


def test_columns_lie_within_each_other_on_one_scale() -> None:
    bars = [ChartBar("11-01", 200, 100, 50), ChartBar("11-02", 0, 0, 0), ChartBar("11-03", 100, 100, 0)]
    svg = draw_columns(bars, WORDS)
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "Contracts <by> day" and root.get("role") == "img"
    issued, reached, completed = (heights(svg, name) for name in ("issued", "reached", "completed"))
    assert len(issued) == 2 and reached == [issued[1], issued[1]]
    assert issued[0] == pytest.approx(2 * issued[1], abs=0.2) and completed == [pytest.approx(issued[1] / 2, abs=0.2)]
    assert issued[0] < HEIGHT and "11-03" in svg


def test_rows_are_as_wide_as_their_number_and_names_are_only_text() -> None:
    bars = [ChartBar("<b>&", 400, 0, 0), ChartBar("x", 100, 100, 100)] + [
        ChartBar(f"n{each}", 1, 0, 0) for each in range(30)
    ]
    svg = draw_rows(bars, WORDS)
    ElementTree.fromstring(svg)
    assert "&lt;b&gt;&amp;" in svg and f"n{MAX_ROWS - 3}" in svg and f"n{MAX_ROWS - 2}" not in svg
    widths = re.findall(r'<rect class="(\w+)" x="0.0" y="\d+.0" width="([\d.]+)" height="14.0"', svg)
    assert widths[:4] == [("issued", "440.0"), ("issued", "110.0"), ("reached", "110.0"), ("completed", "110.0")]


@pytest.mark.parametrize(
    ("largest", "scale"), [(0, 2), (2, 2), (3, 4), (5, 10), (10, 10), (11, 20), (1001, 2000), (4001, 10_000)]
)
def test_a_scale_ends_at_a_round_number(largest: int, scale: int) -> None:
    assert choose_scale(largest) == scale


# ---- the weekly mail


def wish(since: datetime = datetime(2026, 11, 18, tzinfo=UTC), **changes: object) -> WeeklyReport:
    return WeeklyReport(UUID(int=1), "hefei", "a@school.example", "zh", since, **changes)  # type: ignore[arg-type]


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo(ZONE))


@pytest.mark.parametrize(
    ("now", "report", "week"),
    [
        (at(23, 7, 59), wish(), None),
        (at(23, 8), wish(), WEEK),
        (at(29, 23), wish(week=date(2026, 11, 16), state=MailState.SENT), WEEK),
        (at(24, 8), wish(since=at(23, 8)), None),
        (at(24, 8), wish(week=WEEK, state=MailState.SENT), None),
        (at(24, 8), wish(week=WEEK, state=MailState.SENDING), None),
        (at(24, 8), wish(week=WEEK, state=MailState.UNKNOWN), None),
        (at(24, 8), wish(week=WEEK, state=MailState.AGAIN), None),
        (at(24, 8), wish(week=WEEK, state=MailState.AGAIN, due_at=at(24, 8)), WEEK),
    ],
)
def test_a_mail_is_due_once_a_week_from_monday_on(now: datetime, report: WeeklyReport, week: date | None) -> None:
    assert find_due_week(report, ZONE, now) == week


def test_a_mail_that_was_not_taken_is_tried_three_times_more() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert [find_next_try(tries, now) for tries in (1, 3, 4)] == [now + HOUR / 6, now + 6 * HOUR, None]


@pytest.mark.parametrize(
    "address", ["", "a", "a@b", "a@b.c", "a b@c.de", "a@c.de, b@c.de", "a@c.de\nBcc: b@c.de", "<a@c.de>"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BadInput):
        check_address(address)


def test_an_address_is_kept_without_blanks_around_it() -> None:
    assert check_address(" li@school.example ") == "li@school.example"


def test_a_line_of_nothing_has_no_times() -> None:
    assert ReportLine().times == (None, None) and ReportLine().ended == 0
