"""Issue many contracts by one act: show a preview, begin the act, then show its progress. Workers carry it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from hub.errors import BadInput, NotFound, QiandaError
from hub.lifecycle.contract.new_contract import NewSigner, signer_of
from hub.lifecycle.school.issue_enrolments import (
    approve_issuing,
    begin_issuing,
    digest_each,
    list_selected,
    list_to_approve,
    need_approval,
    plan_act,
    refuse_issuing,
)
from hub.lifecycle.school.preview_issuing import count_by_course, forecast_issuing
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_list import EnrolmentState
from hub.model.school.entered_day import read_day
from hub.model.school.issue_many import MAX_AT_ONCE, FailedItem, IssueAct, IssueSelection, digest_items
from hub.model.staff.roles import Permission
from hub.model.staff.scope import Scope
from hub.store.transaction import Transaction
from hub.web.http.ids import read_id
from hub.web.staff import labels
from hub.web.staff.actors import names_of
from hub.web.staff.contract.issuing import as_seen, limit_previews, read_send
from hub.web.staff.enrolment_labels import NOT_ISSUED
from hub.web.staff.forms import read_number
from hub.web.staff.render import carry_out, failure_words, show, speech
from hub.web.staff.school.enrolments import MAX_DIGITS, enrolments, read_query
from hub.web.staff.staff.access import StaffVisit

# The most enrolments without a contract that are listed with the reason.
MAX_FAILED_NAMED = 500
FITTING = "fitting"


async def preview(visit: StaffVisit) -> web.Response:
    """Show which contracts would be issued, and the first of them with its messages as its signers will see them."""
    form, entered = await visit.request.post(), await visit.read_form()
    selection = _selection(visit, form.getall("enrolment", []), entered)
    try:
        async with visit.services.database.transaction(_scope(visit, selection)) as tx:
            if selection.chosen is None and selection.fitting.until is None:
                until = await tx.enrolments.get_last_place()  # enrolments that are added later are not part of the act
                selection = replace(selection, fitting=replace(selection.fitting, until=until))
            found = await list_selected(tx, selection)
            courses = {(course.campus, course.id): course for course in await tx.school.list_courses()}
            to_approve = await need_approval(visit.services, tx, found)
    except BadInput as error:
        return await enrolments(visit, error)
    fresh = [each for each in found if each.contract is None]
    problem, forecast = None, None
    try:
        await limit_previews(visit)
        act = await _act(visit, entered, uuid4())
        forecast = await forecast_issuing(visit.services, visit.scope, fresh, act) if fresh else None
    except QiandaError as error:
        problem = error
    return await show(
        visit,
        "staff/school/preview.html",
        fresh=fresh,
        already=len(found) - len(fresh),
        to_approve=to_approve,
        signers=sum(len(each.people["signers"]) for each in fresh),
        forecast=forecast,
        by_course=count_by_course(fresh).most_common(),
        courses=courses,
        entered=entered,
        selection=selection,
        query=read_query(visit),
        act=uuid4(),
        most=MAX_AT_ONCE,
        problem=problem,
        **as_seen(forecast.seen if forecast else None),
    )


async def begin(visit: StaffVisit) -> web.StreamResponse:
    """Begin the act. A second click on the same preview leads to the act that the first one began."""
    form, entered = await visit.request.post(), await visit.read_form()
    selection = _selection(visit, form.getall("enrolment", []), entered)
    try:
        act = await _act(visit, entered, read_id(entered["act"]))
        async with visit.services.database.transaction(_scope(visit, selection)) as tx:
            await begin_issuing(visit.services, tx, selection, act)
    except BadInput as error:
        return await enrolments(visit, error)
    raise web.HTTPSeeOther(f"/staff/issued/{act.id}")


async def show_progress(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    """Show the progress of an act, and each enrolment for which no contract could be issued. If the act waits for
    approval, show what is to be approved."""
    async with visit.services.database.transaction(visit.scope) as tx:
        act = await tx.issue_acts.find(visit.read_id("act"))
        if act is None:
            raise NotFound
    planned = None
    with suppress(QiandaError):  # the preview, which plans it as well, says why it cannot be issued
        planned = await plan_act(visit.services, visit.scope, act.id) if act.waits else None
    async with visit.services.database.transaction(visit.scope) as tx:
        found = await tx.issue_acts.get_progress(act)
        failed = await tx.issue_acts.list_not_issued(act.id, MAX_FAILED_NAMED)
        names = await names_of(tx, [act.asked_by, act.decided_by])
        waiting = await list_to_approve(tx, act) if act.waits else []
        seen = digest_items(await digest_each(visit.services, tx, waiting, planned))
        courses = {(course.campus, course.id): course for course in await tx.school.list_courses()}
        replaced = await _read_replacement(tx, act)
    if act.waits:
        context = {"names": names, "courses": courses, "problem": problem, "replaced": replaced}
        return await _show_waiting(visit, act, waiting, context | {"seen_digest": seen})
    part = visit.request.query.get("part") == "live"
    say = await speech(visit)
    return await show(
        visit,
        "staff/school/issued_live.html" if part else "staff/school/issued.html",
        progress=found,
        counts={outcome.value: count for outcome, count in sorted(found.counts.items())},
        failed=[(each, why(say, each, visit.zone)) for each in failed],
        names=names,
        problem=problem,
    )


async def _read_replacement(tx: Transaction, act: IssueAct) -> tuple[Contract, Signer, NewSigner] | None:
    """Return the contract, the signer to be replaced and the new signer; None for an act that replaces nobody."""
    asked = await tx.issue_acts.get_replacement(act.id)
    if asked is None:
        return None
    signers = await tx.contracts.list_signers(asked.contract)
    leaving = next(each for each in signers if each.id == asked.leaving)
    return await tx.contracts.get(asked.contract), leaving, signer_of(asked.by)


async def _show_waiting(
    visit: StaffVisit, act: IssueAct, waiting: list[Enrolment], context: dict[str, Any]
) -> web.Response:
    """Show what an act that waits for approval would issue: the students, their courses, and the first contract."""
    forecast = None
    try:
        await limit_previews(visit)
        forecast = await forecast_issuing(visit.services, visit.scope, waiting, act) if waiting else None
    except QiandaError as error:
        context |= {"problem": context["problem"] or error}
    return await show(
        visit,
        "staff/school/approve_issue.html",
        act=act,
        waiting=waiting,
        by_course=count_by_course(waiting).most_common(),
        may_approve=visit.may(Permission.APPROVE_ISSUE) and act.asked_by != visit.actor,
        may_refuse=visit.may(Permission.APPROVE_ISSUE) or act.asked_by == visit.actor,
        **context,
        **as_seen(forecast.seen if forecast else None),
    )


async def approve(visit: StaffVisit) -> web.StreamResponse:
    seen = str((await visit.request.post()).get("seen", ""))
    return await _decide(visit, lambda act: approve_issuing(visit.services, visit.scope, act, visit.actor, seen))


async def refuse(visit: StaffVisit) -> web.StreamResponse:
    return await _decide(visit, lambda act: refuse_issuing(visit.services, visit.scope, act, visit.actor))


async def take_back(visit: StaffVisit) -> web.StreamResponse:
    """Take back an act, as the person who asked for it."""

    async def end(act: UUID) -> None:
        async with visit.services.database.transaction(visit.scope) as tx:
            found = await tx.issue_acts.find(act)
        if found is None or found.asked_by != visit.actor:
            raise NotFound
        await refuse_issuing(visit.services, visit.scope, act, visit.actor)

    return await _decide(visit, end)


async def _decide(visit: StaffVisit, do: Callable[[UUID], Awaitable[None]]) -> web.StreamResponse:
    act = visit.read_id("act")
    return await carry_out(do(act), f"/staff/issued/{act}", partial(show_progress, visit))


def why(say: labels.Speech, item: FailedItem, zone: str) -> str:
    """Return why no contract was issued for this enrolment."""
    return failure_words(say, item.failure, zone) or say.word(NOT_ISSUED, item.outcome)


def _scope(visit: StaffVisit, selection: IssueSelection) -> Scope:
    """Return the scope of a selection: for a filter, the campus that is shown; for enrolments chosen one by one, all
    campuses that this member of staff may see."""
    return visit.shown if selection.chosen is None else visit.scope


def _selection(visit: StaffVisit, chosen: Iterable[object], entered: Mapping[str, str]) -> IssueSelection:
    fitting = replace(read_query(visit).wanted, state=EnrolmentState.WAITING)
    if not entered[FITTING]:
        return IssueSelection(fitting, [read_id(str(value)) for value in chosen])
    return IssueSelection(replace(fitting, until=read_number(entered["until"], MAX_DIGITS)))


async def _act(visit: StaffVisit, entered: Mapping[str, str], act: UUID) -> IssueAct:
    deadline, send = read_day(entered["deadline"], "deadline"), read_send(entered["send"] or "now")
    async with visit.services.database.transaction(visit.scope) as tx:
        return IssueAct(act, visit.staff.campus, visit.actor, tx.now, send, deadline)
