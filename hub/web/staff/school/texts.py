"""Show the contract templates and messages in force, and edit them, from the first draft to the approval."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from hub.documents.messaging.message_texts import check_message_texts, with_texts
from hub.errors import BadInput, NotFound, QiandaError, TextVersionNotFound
from hub.lifecycle.school import edit_texts
from hub.lifecycle.school.edit_texts import TextPlace
from hub.lifecycle.school.new_template import begin_template
from hub.lifecycle.school.read_texts import (
    ReadText,
    list_texts_of,
    list_versions,
    read_version,
    try_template,
    with_entered,
)
from hub.lifecycle.services import Services
from hub.model.contract.own_document import OWN_TEMPLATE
from hub.model.messaging.message import MessageTemplates, Purpose
from hub.model.school.text_version import TextEdit, TextKind, TextState, TextVersion
from hub.model.staff.roles import Permission
from hub.model.staff.scope import Actor
from hub.web.pages.files import data_url
from hub.web.staff.actors import names_of
from hub.web.staff.contract.issuing import limit_previews
from hub.web.staff.forms import Entered, read_number, without_unprintable
from hub.web.staff.messaging.messages import preview_purpose
from hub.web.staff.render import carry_out, problem_words, show, speech
from hub.web.staff.staff.access import Handler, StaffVisit

ROOT = "/staff/texts"
NOTE, REVISION = "note", "revision"
MAX_DIGITS = 9
STUDENTS = ("minor", "adult")


@dataclass(frozen=True)
class EnteredText:
    """The values of a form: texts that may be saved, and the language and the sample student of the preview."""

    edit: TextEdit
    language: str
    student: str


# ---- pages


async def texts(
    visit: StaffVisit, problem: QiandaError | None = None, entered: Mapping[str, str] | None = None
) -> web.Response:
    contracts = await list_texts_of(visit.services, visit.scope, TextKind.CONTRACT)
    messages = await list_texts_of(visit.services, visit.scope, TextKind.MESSAGE)
    return await show(
        visit,
        "staff/school/texts.html",
        problem=problem,
        entered=Entered(entered or {}),
        contracts=contracts,
        sources=[each for each in contracts if (each.files or each.in_force) and each.place.subject != OWN_TEMPLATE],
        messages=messages,
        may_edit=_may_edit(visit),
    )


async def versions(visit: StaffVisit, problem: QiandaError | None = None) -> web.Response:
    line, found = await list_versions(visit.services, visit.scope, _place(visit))
    async with visit.services.database.transaction(visit.scope) as tx:
        names = await names_of(tx, {actor for each in found for actor in (*each.writers, each.decided_by)})
    return await show(
        visit,
        "staff/school/text.html",
        problem=problem,
        line=line,
        versions=found,
        names=names,
        may_edit=_may_edit(visit),
    )


async def version(visit: StaffVisit) -> web.Response:
    query = visit.request.query
    return await _show_version(visit, None, language=query.get("language", ""), student=query.get("student", ""))


async def _show_version(
    visit: StaffVisit,
    entered: EnteredText | None,
    problem: QiandaError | None = None,
    *,
    language: str = "",
    student: str = "",
) -> web.Response:
    """Show a version. `entered`: texts that were not saved, and stay in the form."""
    found = await read_version(visit.services, visit.scope, _place(visit), visit.request.match_info["version"])
    shown = with_entered(found.version, entered.edit.texts) if entered else found.version
    asked = entered or EnteredText(TextEdit({}, found.version.note, found.version.revision), language, student)
    async with visit.services.database.transaction(visit.scope) as tx:
        actors = {*found.version.writers, found.version.submitted_by, found.version.decided_by}
        names = await names_of(tx, actors)
    return await show(
        visit,
        "staff/school/text_version.html",
        problem=problem,
        found=found,
        version=found.version,
        texts=shown.texts,
        note=asked.edit.note,
        revision=asked.edit.revision,
        wrong_field=problem.field if isinstance(problem, BadInput) else "",
        names=names,
        writers=[names.get(actor, actor) for actor in found.version.writers],
        writing=_may_edit(visit) and found.version.state is TextState.DRAFT,
        may_edit=_may_edit(visit),
        may_approve=_may_approve(visit, found),
        **await _look(visit, shown, asked.language, asked.student),
    )


async def look(visit: StaffVisit) -> web.Response:
    """Return the preview of what was entered, as a part of the page."""
    entered = await _entered(visit)
    found = await read_version(visit.services, visit.scope, _place(visit), visit.request.match_info["version"])
    shown = with_entered(found.version, entered.edit.texts)
    seen = await _look(visit, shown, entered.language, entered.student)
    return await show(visit, "staff/school/text_look.html", **seen)


# ---- the preview


async def _look(visit: StaffVisit, shown: TextVersion, language: str, student: str) -> dict[str, Any]:
    """Return what `text_look.html` shows: pages or messages, or why there are none."""
    await limit_previews(visit)
    languages = sorted(shown.fixed.get("languages", ()), reverse=True)  # Chinese first
    language = language if language in languages else next(iter(languages), "")
    student = student if student in STUDENTS else STUDENTS[0]
    seen: dict[str, Any] = {"languages": languages, "looked_language": language, "student": student}
    seen |= {"students": STUDENTS, "images": [], "values": {}, "ways": [], "fault": "", "fault_at": ""}
    try:
        if shown.kind is TextKind.MESSAGE:
            seen["ways"] = await _messages(visit, shown)
        else:
            tried = await try_template(visit.services, visit.scope, shown, language, adult=student == "adult")
            pictures = [data_url(image, "image/png") for image in tried.images]
            seen |= {"images": pictures, "values": _flat(tried.values)}
    except NotFound:
        raise
    except QiandaError as error:
        seen["fault"] = problem_words(await speech(visit), error, visit.zone)
        seen["fault_at"] = error.field if isinstance(error, BadInput) else ""
    return seen


async def _messages(visit: StaffVisit, shown: TextVersion) -> list[Any]:
    texts_now, purpose = visit.services.messaging.texts, Purpose(shown.subject)
    changed = with_texts(texts_now.files, purpose, shown.texts)
    check_message_texts(changed)
    return await preview_purpose(visit, MessageTemplates(changed), purpose)


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Return the values that clauses may name, as the sample has them."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif isinstance(value, str) and value:
            found[before + name] = value
        elif isinstance(value, int) and not isinstance(value, bool):
            found[before + name] = str(value)
    return found


# ---- acts


async def begin(visit: StaffVisit) -> web.StreamResponse:
    place, base = _place(visit), await visit.read_text("base")
    act = edit_texts.begin_text(visit.services, visit.person, place, base)
    return await carry_out(act, lambda draft: _address(place, draft.label, "text-begun"), partial(versions, visit))


async def begin_new(visit: StaffVisit) -> web.StreamResponse:
    """Begin a template of a new name, as a copy of another one."""
    form = await visit.read_form()
    name, source = form["name"], form["source"]
    try:
        draft = await begin_template(visit.services, visit.person, name, source)
    except QiandaError as error:
        return await texts(visit, error, Entered({"name": name, "source": source}))
    raise web.HTTPSeeOther(_address(TextPlace(draft.kind, draft.subject), draft.label, "text-begun"))


async def save(visit: StaffVisit) -> web.StreamResponse:
    """Save what was entered; with the button `submit`, submit it as well."""
    entered, place, label = await _entered(visit), _place(visit), visit.request.match_info["version"]
    editor, said = visit.person, "text-saved"
    try:
        saved = await edit_texts.save_text(visit.services, editor, place, label, entered.edit)
    except NotFound:
        raise
    except QiandaError as error:
        return await _show_version(visit, entered, error)
    if "submit" in await visit.request.post():
        try:
            await edit_texts.submit(visit.services, editor, place, label, saved.revision)
            said = "text-submitted"
        except QiandaError as error:
            return await _show_version(visit, None, error, language=entered.language, student=entered.student)
    raise web.HTTPSeeOther(_address(place, label, said, entered))


def _act(verb: Callable[[Services, Actor, TextPlace, str, TextEdit], Awaitable[TextVersion]], said: str) -> Handler:
    async def act(visit: StaffVisit) -> web.StreamResponse:
        entered, place, label = await _entered(visit), _place(visit), visit.request.match_info["version"]
        done = verb(visit.services, visit.person, place, label, entered.edit)
        return await carry_out(done, _address(place, label, said), partial(_show_version, visit, None))

    return act


approve, send_back = _act(edit_texts.approve, "text-approved"), _act(edit_texts.send_back, "text-sent-back")
discard = _act(edit_texts.discard, "text-discarded")


# ---- reading what was asked


def _place(visit: StaffVisit) -> TextPlace:
    """Return the text that the URL names. Raises TextVersionNotFound for a kind that does not exist."""
    with contextlib.suppress(ValueError):
        return TextPlace(TextKind(visit.request.match_info["kind"]), visit.request.match_info["subject"])
    raise TextVersionNotFound


def _may_edit(visit: StaffVisit) -> bool:
    return visit.may(Permission.EDIT_TEMPLATES) and visit.scope.campuses is None


def _may_approve(visit: StaffVisit, found: ReadText) -> bool:
    allowed = visit.may(Permission.APPROVE_TEMPLATES) and visit.scope.campuses is None
    return allowed and found.version.may_approve(visit.actor)


async def _entered(visit: StaffVisit) -> EnteredText:
    form = await visit.request.post()
    sent = {name: _clean(value) for name, value in form.items() if isinstance(value, str)}
    revision = read_number(sent.get(REVISION, ""), MAX_DIGITS)
    edit = TextEdit(sent, " ".join(sent.get(NOTE, "").split()), -1 if revision is None else revision)
    return EnteredText(edit, sent.get("language", ""), sent.get("student", ""))


def _clean(text: str) -> str:
    """Return a text of several lines without characters that cannot be stored or shown."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = ("\t".join(map(without_unprintable, line.split("\t"))).rstrip() for line in lines)
    return "\n".join(kept).strip("\n") + ("\n" if len(lines) > 1 else "")


def _address(place: TextPlace, label: str, said: str, entered: EnteredText | None = None) -> str:
    looked = f"&language={entered.language}&student={entered.student}" if entered and entered.language else ""
    return f"{ROOT}/{place.kind.value}/{place.subject}/{label}?said={said}{looked}"
