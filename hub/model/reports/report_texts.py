"""The weekly report as the text of an e-mail, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from hub.model.reports.report import ReportLine, ReportPeriod, Undelivered

# Maximum number of reasons in an e-mail. The page shows all of them.
MAX_REASONS = 3
SUBJECT = {"zh": "{campus}签约周报 {first} 至 {last}", "en": "{campus}: contracts from {first} to {last}"}
# The campus of a report that is about others, too.
WITH_BELOW = {"zh": "{campus}及下级校区", "en": "{campus} and the campuses below it"}
NOTHING = {"zh": "这一周没有签发合同。", "en": "No contracts were issued in this week."}
ISSUED = {
    "zh": (
        "签发合同 {issued} 份，目前：已达 {reached}，已签署 {signed}，已完成 {completed}，已过期 {expired}，"
        "其他方式结束 {ended}，待签 {open}。"
    ),
    "en": (
        "Contracts issued: {issued}. Of these, reached: {reached}, signed: {signed}, completed: {completed}, expired:"
        " {expired}, ended otherwise: {ended}, to be signed: {open}."
    ),
}
TIMES = {
    "zh": "签署用时（从签发到所有人签完）：一半在 {median}内，九成在 {ninety}内。",
    "en": "Time to sign, from the issue until everybody has signed: half within {median}, nine in ten within {ninety}.",
}
COSTS = {"zh": "消息费用：{costs}。", "en": "Cost of messages: {costs}."}
FAILED = {"zh": "未送达的消息：{reasons}。", "en": "Messages not delivered: {reasons}."}
MORE = {"zh": "完整报表：{link}", "en": "Full report: {link}"}
WHY = {
    "zh": "您在报表页选择了每周收到这封邮件，也可以在那里取消。",
    "en": "You get this e-mail every week because you asked for it on the page of reports, where you can also stop it.",
}
PICTURE = {"zh": "每天签发的合同", "en": "Contracts issued each day"}
LEGEND = {"zh": ("已签发", "已达", "已完成"), "en": ("issued", "reached", "completed")}
REASONS: Mapping[str, tuple[str, str]] = {
    "address": ("号码或邮箱无法接收", "number or mailbox cannot be reached"),
    "opted-out": ("已退订", "asked for no more messages"),
    "filtered": ("被当作垃圾信息拦截", "filtered as spam"),
    "content": ("服务商不接受该内容", "text not allowed by the provider"),
    "account": ("服务商账户异常", "trouble with the provider account"),
    "transient": ("关机、信箱已满或网络忙", "phone off, mailbox full or network busy"),
    "other": ("其他原因", "other reasons"),
}
_UNITS = ((86400, "天", "day", "days"), (3600, "小时", "hour", "hours"), (60, "分钟", "minute", "minutes"))


@dataclass(frozen=True)
class ReportMail:
    """The data of a weekly e-mail. `campus`: its name in the language of the e-mail. `has_below`: the figures are also
    those of campuses below it. `costs`: by currency."""

    campus: str
    has_below: bool
    period: ReportPeriod
    line: ReportLine
    costs: Mapping[str, Decimal]
    undelivered: Sequence[Undelivered]
    link: str


def write_subject(mail: ReportMail, language: str) -> str:
    campus = WITH_BELOW[language].format(campus=mail.campus) if mail.has_below else mail.campus
    return SUBJECT[language].format(campus=campus, first=mail.period.first, last=mail.period.last)


def write_text(mail: ReportMail, language: str) -> str:
    """Return the paragraphs of an e-mail. They contain no names of people."""
    line = mail.line
    if not line.issued:
        said = [NOTHING[language]]
    else:
        names = ("issued", "reached", "signed", "completed", "expired", "ended", "open")
        said = [ISSUED[language].format(**{name: f"{getattr(line, name):,}" for name in names})]
    median, ninety = line.times
    if median is not None and ninety is not None:
        times = {"median": format_time(median, language), "ninety": format_time(ninety, language)}
        said.append(TIMES[language].format(**times))
    if mail.costs:
        costs = (f"{format_amount(cost)} {currency}" for currency, cost in sorted(mail.costs.items()))
        said.append(COSTS[language].format(costs=(", " if language == "en" else "、").join(costs)))
    if mail.undelivered:
        said.append(FAILED[language].format(reasons=_reasons(mail.undelivered, language)))
    return "\n\n".join([*said, MORE[language].format(link=mail.link), WHY[language]])


def _reasons(undelivered: Sequence[Undelivered], language: str) -> str:
    counts: dict[str, int] = {}
    for each in undelivered:
        counts[each.reason] = counts.get(each.reason, 0) + each.number
    first = sorted(counts.items(), key=lambda item: -item[1])[:MAX_REASONS]
    if language == "en":
        return "; ".join(f"{_word(reason, language)} ({number:,})" for reason, number in first)
    return "；".join(f"{_word(reason, language)} {number:,} 条" for reason, number in first)


def _word(reason: str, language: str) -> str:
    chinese, english = REASONS.get(reason, REASONS["other"])
    return english if language == "en" else chinese


def format_time(time: timedelta, language: str) -> str:
    """Return a duration in the largest unit of which it has at least two: 90 minutes, 5 hours, 3 days."""
    seconds = time.total_seconds()
    size, chinese, one, many = next((unit for unit in _UNITS if seconds >= 2 * unit[0]), _UNITS[-1])
    number = max(round(seconds / size), 1)
    if language == "en":
        return f"{number} {one if number == 1 else many}"
    return f"{number} {chinese}"


def format_amount(cost: Decimal) -> str:
    """Return an amount of money with two decimals."""
    return f"{cost:,.2f}"
