"""Show reports: figures of the contracts issued in a period, as charts and tables. Order a weekly e-mail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.documents.reports.report_chart import MAX_ROWS, ChartWords, bar_of, bars_of_days, draw_columns, draw_rows
from hub.errors import BadInput, QiandaError
from hub.lifecycle.reports.weekly_report import has_mail, subscribe, unsubscribe
from hub.model.messaging.provider import ProviderSettings
from hub.model.reports.report import (
    CountedContracts,
    CountedMessages,
    ReportGroup,
    ReportLine,
    ReportPeriod,
    combine_lines,
    list_undelivered,
    sum_costs,
    sum_days,
    sum_lines,
    sum_spend,
)
from hub.model.reports.report_texts import format_amount, format_time
from hub.model.reports.weekly_report import LANGUAGES
from hub.model.school.course import Course
from hub.model.school.entered_day import read_day
from hub.web.staff import labels
from hub.web.staff.forms import Entered, link_to, printable
from hub.web.staff.render import name_in, show, speech
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff/reports"
# The periods to choose from by a link: days up to today.
LENGTHS = (7, 30, 90, 365)
USUAL_LENGTH = 30
GROUPS = {
    ReportGroup.DAY: "by day",
    ReportGroup.CAMPUS: "by campus",
    ReportGroup.COURSE: "by course",
    ReportGroup.CHANNEL: "by channel",
}
CHART = {
    ReportGroup.DAY: "Contracts issued each day",
    ReportGroup.CAMPUS: "Contracts issued by each campus",
    ReportGroup.COURSE: "Contracts issued for each course",
    ReportGroup.CHANNEL: "Contracts with a message by each channel",
}
KEPT = ("campus", "by", "from", "until", "course")


@dataclass(frozen=True)
class ReportRow:
    """A group with its name. `link`: the report by day about it alone; empty if there is none."""

    label: str
    line: ReportLine
    link: str = ""


@dataclass(frozen=True)
class Report:
    """A report as it was asked for. `rows`: days in their order, other groups the largest first."""

    group: ReportGroup
    period: ReportPeriod
    course: str | None
    rows: Sequence[ReportRow]
    days: Mapping[date, ReportLine]
    messages: Sequence[CountedMessages]
    courses: Sequence[Course]

    @property
    def total(self) -> ReportLine | None:
        """The sum of all rows; None if a contract can be counted in several rows."""
        return None if self.group is ReportGroup.CHANNEL else combine_lines(row.line for row in self.rows)


async def show_reports(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    """Show the report that the URL describes. If that is not possible, show the default report, and why."""
    query = Entered({name: visit.request.query[name] for name in KEPT if visit.request.query.get(name)})
    try:
        report = await read_report(visit, query)
    except BadInput as wrong:
        # Keep the campus, whose figures are shown.
        query, problem = Entered({name: query[name] for name in ("campus",) if query.get(name)}), problem or wrong
        report = await read_report(visit, query)
    async with visit.services.database.transaction(visit.scope) as tx:
        subscription = await tx.weekly_reports.get(visit.staff.id)
    say, today = await speech(visit), report.period.last
    spends = sum_spend(report.messages, list_providers(visit))
    return await show(
        visit,
        "staff/reports/reports.html",
        problem=problem,
        report=report,
        query=query,
        groups=GROUPS,
        chart=_chart(report, say),
        shown_rows=MAX_ROWS,
        spends=spends,
        costs=sum_costs(spends),
        undelivered=list_undelivered(report.messages),
        lengths=[
            (days, link_to(HERE, query, {"from": today - timedelta(days=days - 1), "until": today})) for days in LENGTHS
        ],
        link=lambda **changes: link_to(HERE, query, changes),
        table=lambda name, form: link_to(f"{HERE}/table", query, {"table": name, "form": form}),
        time=lambda took: format_time(took, say.lang) if took is not None else "–",
        amount=format_amount,
        subscription=subscription,
        has_mail=has_mail(visit.services),
        languages=LANGUAGES,
    )


async def read_report(visit: StaffVisit, query: Mapping[str, str]) -> Report:
    """Return the figures that a query asks for. Raises BadInput."""
    if query.get("by", ReportGroup.DAY) not in set(ReportGroup):
        raise BadInput("unknown group", field="by")
    group, course = ReportGroup(query.get("by", ReportGroup.DAY)), printable(query.get("course", "")) or None
    async with visit.services.database.transaction(visit.shown) as tx:
        period = _read_period(query, visit.zone, tx.now)
        courses = await tx.school.list_courses(visit.campus.id if visit.campus else None)
    # Each statement takes one core, so halves and messages are counted at the same time, in transactions of their own.
    lower, upper, messages = await asyncio.gather(
        _count_contracts(visit, group, period, course, lower=True),
        _count_contracts(visit, group, period, course, lower=False),
        _count_messages(visit, period),
    )
    counted = [*lower, *upper]
    days = sum_days(counted, period) if group is ReportGroup.DAY else {}
    rows = [ReportRow(day.isoformat(), line) for day, line in days.items()]
    if group is not ReportGroup.DAY:
        rows = _named_rows(group, sum_lines(counted), _names(visit, await speech(visit), courses), query)
    return Report(group, period, course, rows, days, messages, courses)


async def _count_contracts(
    visit: StaffVisit, group: ReportGroup, period: ReportPeriod, course: str | None, *, lower: bool
) -> Sequence[CountedContracts]:
    async with visit.services.database.transaction(visit.shown) as tx:
        return await tx.report_figures.count_contracts(group, period, course, lower)


async def _count_messages(visit: StaffVisit, period: ReportPeriod) -> Sequence[CountedMessages]:
    async with visit.services.database.transaction(visit.shown) as tx:
        return await tx.report_figures.count_messages(period)


def _read_period(query: Mapping[str, str], zone: str, now: datetime) -> ReportPeriod:
    today = now.astimezone(ZoneInfo(zone)).date()
    last = read_day(query.get("until", ""), "until") or today
    first = read_day(query.get("from", ""), "from") or last - timedelta(days=USUAL_LENGTH - 1)
    return ReportPeriod(first, last, zone)


def _names(visit: StaffVisit, say: labels.Speech, courses: Sequence[Course]) -> dict[ReportGroup, dict[str, str]]:
    return {
        ReportGroup.CAMPUS: {each.id: name_in(each, say.lang) for each in visit.campuses},
        ReportGroup.COURSE: {each.id: name_in(each, say.lang) for each in courses}
        | {"": say.translate("without a course")},
        ReportGroup.CHANNEL: {name: say.word(labels.CHANNELS, name) for name in labels.CHANNELS},
    }


def _named_rows(
    group: ReportGroup,
    lines: Mapping[str, ReportLine],
    names: Mapping[ReportGroup, Mapping[str, str]],
    query: Mapping[str, str],
) -> list[ReportRow]:
    def link(key: str) -> str:
        return link_to(HERE, query, {"by": "", group.value: key}) if key and group is not ReportGroup.CHANNEL else ""

    found = [ReportRow(names[group].get(key, key), line, link(key)) for key, line in lines.items()]
    return sorted(found, key=lambda row: (-row.line.issued, row.label))


def _chart(report: Report, say: labels.Speech) -> str:
    """Return the chart as SVG; empty if there is nothing to draw."""
    if not any(row.line.issued for row in report.rows):
        return ""
    title = say.translate(CHART[report.group])
    words = ChartWords(title, *(say.translate(word) for word in ("issued", "reached", "completed")))
    if report.group is ReportGroup.DAY:
        return draw_columns(bars_of_days(report.days), words)
    return draw_rows([bar_of(row.label, row.line) for row in report.rows], words)


def list_providers(visit: StaffVisit) -> dict[str, ProviderSettings]:
    return {each.name: each.settings for each in visit.services.messaging.router.providers}


# ---- the weekly mail


async def order_weekly_report(visit: StaffVisit) -> web.StreamResponse:
    """Store the address to which the weekly report goes, and its language."""
    form = await visit.request.post()
    language = str(form.get("language", ""))
    try:
        if language not in LANGUAGES:
            raise BadInput("zh or en", field="language")
        await subscribe(visit.services, visit.staff, str(form.get("email", ""))[:300], language)
    except BadInput as problem:
        return await show_reports(visit, problem)
    raise web.HTTPSeeOther(f"{HERE}?said=report-wanted")


async def end_mail(visit: StaffVisit) -> web.StreamResponse:
    await unsubscribe(visit.services, visit.staff)
    raise web.HTTPSeeOther(f"{HERE}?said=report-ended")
