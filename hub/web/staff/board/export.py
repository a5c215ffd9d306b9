"""Export the contracts of the board as a table, XLSX or CSV, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
        titles=list(COLUMNS),
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
    await response.write(BYTE_ORDER_MARK + format_csv([[say.translate(title) for title in COLUMNS]]))
    async for rows in _rows(visit, exported):
        await response.write(format_csv(_values(say, row) for row in rows))
    await response.write_eof()
    return response


async def _send_xlsx(visit: StaffVisit, exported: Exported, response: web.StreamResponse) -> web.StreamResponse:
    say = await speech(visit)
    table = XlsxTable([say.translate(title) for title in COLUMNS])
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


def _local(row: BoardRow, moment: datetime | None) -> datetime | None:
    return moment.astimezone(ZoneInfo(row.zone)) if moment else None


def _course(row: BoardRow, say: labels.Speech) -> str:
    return (row.course_name_en if say.lang == "en" else row.course_name) or row.title


# The columns of the table: title, and value of a contract in the reader's language.
COLUMNS: Mapping[str, Callable[[BoardRow, labels.Speech], Value]] = {
    "Contract number": lambda row, say: row.number,
    "Student": lambda row, say: row.student_name,
    "Course": _course,
    "Campus": lambda row, say: row.campus_name_en if say.lang == "en" else row.campus_name,
    "State": lambda row, say: say.word(labels.STATES, row.state.value),
    "Issued": lambda row, say: _local(row, row.created_at),
    "Deadline": lambda row, say: _local(row, row.deadline),
    "Signers": lambda row, say: row.signers,
    "Signed by": lambda row, say: row.signed,
    "Last message by": lambda row, say: say.word(labels.CHANNELS, row.message.channel) if row.message else None,
    "Receipt": lambda row, say: say.word(labels.DELIVERIES, row.message.state) if row.message else None,
    "Last message at": lambda row, say: _local(row, row.message.at) if row.message else None,
    "Opened": lambda row, say: _local(row, row.opened_at),
    "Last signature": lambda row, say: _local(row, row.last_signed_at),
    "Next step": lambda row, say: say.word(labels.STEPS, row.upcoming.step) if row.upcoming else None,
    "Next step at": lambda row, say: _local(row, row.upcoming.due_at) if row.upcoming else None,
    "Your id": lambda row, say: row.external_id,
}


def _values(say: labels.Speech, row: BoardRow) -> list[Value]:
    return [value(row, say) for value in COLUMNS.values()]
