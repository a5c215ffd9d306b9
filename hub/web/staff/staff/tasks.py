"""Staff tasks (questions, locked or unreachable signers, stuck contracts) and alerts."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from hub.errors import BadInput, NotFound, PhoneChangeWaiting, QiandaError
from hub.lifecycle.reminders.escalate import hand_to, may_settle, take
from hub.lifecycle.signing.questions import QUESTIONS
from hub.lifecycle.staff.answer_question import list_answers
from hub.lifecycle.staff.signer_questions import finish_staff_task
from hub.web.staff.render import show
from hub.web.staff.staff.access import DeskVisit

MAX_SHOWN = 200


async def tasks(visit: DeskVisit) -> web.Response:
    return await _page(visit)


async def _page(visit: DeskVisit, problem: QiandaError | None = None) -> web.Response:
    mine = visit.request.query.get("whose") == "mine"
    async with visit.services.database.transaction(visit.shown) as tx:
        now = tx.planning_now
        found = await tx.staff_tasks.open_tasks(owner=visit.staff.id if mine else None, limit=MAX_SHOWN)
        of_all, of_mine = await tx.staff_tasks.count_open_tasks(visit.staff.id)
        contracts = await tx.contracts.get_many(task.contract for task in found if task.contract)
        changing = await tx.phone_changes.signers(tx.now)
        alerts = await tx.alerts.recent(visit.shown, tx.now)
        names = await tx.contracts.get_signer_names(task.signer for task in found if task.signer)
        owners = await tx.accounts.staff_names([task.owner for task in found if task.owner])
        answered = await list_answers(tx, *(task for task in found if task.kind in QUESTIONS))
        colleagues = {campus: await may_settle(tx, campus) for campus in {task.campus for task in found}}
    zones = {campus.id: campus.zone for campus in visit.campuses}
    return await show(
        visit,
        "staff/tasks.html",
        found=found,
        contracts=contracts,
        names=names,
        zones=zones,
        alerts=alerts,
        named_campuses={campus.id: campus for campus in visit.campuses},
        told=bool(visit.services.messaging.addressees),
        owners=owners,
        answered=answered,
        colleagues=colleagues,
        mine=mine,
        now=now,
        of_mine=of_mine,
        of_all=of_all,
        changing=changing,
        problem=problem,
    )


async def done(visit: DeskVisit) -> web.StreamResponse:
    try:
        await finish_staff_task(visit.services, visit.scope, _task(visit), visit.actor)
    except PhoneChangeWaiting as error:
        return await _page(visit, error)
    raise web.HTTPSeeOther("/staff/tasks?said=done")


async def taken(visit: DeskVisit) -> web.StreamResponse:
    await take(visit.services, visit.scope, _task(visit), visit.staff)
    raise web.HTTPSeeOther("/staff/tasks?said=task-taken")


async def handed(visit: DeskVisit) -> web.StreamResponse:
    login = str((await visit.request.post()).get("login", "")).replace("\x00", "")
    try:
        await hand_to(visit.services, visit.scope, _task(visit), login)
    except BadInput as error:
        return await _page(visit, error)
    raise web.HTTPSeeOther("/staff/tasks?said=task-handed")


def _task(visit: DeskVisit) -> UUID:
    try:
        return UUID(visit.request.match_info["task"])
    except ValueError:
        raise NotFound from None
