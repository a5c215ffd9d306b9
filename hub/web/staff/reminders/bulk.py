"""Bulk reminders: preview, job and progress."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from aiohttp import web

from hub.errors import BadInput, NotFound, QiandaError
from hub.lifecycle.reminders.bulk_remind import MAX_AT_ONCE, BulkOutcome, begin_reminding, preview_reminding
from hub.web.http.ids import read_id
from hub.web.staff.board.dashboard import link_with_filters, wanted_of
from hub.web.staff.board.selection import FITTING, read_selected
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

# The outcomes with a message, now or later. All others leave the person out.
REMINDED = (BulkOutcome.SENT, BulkOutcome.MORNING)


async def ask(visit: StaffVisit) -> web.Response:
    """Show the preview, for contracts chosen one by one, or all that match the board's filters in the URL."""
    form = await visit.request.post()
    if FITTING in form:
        async with visit.services.database.transaction(visit.shown) as tx:
            pending = replace(wanted_of(visit, tx.planning_now), state="ISSUED")
            contracts = await tx.board.list_ids(pending, MAX_AT_ONCE)
    else:
        contracts = await read_selected(visit, MAX_AT_ONCE + 1)
    try:
        return await _preview(visit, contracts)
    except QiandaError as error:
        return await show(
            visit, "staff/reminders/many_preview.html", contracts=[], counts={}, sent=0, act="", problem=error
        )


async def _preview(visit: StaffVisit, contracts: list[UUID]) -> web.Response:
    if not 0 < len(contracts) <= MAX_AT_ONCE:
        raise BadInput(f"choose 1 to {MAX_AT_ONCE} contracts", field="contracts")
    preview = await preview_reminding(visit.services, visit.scope, contracts)
    counts = preview.counts
    return await show(
        visit,
        "staff/reminders/many_preview.html",
        contracts=contracts,
        most=MAX_AT_ONCE,
        back=link_with_filters(visit, "/staff"),
        act=uuid4(),
        sent=counts[BulkOutcome.SENT],
        first_at=preview.first_at,
        reminded=sum(counts[outcome] for outcome in REMINDED),
        counts={verdict.value: counts[verdict] for verdict in BulkOutcome if counts[verdict]},
        something=counts.total() - counts[BulkOutcome.NOBODY],
    )


async def remind(visit: StaffVisit) -> web.StreamResponse:
    contracts = await read_selected(visit, MAX_AT_ONCE + 1)
    try:
        wanted = read_id(await visit.read_text("act"))
        act = await begin_reminding(visit.services, visit.scope, contracts, visit.actor, wanted)
    except BadInput as error:
        return await show(
            visit, "staff/reminders/many_preview.html", contracts=[], counts={}, sent=0, act="", problem=error
        )
    raise web.HTTPSeeOther(f"/staff/remind/{act}")


async def progress(visit: StaffVisit) -> web.Response:
    act = visit.read_id("act")
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.bulk_reminders.find_counts(act)
    if found is None:
        raise NotFound
    template = (
        "staff/reminders/many_live.html"
        if visit.request.query.get("part") == "live"
        else "staff/reminders/many_progress.html"
    )
    counts = {verdict.value: found.counts[verdict] for verdict in BulkOutcome if found.counts.get(verdict)}
    return await show(visit, template, many=found, counts=counts, act=act)
