"""Extend, reissue or void many contracts at once: show a preview, begin the act, then show its progress."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.errors import BadInput, NotFound, QiandaError
from hub.lifecycle.board.bulk_acts import begin_bulk_act, judge_many
from hub.model.board.bulk_act import MAX_CONTRACTS, BulkAct, BulkKind, BulkVerdict
from hub.model.contract.contract import Contract
from hub.model.school.entered_day import read_day
from hub.model.staff.roles import Permission
from hub.web.http.ids import read_id
from hub.web.staff.actors import names_of
from hub.web.staff.board.dashboard import link_with_filters
from hub.web.staff.board.selection import get_selected, pack
from hub.web.staff.forms import Entered, printable
from hub.web.staff.render import failure_words, show, speech
from hub.web.staff.staff.access import StaffVisit

# The deadline that is suggested.
SUGGESTED_EXTENSION = timedelta(days=7)
# The most contracts that are listed with the reason why they are not changed, or with their replacement.
MAX_NAMED = 500
Handler = Callable[[StaffVisit], Awaitable[web.StreamResponse]]


def ask(kind: BulkKind) -> Handler:
    """Return the handler that shows what the act would do with the chosen contracts."""

    async def preview(visit: StaffVisit) -> web.Response:
        return await _preview(visit, kind)

    return preview


def begin(kind: BulkKind) -> Handler:
    """Return the handler that begins the act. A second click leads to the act that the first one began."""

    async def begin_act(visit: StaffVisit) -> web.StreamResponse:
        contracts = await get_selected(visit, MAX_CONTRACTS)
        try:
            act = await _act(visit, kind, read_id(await visit.read_text("act")), contracts)
            async with visit.services.database.transaction(visit.scope) as tx:
                await begin_bulk_act(tx, act, [each.id for each in contracts])
        except BadInput as error:
            return await _preview(visit, kind, error)
        raise web.HTTPSeeOther(f"/staff/bulk/{act.id}")

    return begin_act


async def _preview(visit: StaffVisit, kind: BulkKind, problem: QiandaError | None = None) -> web.Response:
    contracts = await get_selected(visit, MAX_CONTRACTS)
    entered = await _entered(visit, contracts)
    judged: list[tuple[Contract, BulkVerdict]] = []
    begun = 0
    if contracts:
        try:
            act = await _act(visit, kind, uuid4(), contracts)
            async with visit.services.database.transaction(visit.scope) as tx:
                judged = await judge_many(tx, act, [each.id for each in contracts])
                begun = await tx.tasks.count_begun([each.id for each, verdict in judged if verdict.acts])
        except BadInput as error:
            problem = problem or error
    return await show(
        visit,
        "staff/board/bulk_preview.html",
        kind=kind.value,
        contracts=pack(contracts),
        number=len(contracts),
        changed=sum(verdict.acts for _, verdict in judged),
        begun=begun,
        groups=_group(kind, judged),
        act=uuid4(),
        entered=entered,
        most=MAX_CONTRACTS,
        back=link_with_filters(visit, "/staff"),
        query=link_with_filters(visit, ""),
        problem=problem,
    )


def _group(kind: BulkKind, judged: Iterable[tuple[Contract, BulkVerdict]]) -> dict[str, list[Contract]]:
    """Return the contracts by the label of their verdict, those that are changed first."""
    groups: dict[BulkVerdict, list[Contract]] = defaultdict(list)
    for contract, verdict in judged:
        groups[verdict].append(contract)
    return {_label(kind, verdict): groups[verdict] for verdict in BulkVerdict if groups[verdict]}


def _label(kind: BulkKind, verdict: BulkVerdict) -> str:
    return f"{kind.value}-done" if verdict is BulkVerdict.DONE else verdict.value


async def _entered(visit: StaffVisit, contracts: Sequence[Contract]) -> Entered:
    """Return what was entered. The default day is later than the deadline of each of these contracts."""
    form = await visit.request.post()
    entered = Entered({name: await visit.read_text(name) for name in ("deadline", "reason")})
    if "deadline" not in form:
        async with visit.services.database.transaction(visit.scope) as tx:
            latest = max([tx.planning_now, *(each.deadline for each in contracts)])
        entered["deadline"] = (latest.astimezone(ZoneInfo(visit.zone)).date() + SUGGESTED_EXTENSION).isoformat()
    return entered


async def _act(visit: StaffVisit, kind: BulkKind, act_id: UUID, contracts: Sequence[Contract]) -> BulkAct:
    """Return the requested act. Raises BadInput."""
    entered = await _entered(visit, contracts)
    async with visit.services.database.transaction(visit.scope) as tx:
        now = tx.now
    act = BulkAct(act_id, visit.staff.campus, kind, visit.actor, now, may_issue=visit.may(Permission.ISSUE))
    if kind is BulkKind.EXTEND:
        return replace(act, deadline=read_day(printable(entered["deadline"]), "deadline"))
    return replace(act, reason=entered["reason"].strip()) if kind is BulkKind.VOID else act


async def progress(visit: StaffVisit) -> web.Response:
    """Show the progress of an act, and each contract that was not changed or was replaced."""
    async with visit.services.database.transaction(visit.scope) as tx:
        act = await tx.bulk_acts.find(visit.read_id("act"))
        if act is None:
            raise NotFound
        found = await tx.bulk_acts.get_progress(act)
        named = [verdict for verdict in BulkVerdict if act.kind is BulkKind.REISSUE or verdict is not BulkVerdict.DONE]
        results = await tx.bulk_acts.list_results(act.id, named, MAX_NAMED)
        names = await names_of(tx, [act.asked_by])
    say = await speech(visit)
    return await show(
        visit,
        "staff/board/bulk_live.html" if visit.request.query.get("part") == "live" else "staff/board/bulk.html",
        progress=found,
        kind=act.kind.value,
        counts={_label(act.kind, verdict): count for verdict in BulkVerdict if (count := found.counts.get(verdict))},
        results=[
            (each, failure_words(say, each.ending.failure, visit.zone), _label(act.kind, each.ending.verdict))
            for each in results
        ],
        names=names,
    )
