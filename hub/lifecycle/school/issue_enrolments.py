"""Issue the contracts of many enrolments in one act, by a job that continues even if its worker dies.

The outcome of an enrolment is written in the transaction of its contract, under the enrolment's lock. A job that was
killed, or that runs twice, therefore goes on with the remaining enrolments and issues nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from uuid import UUID

from hub.errors import BadInput, ChangedSinceAsked, EnrolmentsChanged, NotFound, QiandaError
from hub.lifecycle.contract.act_items import AT_A_TIME, carry_out_item
from hub.lifecycle.contract.issue import issue_prepared, prepare_contract
from hub.lifecycle.contract.new_contract import NewContract, signer_of
from hub.lifecycle.contract.reissue import Replacement, plan_replacement
from hub.lifecycle.contract.template_in_force import (
    TemplateInForce,
    get_template_in_force,
    list_templates_in_force,
    needs_approval,
)
from hub.lifecycle.evidence.school_acts import record_act, refuse_issue_act
from hub.lifecycle.reminders.approval_tasks import ISSUE_WAITS, ApprovalTask, add_approval_task, finish_approval_task
from hub.lifecycle.school.import_roster import family_first, new_contract, share_a_signer
from hub.lifecycle.services import Services
from hub.model.board.act_progress import ActFailure
from hub.model.school.course import Course, Enrolment
from hub.model.school.enrolment_list import EnrolmentState
from hub.model.school.entered_day import end_of_day
from hub.model.school.issue_many import (
    APPROVE_ISSUE,
    MAX_AT_ONCE,
    IssueAct,
    IssueOutcome,
    IssueSelection,
    SignerReplacement,
    decide_act,
    describe_item,
    digest_items,
)
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.operation.jobs import ISSUE_MANY
from hub.store.transaction import Transaction


async def list_selected(tx: Transaction, selection: IssueSelection) -> list[Enrolment]:
    """Return the selected enrolments, families together. Raises BadInput if there are none, NotFound for unknown ones
    and those outside the scope."""
    if selection.chosen is None:
        found = await tx.enrolments.list_fitting(selection.fitting, MAX_AT_ONCE)
    else:
        chosen = list(dict.fromkeys(selection.chosen))[:MAX_AT_ONCE]
        found = await tx.enrolments.list_chosen(chosen)
        if len(found) < len(chosen):
            raise NotFound
    if not found:
        raise BadInput("choose at least one enrolment", field="enrolment")
    return family_first(found)


async def begin_issuing(services: Services, tx: Transaction, selection: IssueSelection, act: IssueAct) -> None:
    """Begin an act, and record it. Do nothing if it has already begun. Raises as `list_selected` does.

    If a course or template requires it, the act waits until somebody else has approved it.
    """
    waiting = replace(selection.fitting, state=EnrolmentState.WAITING)
    found = await list_selected(tx, replace(selection, fitting=waiting))
    act = replace(act, needs_approval=await need_approval(services, tx, found))
    if await _begin_act(services, tx, act, found) and act.needs_approval:
        await tx.issue_acts.keep_digests(act.id, await digest_each(services, tx, found, None))


async def begin_replacing(
    services: Services, tx: Transaction, replacement: SignerReplacement, enrolment: Enrolment, act: IssueAct
) -> None:
    """Begin an act that replaces a signer once somebody else has approved it, and record it. Idempotent."""
    await _begin_act(services, tx, replace(act, needs_approval=True), [enrolment], replacement)


async def _begin_act(
    services: Services,
    tx: Transaction,
    act: IssueAct,
    found: Sequence[Enrolment],
    replacement: SignerReplacement | None = None,
) -> bool:
    """Store an act with these enrolments, and have it approved or carried out. Return False if it has already begun."""
    if not await tx.issue_acts.begin(act, found, replacement):
        return False
    kind = "issuing-asked" if act.needs_approval else "contracts-issued"
    await record_act(tx, act.campus, kind, act.asked_by, {"act": str(act.id), "count": len(found)})
    if not act.needs_approval:
        await _enqueue(tx, act)
        return True
    waits = ApprovalTask(
        APPROVE_ISSUE,
        ISSUE_WAITS,
        act.address,
        found[0].campus,  # always within the scope of the person who asked
    )
    await add_approval_task(services, tx, waits)
    return True


async def _enqueue(tx: Transaction, act: IssueAct) -> None:
    await tx.jobs.enqueue(ISSUE_MANY, {"act": str(act.id)}, f"{ISSUE_MANY}-{act.id}")


async def need_approval(services: Services, tx: Transaction, enrolments: Sequence[Enrolment]) -> bool:
    """Return whether somebody else has to approve before the contracts of these enrolments are issued."""
    courses = {(course.campus, course.id): course for course in await tx.school.list_courses()}
    taught = {(each.campus, each.course) for each in enrolments}
    for place in sorted(taught):
        if await needs_approval(services, tx, courses.get(place)):
            return True
    return False


async def list_to_approve(tx: Transaction, act: IssueAct) -> list[Enrolment]:
    """Return the enrolments of an act that are not issued yet, as they are now. Raises NotFound outside the scope."""
    return await tx.enrolments.list_chosen(await tx.issue_acts.list_left(act.id, MAX_AT_ONCE))


async def plan_act(services: Services, scope: Scope, act: UUID) -> NewContract | None:
    """Return the input for the contract of an act that replaces a signer; None for other acts. Raises what
    `plan_replacement` raises."""
    async with services.database.transaction(scope) as tx:
        asked = await tx.issue_acts.get_replacement(act)
    if asked is None:
        return None
    return await plan_replacement(services, scope, asked.contract, Replacement(asked.leaving, signer_of(asked.by)))


async def digest_each(
    services: Services, tx: Transaction, enrolments: Sequence[Enrolment], planned: NewContract | None
) -> Mapping[UUID, bytes]:
    """Return, for each enrolment of an act, a keyed digest of everything that its documents would be drawn from now.
    `planned`: as `plan_act` returns it."""
    courses = {(course.campus, course.id): course for course in await tx.school.list_courses()}
    drawn_from = asdict(planned) if planned else None
    if planned and planned.replaces and drawn_from:  # it may be withdrawn after it was shown to the approver
        drawn_from |= {"state": (await tx.contracts.get(planned.replaces)).state}
    templates: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    digests = {}
    for each in enrolments:
        place = (planned.campus, planned.course or "") if planned else (each.campus, each.course)
        course = courses.get(place)
        if place not in templates:
            templates[place] = [
                (one.id, language, one.version, one.sha256)
                for found in await _list_templates(services, tx, course, planned)
                for language, one in sorted(found.languages.items())
            ]
        described = describe_item(each, course, templates[place], drawn_from)
        digests[each.id] = tx.cipher.found_by("issue-item", described)
    return digests


async def _list_templates(
    services: Services, tx: Transaction, course: Course | None, planned: NewContract | None
) -> list[TemplateInForce]:
    """Return the templates from which an act draws: those of the course, or that of the contract that it replaces."""
    if planned is None:
        return await list_templates_in_force(services, tx, course)
    return [await get_template_in_force(services, tx, planned.template)]


async def approve_issuing(services: Services, scope: Scope, act_id: UUID, actor: str, seen: str) -> None:
    """Approve an act that somebody else asked for. `seen`: the digest of the enrolments as the approver saw them.

    Raises NotFound, ActDecided, SecondPersonNeeded, ChangedSinceAsked, EnrolmentsChanged, and what `plan_act` raises.
    """
    planned = await plan_act(services, scope, act_id)
    async with services.database.transaction(scope) as tx:
        act = await _lock_act(tx, act_id)
        decided = decide_act(act, actor, tx.now, approve=True)
        approved = await digest_each(services, tx, await list_to_approve(tx, act), planned)
        asked = await tx.issue_acts.list_digests(act.id)
        if any(asked.get(enrolment, digest) != digest for enrolment, digest in approved.items()):
            raise ChangedSinceAsked
        if digest_items(approved) != seen:
            raise EnrolmentsChanged
        await tx.issue_acts.keep_digests(act.id, approved)
        await tx.issue_acts.decide(decided)
        await finish_approval_task(tx, APPROVE_ISSUE, act.address, actor)
        await record_act(tx, act.campus, "issuing-approved", actor, {"act": str(act.id), "asked_by": act.asked_by})
        await _enqueue(tx, decided)


async def refuse_issuing(services: Services, scope: Scope, act_id: UUID, actor: str) -> None:
    """Refuse an act before anything is issued, or take back one's own. Raises NotFound, ActDecided."""
    async with services.database.transaction(scope) as tx:
        await refuse_issue_act(tx, await _lock_act(tx, act_id), actor)


async def _lock_act(tx: Transaction, act_id: UUID) -> IssueAct:
    act = await tx.issue_acts.find(act_id, lock=True)
    if act is None:
        raise NotFound
    return act


async def issue_enrolments(services: Services, act_id: UUID, most: int = AT_A_TIME) -> bool:
    """Issue up to `most` contracts of an act. Return whether some may be left."""
    async with services.database.transaction(EVERYTHING) as tx:
        act = await tx.issue_acts.find(act_id)
        left = await tx.issue_acts.list_left(act_id, most + 1)
    if act is None or not act.may_issue:
        return False
    for number, enrolment in enumerate(left[:most]):
        following = left[number + 1] if number + 1 < len(left) else None
        attempt = partial(_draw_and_issue, services, act, enrolment, following)
        give_up = partial(_give_up, services, act, enrolment)
        await carry_out_item(services, lambda tx: tx.issue_acts, (act_id, enrolment), attempt, give_up)
    return len(left) > most


async def _draw_and_issue(services: Services, act: IssueAct, enrolment_id: UUID, following: UUID | None) -> bool:
    """Issue one contract. Return False if staff changed the enrolment while its contract was drawn."""
    async with services.database.transaction(EVERYTHING) as tx:
        read = await tx.school.get_enrolment(enrolment_id)
        campus = await tx.school.get_campus(read.campus)
        after = await tx.enrolments.list_chosen([following] if following else [])
    planned = await plan_act(services, EVERYTHING, act.id)
    if read.contract != (planned.replaces if planned else None):
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.issue_acts.end(act.id, enrolment_id, IssueOutcome.ALREADY, tx.now)
        return True
    asked = planned or new_contract(read, deadline=end_of_day(act.deadline, campus.zone), send=act.send)
    prepared = await prepare_contract(services, EVERYTHING, replace(asked, approved=act.needs_approval))
    async with services.database.transaction(EVERYTHING) as tx:
        if not await tx.issue_acts.lock_item(act.id, enrolment_id):
            return True
        now = await tx.school.get_enrolment(enrolment_id, lock=True)
        is_left = now.contract == read.contract
        if is_left and now != read:
            return False
        if is_left:
            await _check_approved(services, tx, act, now, planned)
            # A person who also signs the next contract gets one message for both.
            hold = any(each.contract is None and share_a_signer(now, each) for each in after)
            await issue_prepared(services, tx, prepared, act.asked_by, hold=hold)
        outcome = IssueOutcome.ISSUED if is_left else IssueOutcome.ALREADY
        await tx.issue_acts.end(act.id, enrolment_id, outcome, tx.now)
    return True


async def _check_approved(
    services: Services, tx: Transaction, act: IssueAct, enrolment: Enrolment, planned: NewContract | None
) -> None:
    """If the act needs approval, raise EnrolmentsChanged unless the documents would be drawn from what was approved.

    The caller has locked the enrolment. The documents are already drawn, so a later change of course or text does not
    matter.
    """
    if not act.needs_approval:
        return
    if planned and planned.replaces:
        await tx.contracts.lock_contract(planned.replaces)  # it must not be withdrawn between this check and the end
    now = await digest_each(services, tx, [enrolment], planned)
    if await tx.issue_acts.get_approved(act.id, enrolment.id) != now[enrolment.id]:
        raise EnrolmentsChanged


async def _give_up(services: Services, act: IssueAct, enrolment: UUID, error: QiandaError) -> None:
    failure = ActFailure(error.code, error.detail, error.field if isinstance(error, BadInput) else "")
    async with services.database.transaction(EVERYTHING) as tx:
        if isinstance(error, NotFound):
            await tx.issue_acts.end(act.id, enrolment, IssueOutcome.GONE, tx.now)
        else:
            await tx.issue_acts.end(act.id, enrolment, IssueOutcome.FAILED, tx.now, failure)
