"""Edit contract templates and messages: begin a version, write it, submit it, approve it or send it back.

Each act is one transaction: it locks the version, decides by `hub.model.school.text_version`, and appends to the
school's record. Only saving a draft is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from hub.documents.contract.template_texts import begin_fixed, begin_texts, build_templates, list_fixed, list_texts
from hub.documents.messaging.message_texts import check_message_texts, list_message_texts, with_texts
from hub.errors import BadInput, NotAllowed, TemplateFailed, TextVersionNotFound, UndrawableText
from hub.lifecycle.evidence.school_acts import record_hub_act
from hub.lifecycle.reminders.approval_tasks import (
    APPROVE_TEXT,
    TEXT_WAITS,
    ApprovalTask,
    add_approval_task,
    finish_approval_task,
)
from hub.lifecycle.school.sample_contract import check_draws, get_sample_place
from hub.lifecycle.services import Services
from hub.model.messaging.message import MessageTemplates, Purpose
from hub.model.school.text_version import (
    TextEdit,
    TextKind,
    TextState,
    TextVersion,
    approve_text,
    discard_text,
    edit_text,
    order_texts,
    send_back_text,
    submit_text,
)
from hub.model.staff.scope import Actor, Scope
from hub.router.message_texts import find_message_faults
from hub.store.transaction import Transaction

# The name of a message's text in the files, if the message has no version yet.
FILES = "files"


@dataclass(frozen=True)
class TextPlace:
    """A text: a contract template by its id, or a message by its purpose."""

    kind: TextKind
    subject: str


@dataclass(frozen=True)
class FileText:
    """A text as the files contain it. `version`: its name in the files."""

    version: str
    texts: Mapping[str, str]
    fixed: Mapping[str, object]


def find_file_text(services: Services, place: TextPlace) -> FileText | None:
    """Return the text of the files; None for a template that was made in the console, or that does not exist."""
    if place.kind is TextKind.CONTRACT:
        languages = services.documents.printer.templates.in_languages(place.subject)
        if not languages:
            return None
        version = next(iter(languages.values())).version
        return FileText(version, list_texts(languages), list_fixed(languages))
    if place.subject not in list(Purpose):
        return None
    texts = list_message_texts(services.messaging.texts.files, Purpose(place.subject))
    return FileText(FILES, order_texts(texts), {})


async def begin_text(services: Services, editor: Actor, place: TextPlace, base: str = "") -> TextVersion:
    """Begin a draft from the texts of a version, by default of the one in force. What a template demands is taken from
    the files (ADR 31).

    Raises TextVersionNotFound, TextAlreadyOpen, NotAllowed.
    """
    check_editor(editor)
    files = find_file_text(services, place)
    async with services.database.transaction(editor.scope) as tx:
        found, texts = None, tx.text_versions
        if files is None or base != files.version:
            found = await (texts.get(*_key(place), base) if base else texts.find_in_force(*_key(place)))
        if files is None:  # made in the console: its last version says what it demands
            last = found or next(iter(await texts.list_all(*_key(place))), None)
            if last is None:
                raise TextVersionNotFound
            files = FileText(last.label, last.texts, last.fixed)
        return await add_draft(tx, editor, place, continue_text(files, found))


def continue_text(files: FileText, found: TextVersion | None) -> FileText:
    """Return the text with which a draft begins: the text of `found`, with the demands of the files; without `found`,
    the text of the files."""
    if found is None:
        return files
    return FileText(found.label, begin_texts(files.texts, found), begin_fixed(files.fixed, found))


async def add_draft(tx: Transaction, editor: Actor, place: TextPlace, begun: FileText) -> TextVersion:
    """Add a draft that begins with this text, and record it."""
    added = await tx.text_versions.add(make_draft(place, begun, tx.now))
    await record_text(tx, "text-begun", added, editor)
    return added


def make_draft(place: TextPlace, begun: FileText, now: datetime | None) -> TextVersion:
    """Return a draft that begins with this text."""
    return TextVersion(
        id=uuid4(),
        kind=place.kind,
        subject=place.subject,
        number=0,
        state=TextState.DRAFT,
        base=begun.version,
        texts=begun.texts,
        fixed=begun.fixed,
        changed_at=now,
    )


def _key(place: TextPlace) -> tuple[TextKind, str]:
    return place.kind, place.subject


async def save_text(services: Services, editor: Actor, place: TextPlace, label: str, edit: TextEdit) -> TextVersion:
    """Store the entered texts. They are checked only when the draft is submitted. Raises as `edit_text` does."""
    check_editor(editor)
    async with services.database.transaction(editor.scope) as tx:
        before = await tx.text_versions.get(place.kind, place.subject, label, lock=True)
        after = edit_text(before, edit, editor.name, tx.now)
        await tx.text_versions.save(after)
    return after


async def submit(services: Services, editor: Actor, place: TextPlace, label: str, revision: int) -> TextVersion:
    """Submit a draft, after checking that it can be drawn or sent. Raises as `submit_text` and `check_text` do."""
    await _check_at(services, editor, place, label)
    return await _move(
        services, editor, (place, label), "text-submitted", lambda it, at: submit_text(it, revision, editor.name, at)
    )


async def approve(services: Services, editor: Actor, place: TextPlace, label: str, edit: TextEdit) -> TextVersion:
    """Put a submitted version into force. Raises as `approve_text` and `check_text` do."""
    await _check_at(services, editor, place, label)  # courses and providers may have changed since it was submitted
    approved = await _move(
        services,
        editor,
        (place, label),
        "text-approved",
        lambda it, at: approve_text(it, edit.revision, editor.name, at),
    )
    if place.kind is TextKind.MESSAGE:
        async with services.database.transaction(editor.scope) as tx:
            await services.messaging.texts.refresh(tx, at_once=True)
    return approved


async def send_back(services: Services, editor: Actor, place: TextPlace, label: str, edit: TextEdit) -> TextVersion:
    """Make a submitted version a draft again, with the reason. Raises as `send_back_text` does."""
    return await _move(
        services, editor, (place, label), "text-sent-back", lambda it, at: send_back_text(it, edit, editor.name, at)
    )


async def discard(services: Services, editor: Actor, place: TextPlace, label: str, edit: TextEdit) -> TextVersion:
    """Discard a version that is not needed any more. Raises as `discard_text` does."""
    return await _move(
        services,
        editor,
        (place, label),
        "text-discarded",
        lambda it, at: discard_text(it, edit.revision, editor.name, at),
    )


async def _check_at(services: Services, editor: Actor, place: TextPlace, label: str) -> None:
    check_editor(editor)
    async with services.database.transaction(editor.scope) as tx:
        version = await tx.text_versions.get(place.kind, place.subject, label)
    await check_text(services, editor.scope, version)


async def _move(
    services: Services,
    editor: Actor,
    named: tuple[TextPlace, str],
    kind: str,
    decide: Callable[[TextVersion, datetime], TextVersion],
) -> TextVersion:
    check_editor(editor)
    place, label = named
    async with services.database.transaction(editor.scope) as tx:
        moved = decide(await tx.text_versions.get(place.kind, place.subject, label, lock=True), tx.now)
        await tx.text_versions.save(moved)
        if moved.state is TextState.SUBMITTED:
            await _ask_for_approval(services, tx, moved)
        else:
            await finish_approval_task(tx, APPROVE_TEXT, text_address(moved), editor.name)
        await record_text(tx, kind, moved, editor)
    return moved


async def _ask_for_approval(services: Services, tx: Transaction, version: TextVersion) -> None:
    """Create the task for somebody who may approve this version."""
    headquarters = await tx.school.find_headquarters()
    if headquarters is None:
        return
    task = ApprovalTask(APPROVE_TEXT, TEXT_WAITS, text_address(version), headquarters.id)
    await add_approval_task(services, tx, task)


def text_address(version: TextVersion) -> str:
    """Return the page of a version, on which it is approved."""
    return f"/staff/texts/{version.kind.value}/{version.subject}/{version.label}"


async def check_text(services: Services, scope: Scope, version: TextVersion) -> None:
    """Check that contracts can be drawn from a version, or that its messages can be sent.

    Raises BadInput, TemplateFailed and UndrawableText with what is wrong.
    """
    for key, text in version.texts.items():
        if not text.strip():
            raise BadInput("a text is missing", field=key)
    if version.kind is TextKind.CONTRACT:
        async with services.database.transaction(scope) as tx:
            place = await get_sample_place(tx, version.subject)
        templates = build_templates(services.documents.printer.templates, version)
        for language, template in templates.items():
            try:
                await check_draws(services, place, [template])
            except (TemplateFailed, UndrawableText) as error:
                raise BadInput(error.detail, field=f"{language}.clauses") from error
        return
    texts, purpose = services.messaging.texts, Purpose(version.subject)
    check_message_texts(with_texts(texts.files, purpose, version.texts))
    renderer, providers = services.messaging.router.renderer, services.messaging.router.providers
    other = [template for template in texts.files if template.purpose is not purpose]
    changed = MessageTemplates([*other, *with_texts(texts.files, purpose, version.texts)])
    if faults := find_message_faults(providers, changed, renderer.longest_addresses):
        raise BadInput("\n".join(faults), field="texts")


def check_editor(editor: Actor) -> None:
    """Raise NotAllowed unless the editor's scope is the whole school."""
    if editor.scope.campuses is not None:
        raise NotAllowed("texts apply to the whole school, so only accounts of headquarters can change them")


async def record_text(tx: Transaction, kind: str, version: TextVersion, editor: Actor) -> None:
    """Append an act on a version to the school's record."""
    facts = {
        "kind": version.kind.value,
        "template": version.subject,
        "template_version": version.label,
        "text_sha256": version.sha256,
    }
    await record_hub_act(tx, kind, editor.name, facts)
