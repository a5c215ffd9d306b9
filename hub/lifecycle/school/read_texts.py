"""Read the versions of contract templates and messages: the one in force, the open one, and what each one changes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from hub.documents.contract.template_texts import build_templates
from hub.errors import TextVersionNotFound
from hub.lifecycle.school.edit_texts import TextPlace, find_file_text, make_draft
from hub.lifecycle.school.sample_contract import draw_sample, get_sample_place, make_sample
from hub.lifecycle.services import Services
from hub.model.messaging.message import Purpose
from hub.model.school.text_version import (
    DemandChange,
    LineChange,
    TextKind,
    TextState,
    TextVersion,
    compare_demands,
    compare_lines,
    list_changed_keys,
)
from hub.model.staff.scope import Scope

# Id of the text in the files, which has no row.
_NO_ROW = UUID(int=0)


@dataclass(frozen=True)
class TextLine:
    """A text in the list. `titles`: the titles of a contract template, by language. `files`: the version in the files;
    empty for a template made in the console. `in_force`: the version in force; None for the text in the files.
    `is_open`: the version that is being written or waits for approval."""

    place: TextPlace
    titles: Mapping[str, str]
    files: str
    in_force: TextVersion | None
    is_open: TextVersion | None


@dataclass(frozen=True)
class ReadText:
    """One version. `label`: its name. `in_force`: the name of the version that is in force. `compared`: the name of the
    version with which `changes` compares it; empty if that version does not exist any more. `demands`: the demands in
    which the two versions differ."""

    label: str
    version: TextVersion
    is_file: bool
    in_force: str
    compared: str
    changes: Sequence[tuple[str, Sequence[LineChange]]]
    demands: Sequence[DemandChange] = ()


async def list_texts_of(services: Services, scope: Scope, kind: TextKind) -> list[TextLine]:
    """Return all texts of a kind: contract templates by name, messages in the order in which a contract causes them."""
    subjects = services.documents.printer.templates.ids() if kind is TextKind.CONTRACT else list(Purpose)
    async with services.database.transaction(scope) as tx:
        versions = await tx.text_versions.list_all(kind)
    if kind is TextKind.CONTRACT:  # including those made in the console
        subjects = sorted({*subjects, *(version.subject for version in versions)})
    return [_line(services, TextPlace(kind, str(subject)), versions) for subject in subjects]


def _line(services: Services, place: TextPlace, versions: Sequence[TextVersion]) -> TextLine:
    files = find_file_text(services, place)
    own = [version for version in versions if version.subject == place.subject]
    in_force = next((version for version in own if version.state is TextState.IN_FORCE), None)
    if files is None and not own:
        raise TextVersionNotFound
    texts = in_force.texts if in_force else files.texts if files else own[0].texts
    titles = {key.partition(".")[0]: text for key, text in texts.items() if key.endswith(".title")}
    return TextLine(
        place,
        titles,
        files.version if files else "",
        in_force,
        next((version for version in own if version.state.is_open), None),
    )


async def list_versions(services: Services, scope: Scope, place: TextPlace) -> tuple[TextLine, Sequence[TextVersion]]:
    """Return a text with all its versions, the newest first. Raises TextVersionNotFound."""
    async with services.database.transaction(scope) as tx:
        versions = await tx.text_versions.list_all(place.kind, place.subject)
    return _line(services, place, versions), versions


async def read_version(services: Services, scope: Scope, place: TextPlace, label: str) -> ReadText:
    """Return a version, which may be that of the files. Raises TextVersionNotFound.

    An open version is compared with the one that it would replace, any other with the one from which it began.
    """
    files = find_file_text(services, place)
    async with services.database.transaction(scope) as tx:
        all_of_it = {version.label: version for version in await tx.text_versions.list_all(place.kind, place.subject)}
    if files is not None:
        all_of_it[files.version] = replace(make_draft(place, files, None), id=_NO_ROW, state=TextState.SUPERSEDED)
    found = all_of_it.get(label)
    if found is None:
        raise TextVersionNotFound
    of_files = files.version if files else ""
    in_force = next((name for name, each in all_of_it.items() if each.state is TextState.IN_FORCE), of_files)
    compared = in_force if found.state.is_open else found.base
    before = all_of_it.get(compared)
    keys = list_changed_keys(before.texts, found.texts) if before else []
    pairs = [(before.texts.get(key, ""), found.texts[key]) for key in keys] if before else []
    compared_texts = await asyncio.to_thread(lambda: [compare_lines(*pair) for pair in pairs])
    changes = list(zip(keys, compared_texts, strict=True))
    demands = compare_demands(before.fixed, found.fixed) if before else []
    return ReadText(label, found, label == of_files, in_force, compared if before else "", changes, demands)


@dataclass(frozen=True)
class TriedTemplate:
    """A template drawn with invented people. `values`: the values that its clauses may name."""

    images: Sequence[bytes]
    values: Mapping[str, object]


async def try_template(
    services: Services, scope: Scope, version: TextVersion, language: str, *, adult: bool
) -> TriedTemplate:
    """Draw a version with invented people. Raises TemplateFailed, UndrawableText, BadInput, and TextVersionNotFound if
    it does not have this language."""
    async with services.database.transaction(scope) as tx:
        place = await get_sample_place(tx, version.subject)
    template = build_templates(services.documents.printer.templates, version).get(language)
    if template is None:
        raise TextVersionNotFound
    values = make_sample(services, place, template, adult=adult).values()

    laid_out = await asyncio.to_thread(draw_sample, services, place, template, adult=adult)
    return TriedTemplate(await services.documents.pages.draw(laid_out.pdf), values)


def with_entered(version: TextVersion, texts: Mapping[str, str]) -> TextVersion:
    """Return a version with the entered texts, which are not saved yet."""
    return replace(version, texts={key: texts.get(key, text) for key, text in version.texts.items()})
