"""Export the contracts of the board as a table, XLSX or CSV, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.documents.table_file import BYTE_ORDER_MARK, TableForm, Value, XlsxTable, format_csv
from hub.errors import BadInput, NotFound
from hub.lifecycle.evidence.school_acts import record_act
from hub.model.staff.scope import Scope
from hub.store.board.board_filter import BoardFilter, BoardSort
from hub.store.board.dashboard import BoardRow
from hub.web.http.app_keys import RATE_LIMITS
from hub.web.staff import labels
from hub.web.staff.board.dashboard import link_with_filters, read_sort, wanted_of
from hub.web.staff.board.selection import FITTING, describe_filter, read_selected
from hub.web.staff.render import show, speech
from hub.web.staff.staff.access import StaffVisit

# The most rows of one XLSX file, which is made completely before it is sent. CSV has no limit.
MAX_XLSX_ROWS = 20_000
# The most contracts that can be chosen one by one.
MAX_CHOSEN = 5000
# Rows of one statement.
ROWS_AT_ONCE = 500
TITLES = (
    "Contract number", "Student", "Course", "Campus", "State", "Issued", "Deadline", "Signers", "Signed by",
    "Last message by", "Receipt", "Last message at", "Opened", "Last signature", "Next step", "Next step at", "Your id",
)  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """The requested export. `scope`: the campuses that are shown or, for contracts chosen one by one, all campuses that
    the member of staff may see."""

    wanted: BoardFilter
    sort: BoardSort
    scope: Scope
    number: int


async def ask(visit: StaffVisit) -> web.Response:
    """Show how many contracts the table would have, its columns, and the formats to choose from."""
    exported = await _read(visit)
    chosen = exported.wanted.ids
    return await show(
        visit,
        "staff/board/export_preview.html",
        contracts="" if chosen is None else " ".join(map(str, chosen)),
        fitting=chosen is None,
        number=exported.number,
        most=MAX_XLSX_ROWS,
        titles=TITLES,
        back=link_with_filters(visit, "/staff"),
        query=link_with_filters(visit, ""),
    )


async def export(visit: StaffVisit) -> web.StreamResponse:
    """Send the table. The school's record gets an entry with the filters and the number of contracts."""
    await visit.request.app[RATE_LIMITS].slow_down(visit.request, "staff-read")
    form = read_form(str((await visit.request.post()).get("form", "")))
    exported = await _read(visit)
    check_number(form, exported.number)
    async with visit.services.database.transaction(visit.scope) as tx:
        facts = {"count": exported.number, "form": form.value} | describe_filter(exported.wanted)
        await record_act(tx, visit.staff.campus, "contracts-exported", visit.actor, facts)
        name = f"qianda-{tx.now.astimezone(ZoneInfo(visit.zone)):%Y%m%d-%H%M}.{form}"
    response = web.StreamResponse(headers={"Content-Disposition": f'attachment; filename="{name}"'})
    response.content_type = form.content_type
    return await (_send_xlsx if form is TableForm.XLSX else _send_csv)(visit, exported, response)


def read_form(word: str) -> TableForm:
    """Return the chosen form of a file. Raises BadInput."""
    if word not in set(TableForm):
        raise BadInput("xlsx or csv", field="form")
    return TableForm(word)


def check_number(form: TableForm, number: int) -> None:
    """Raise BadInput if there is nothing to export, or more than fits into a file of this form."""
    if not number:
        raise BadInput("no contract matches", field="contracts")
    if form is TableForm.XLSX and number > MAX_XLSX_ROWS:
        raise BadInput(f"at most {MAX_XLSX_ROWS} contracts fit into one XLSX file", field="contracts")


async def _read(visit: StaffVisit) -> Exported:
    """Return the requested export. Raises NotFound for a chosen contract outside the scope."""
    form = await visit.request.post()
    wanted, scope = BoardFilter(), visit.shown
    if FITTING not in form:
        wanted, scope = BoardFilter(ids=tuple(await read_selected(visit, MAX_CHOSEN))), visit.scope
    async with visit.services.database.transaction(scope) as tx:
        if wanted.ids is None:
            wanted = wanted_of(visit, tx.planning_now)
        number = await tx.board.count(wanted)
    if wanted.ids is not None and number < len(wanted.ids):
        raise NotFound
    return Exported(wanted, read_sort(visit), scope, number)


async def _send_csv(visit: StaffVisit, exported: Exported, response: web.StreamResponse) -> web.StreamResponse:
    response.charset = "utf-8"
    say = await speech(visit)
    await response.prepare(visit.request)
    await response.write(BYTE_ORDER_MARK + format_csv([[say.translate(title) for title in TITLES]]))
    async for rows in _rows(visit, exported):
        await response.write(format_csv(_values(say, row) for row in rows))
    await response.write_eof()
    return response


async def _send_xlsx(visit: StaffVisit, exported: Exported, response: web.StreamResponse) -> web.StreamResponse:
    say = await speech(visit)
    table = XlsxTable([say.translate(title) for title in TITLES])
    async for rows in _rows(visit, exported):
        await asyncio.to_thread(_add_rows, table, say, rows)
    content = await asyncio.to_thread(table.finish)
    response.content_length = len(content)
    await response.prepare(visit.request)
    await response.write(content)
    await response.write_eof()
    return response


def _add_rows(table: XlsxTable, say: labels.Speech, rows: Sequence[BoardRow]) -> None:
    for row in rows:
        table.add(_values(say, row))


async def _rows(visit: StaffVisit, exported: Exported) -> AsyncIterator[Sequence[BoardRow]]:
    """Yield the contracts in the order of the board, in batches with a transaction each. So there may be a few more or
    fewer than were counted before."""
    sort, after = exported.sort, None
    while True:
        async with visit.services.database.transaction(exported.scope) as tx:
            rows = await tx.board.list_rows(exported.wanted, sort=sort, after=after, limit=ROWS_AT_ONCE)
        if rows:
            yield rows
            after = (rows[-1].get_sorted_by(sort), rows[-1].id)
        if len(rows) < ROWS_AT_ONCE:
            return


def _values(say: labels.Speech, row: BoardRow) -> list[Value]:
    zone, message, upcoming, english = ZoneInfo(row.zone), row.message, row.upcoming, say.lang == "en"

    def local(moment: datetime | None) -> datetime | None:
        return moment.astimezone(zone) if moment else None

    return [
        row.number,
        row.student_name,
        (row.course_name_en if english else row.course_name) or row.title,
        row.campus_name_en if english else row.campus_name,
        say.word(labels.STATES, row.state.value),
        local(row.created_at),
        local(row.deadline),
        row.signers,
        row.signed,
        say.word(labels.CHANNELS, message.channel) if message else None,
        say.word(labels.DELIVERIES, message.state) if message else None,
        local(message.at) if message else None,
        local(row.opened_at),
        local(row.last_signed_at),
        say.word(labels.STEPS, upcoming.step) if upcoming else None,
        local(upcoming.due_at) if upcoming else None,
        row.external_id,
    ]
