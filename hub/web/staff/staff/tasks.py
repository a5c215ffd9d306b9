"""Show open staff tasks by kind (questions, unreachable signers, stuck contracts), finished ones, and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from aiohttp import web

from hub.errors import BadInput, NotFound, PhoneChangeWaiting, QiandaError
from hub.lifecycle.reminders.approval_tasks import find_finishers, list_staff_of
from hub.lifecycle.reminders.escalate import assign_task, take_task
from hub.lifecycle.staff.answer_question import ANSWERABLE, list_answers
from hub.lifecycle.staff.signer_questions import finish_staff_task
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.model.staff.task_outcome import CHOSEN_OUTCOMES, MAX_NOTE_LENGTH, TaskEnd, read_end
from hub.store.staff.staff_tasks import TaskFilter
from hub.store.transaction import Transaction
from hub.web.http.ids import read_id
from hub.web.staff import labels
from hub.web.staff.actors import names_of
from hub.web.staff.forms import Entered, link_to, read_number
from hub.web.staff.render import show
from hub.web.staff.staff.access import StaffVisit

HERE = "/staff/tasks"
# Tasks on one page, which is also the most that can be finished at once.
PAGE = 50
MAX_PAGE_DIGITS = 4
FILTERS = ("campus", "whose", "kind", "done")


async def show_tasks(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    query = visit.request.query
    kept = Entered({name: query[name] for name in FILTERS if query.get(name)})
    mine, number = kept["whose"] == "mine", read_number(query.get("page", ""), MAX_PAGE_DIGITS) or 1
    owner = visit.staff.id if mine else None
    wanted = TaskFilter(owner=owner, kind=kept["kind"] if kept["kind"] in labels.TASK_KINDS else None)
    async with visit.services.database.transaction(visit.shown) as tx:
        now = tx.planning_now
        read = tx.staff_tasks.list_done if kept["done"] else tx.staff_tasks.list_open
        found = await read(wanted, PAGE + 1, (number - 1) * PAGE)
        more, found = len(found) > PAGE, found[:PAGE]
        kinds = await tx.staff_tasks.count_open_by_kind(owner)
        of_all, of_mine = await tx.staff_tasks.count_open_tasks(visit.staff.id)
        alerts = [] if kept["done"] or number > 1 else await tx.alerts.list_recent(visit.shown, tx.now)
        about = await _read_about(tx, found)
    async with visit.services.database.transaction(EVERYTHING) as tx:  # who may approve depends on other campuses, too
        finishers = {task.id: await find_finishers(tx, task) for task in found if task.done_at is None}
        able = {each: await list_staff_of(tx, each) for each in set(finishers.values())}
    return await show(
        visit,
        "staff/staff/tasks.html",
        groups=_by_kind(found),
        kinds=kinds,
        kept=kept,
        here_is=number,
        link=lambda **changes: link_to(HERE, kept, changes),
        more=more,
        alerts=alerts,
        told=bool(visit.services.messaging.addressees),
        mine=mine,
        now=now,
        of_mine=of_mine,
        of_all=of_all,
        outcomes=CHOSEN_OUTCOMES,
        longest=MAX_NOTE_LENGTH,
        problem=problem,
        able={task: able[each] for task, each in finishers.items()},
        **about,
    )


async def _read_about(tx: Transaction, found: Sequence[StaffTask]) -> dict[str, Any]:
    """Return what the page shows of contracts, signers and staff at these tasks, by the names in its template."""
    return {
        "contracts": await tx.contracts.get_many(task.contract for task in found if task.contract),
        "changing": await tx.phone_changes.list_signers_waiting(tx.now),
        "names": await tx.contracts.get_signer_names(task.signer for task in found if task.signer),
        "owners": await tx.accounts.get_names([task.owner for task in found if task.owner]),
        "settlers": await names_of(tx, [task.done_by for task in found]),
        "answered": await list_answers(tx, *(task for task in found if task.kind in ANSWERABLE)),
    }


def _by_kind(found: Sequence[StaffTask]) -> dict[str, list[StaffTask]]:
    """Return the tasks by kind; the kind of the most urgent task comes first."""
    groups: dict[str, list[StaffTask]] = {}
    for task in found:
        groups.setdefault(task.kind, []).append(task)
    return groups


async def done(visit: StaffVisit) -> web.StreamResponse:
    """Finish one task."""
    try:
        end = await _end(visit)
        await finish_staff_task(visit.services, visit.scope, visit.read_id("task"), visit.actor, end)
    except (PhoneChangeWaiting, BadInput) as error:
        return await show_tasks(visit, error)
    raise web.HTTPSeeOther("/staff/tasks?said=done")


async def many_done(visit: StaffVisit) -> web.StreamResponse:
    """Finish the chosen tasks, all with the same outcome and note. Tasks that wait for a decision about a phone number
    stay open. Tasks that somebody else has finished are left out."""
    chosen = await _chosen(visit)
    try:
        end = await _end(visit)
        if not chosen:
            raise BadInput("choose at least one task", field="task")
    except BadInput as error:
        return await show_tasks(visit, error)
    left = 0
    for task in chosen:
        try:
            await finish_staff_task(visit.services, visit.scope, task, visit.actor, end)
        except PhoneChangeWaiting:
            left += 1
    raise web.HTTPSeeOther(_back(visit, "tasks-left" if left else "done"))


async def many_taken(visit: StaffVisit) -> web.StreamResponse:
    """Take the chosen tasks. Tasks that are finished, or that ask to approve one's own request, are left out."""
    for task in await _chosen(visit):
        try:
            await take_task(visit.services, visit.scope, task, visit.staff)
        except (NotFound, BadInput):
            continue
    raise web.HTTPSeeOther(_back(visit, "task-taken"))


async def _chosen(visit: StaffVisit) -> list[UUID]:
    """Return the chosen tasks. Raises NotFound for a task that is unknown or belongs to another campus."""
    form = await visit.request.post()
    chosen = [read_id(str(value)) for value in form.getall("task", [])][:PAGE]
    async with visit.services.database.transaction(visit.scope) as tx:
        for task in chosen:
            if await tx.staff_tasks.find_task(task) is None:
                raise NotFound
    return chosen


async def _end(visit: StaffVisit) -> TaskEnd:
    return read_end(await visit.read_text("outcome"), await visit.read_text("note"))


def _back(visit: StaffVisit, said: str) -> str:
    query = visit.request.query
    return link_to(HERE, {name: query[name] for name in FILTERS if query.get(name)}, {"said": said})


async def taken(visit: StaffVisit) -> web.StreamResponse:
    try:
        await take_task(visit.services, visit.scope, visit.read_id("task"), visit.staff)
    except BadInput as error:
        return await show_tasks(visit, error)
    raise web.HTTPSeeOther("/staff/tasks?said=task-taken")


async def handed(visit: StaffVisit) -> web.StreamResponse:
    login = await visit.read_text("login")
    try:
        await assign_task(visit.services, visit.scope, visit.read_id("task"), login)
    except BadInput as error:
        return await show_tasks(visit, error)
    raise web.HTTPSeeOther("/staff/tasks?said=task-handed")
