"""Render the console's pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from aiohttp import web

from hub.errors import BadInput, NotFound, QiandaError
from hub.model.board.act_progress import ActFailure
from hub.model.contract.person import IdType, format_id_type, format_phone, mask_email, mask_id, mask_name, mask_phone
from hub.model.school.course import Campus, Course
from hub.model.staff.roles import Permission
from hub.web.http.problems import known_problems, status_of
from hub.web.pages.i18n import join_sentences, language_of
from hub.web.pages.render import page, translator
from hub.web.staff import (
    bulk_labels,
    enrolment_labels,
    labels,
    person_labels,
    policy_labels,
    record_labels,
    report_labels,
    seal_labels,
    text_labels,
)
from hub.web.staff.problem_words import say_detail
from hub.web.staff.staff.access import StaffVisit

SAID = {
    "reminded": "A reminder is on its way.",
    "nobody": "No message could be sent: no channel reaches these people.",
    "extended": "The deadline has moved; reminders are being rescheduled.",
    "voided": "The contract is withdrawn. People who got a message about it are notified.",
    "paper": "The contract is noted as signed on paper. Nobody signs it here any more.",
    "reissued": "This is the new contract. The old one is closed and linked.",
    "replaced": "This is the new contract with the other person; all sign it. The old one is closed and linked.",
    "issued": "The contract is issued.",
    "enrolment-changed": "Saved.",
    "enrolment-deleted": "The enrolment is deleted.",
    "import-undone": "The import is undone.",
    "school-changed": "The school now matches the file. The change is in the school's record.",
    "sending-paused": "Sending is paused.",
    "sending-resumed": "Sending has resumed.",
    "done": "Done.",
    "tasks-left": "Done. Tasks that need a decision on a phone number stay until it is made.",
    "answered": "The answer is on its way. When the matter is settled, say so here, and reminders go on.",
    "answer-waits": "The answer goes out when messages may go out again.",
    "task-taken": "It is now assigned to you.",
    "task-handed": "It is now assigned to your colleague.",
    "policy-changed": "Saved. Future reminders are being rescheduled.",
    "calendar-changed": "The calendar is now in use. Future reminders are being rescheduled.",
    "phone-asked": "Requested. A colleague, or the person with a code sent to the old phone, has to approve it.",
    "phone-changed": "The phone number is changed. The new number gets a message at once.",
    "phone-turned-down": "The phone number stays as it is.",
    "poster-made": "The poster is ready: print it, or show its code.",
    "poster-revoked": "The poster is revoked. Nobody can enrol with it any more.",
    "device-revoked": "The device is revoked. Nothing can be signed with it any more.",
    "account-changed": "Changed. The change is in the school's record.",
    "password-changed": "Your password is changed. All other sessions have ended.",
    "sessions-ended": "The sessions have ended.",
    "second-factor-removed": "The second factor is removed. All other sessions have ended.",
    "erasure-asked": "The erasure is asked for. Somebody else has to confirm it.",
    "erasure-confirmed": "Confirmed. The server's operator carries it out with `qianda person erase-confirmed`.",
    "erasure-turned-down": "The request is dropped. Nothing was erased.",
    "hold-placed": "The contract is held. Nothing of it is erased.",
    "hold-lifted": "The contract is no longer held.",
    "key-revoked": "The key is revoked. The next request with it is refused.",
    "chat-added": "This person can ask in the chat now.",
    "chat-removed": "This person gets no answer in the chat any more.",
    "text-begun": "You are now writing a new version. Nothing changes until somebody else has approved it.",
    "text-saved": "Saved. Nobody else has to do anything yet.",
    "text-submitted": "Submitted. Somebody who wrote no part of it has to approve it now.",
    "text-approved": "Approved: this text is in force from now on.",
    "text-sent-back": "Sent back. The person who wrote it sees your reason.",
    "text-discarded": "Discarded. The text in force stays as it is.",
    "report-wanted": "Saved. The report comes every Monday, starting next Monday.",
    "report-ended": "The weekly report is cancelled, and its address is deleted.",
    "seal-applied": "Applied for. Two other people have to approve it now.",
    "seal-done": "Done. It is in the school's record.",
}
_LABELS = (
    bulk_labels, enrolment_labels, labels, person_labels, policy_labels, record_labels, report_labels, seal_labels,
    text_labels,
)  # fmt: skip
# All tables of labels by their names, for the templates: `words.STATES`.
WORDS = {name: table for module in _LABELS for name, table in vars(module).items() if name.isupper()}

Done = TypeVar("Done")


async def speech(visit: StaffVisit) -> labels.Speech:
    async with visit.services.database.transaction(visit.shown) as tx:
        now = tx.planning_now
    return labels.Speech(translator(visit.request), language_of(visit.request), now)


async def show(
    visit: StaffVisit, template: str, *, problem: QiandaError | None = None, status: int = 200, **context: Any
) -> web.Response:
    """Render a page. `problem`: the error that is shown at its top and determines the status."""
    async with visit.services.database.transaction(visit.shown) as tx:
        open_tasks, _ = await tx.staff_tasks.count_open_tasks(visit.staff.id)
    spoken = await speech(visit)
    known: dict[str, Any] = {
        "visit": visit,
        "say": spoken,
        "words": WORDS,
        "fault_text": seal_labels.fault_text,
        "id_types": list(IdType),
        "may": lambda name: visit.may(Permission(name)),
        "open_tasks": open_tasks,
        "problem": problem,
        "problem_words": problem_words(spoken, problem, visit.zone) if problem else "",
        "said": SAID.get(visit.request.query.get("said", "")),
        "mask_phone": mask_phone,
        "mask_email": mask_email,
        "full_phone": format_phone,
        "mask_name": mask_name,
        "mask_id": mask_id,
        "named": lambda each: name_in(each, spoken.lang),
        "campus_name": lambda campus: _campus_name(visit, campus, spoken.lang),
        "document_named": lambda each: format_id_type(each, spoken.lang),
    }
    return page(visit.request, template, status=status_of(problem) if problem else status, **(known | context))


async def carry_out(
    act: Awaitable[Done],
    then: str | Callable[[Done], str],
    refused: Callable[[QiandaError], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Carry out an act, then redirect to `then`, which may depend on the result. If the act is refused, show the page
    that says why. Raises NotFound."""
    try:
        done = await act
    except NotFound:
        raise
    except QiandaError as problem:
        return await refused(problem)
    raise web.HTTPSeeOther(then if isinstance(then, str) else then(done))


def problem_words(say: labels.Speech, problem: QiandaError, zone: str) -> str:
    """Return the sentences for an error: what happened, in which field, and when it may work, in this time zone."""
    sentences = [say.translate(problem.sentence)]
    details = []
    for line in problem.detail.splitlines():
        words = say.word(labels.CODES, line)
        details.append(words if words != line else say_detail(line, say.translate))
    if details and isinstance(problem, BadInput) and problem.field:
        field = say.word(labels.FIELDS, problem.field.rpartition(".")[2].partition("[")[0])
        details[0] = f"{field}{say.translate(': ')}{details[0]}"
    sentences += details
    if problem.retry_after is not None:
        again = say.now + problem.retry_after + timedelta(seconds=59)
        sentences.append(say.translate("Possible again from {when}.", when=say.when(again, zone)))
    return join_sentences(*sentences)


def failure_words(say: labels.Speech, failure: ActFailure | None, zone: str) -> str:
    """Return the sentences for why an act failed for one of many; empty if it did not fail."""
    if failure is None:
        return ""
    error = BadInput(failure.detail, field=failure.field)
    known = known_problems().get(failure.code)
    error.sentence = known.sentence if known else QiandaError.sentence
    return problem_words(say, error, zone)


def _campus_name(visit: StaffVisit, campus: str, lang: str) -> str:
    """Return the name of a campus; the id of one that this member of staff does not see."""
    found = visit.campuses_by_id.get(campus)
    return name_in(found, lang) if found else campus


def name_in(each: Campus | Course, lang: str) -> str:
    return each.name_en if lang == "en" else each.name
