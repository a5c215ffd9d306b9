"""Export the tables of a report as XLSX or CSV. No cell is a live formula."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web

from hub.documents.table_file import TableForm, Value, format_table
from hub.errors import BadInput
from hub.model.reports.report import list_undelivered, sum_spend
from hub.web.http.app_keys import RATE_LIMITS
from hub.web.staff import labels
from hub.web.staff.board.export import read_form
from hub.web.staff.render import speech
from hub.web.staff.report_labels import REASONS
from hub.web.staff.reports.reports import KEPT, Report, list_providers, read_report
from hub.web.staff.staff.access import StaffVisit

TABLES = ("contracts", "spend", "undelivered")
GROUP_TITLES = {"day": "Day", "campus": "Campus", "course": "Course", "channel": "Channel"}
FIGURES = (
    "issued",
    "reached",
    "signed",
    "completed",
    "expired",
    "ended otherwise",
    "to be signed",
    "hours to sign, median",
    "hours to sign, 90 %",
)
SPEND = ("Provider", "Channel", "messages", "segments", "cost", "Currency")
UNDELIVERED = ("Channel", "Reason", "messages")


async def table(visit: StaffVisit) -> web.Response:
    """Send one table of the report that the URL describes."""
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "staff-read")
    query = visit.request.query
    name = query.get("table", "")
    if name not in TABLES:
        raise BadInput("contracts, spend or undelivered", field="table")
    form = read_form(query.get("form", ""))
    report = await read_report(visit, {kept: query[kept] for kept in KEPT if query.get(kept)})
    titles, rows = _table(visit, report, name, await speech(visit))
    content = await asyncio.to_thread(format_table, form, titles, rows)
    file = f"qianda-{name}-{report.period.first}-{report.period.last}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    charset = "utf-8" if form is TableForm.CSV else None
    return web.Response(body=content, headers=headers, content_type=form.content_type, charset=charset)


def _table(visit: StaffVisit, report: Report, name: str, say: labels.Speech) -> tuple[list[str], list[list[Value]]]:
    if name == "contracts":
        titles: Sequence[str] = (GROUP_TITLES[report.group.value], *FIGURES)
        rows = [_figures(report, number) for number in range(len(report.rows))]
    elif name == "spend":
        spends = sum_spend(report.messages, list_providers(visit))
        titles, rows = (
            SPEND,
            [
                [
                    each.provider,
                    say.word(labels.CHANNELS, each.channel),
                    each.messages,
                    each.segments,
                    each.cost,
                    each.currency,
                ]
                for each in spends
            ],
        )
    else:
        titles, rows = (
            UNDELIVERED,
            [
                [say.word(labels.CHANNELS, each.channel), say.word(REASONS, each.reason), each.number]
                for each in list_undelivered(report.messages)
            ],
        )
    return [say.translate(title) for title in titles], rows


def _figures(report: Report, number: int) -> list[Value]:
    row = report.rows[number]
    line = row.line
    counts = [line.issued, line.reached, line.signed, line.completed, line.expired, line.ended, line.open]
    return [row.label, *counts, *(_hours(took) for took in line.times)]


def _hours(took: timedelta | None) -> Value:
    return None if took is None else round(took.total_seconds() / 3600, 2)
