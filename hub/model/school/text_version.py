"""Versions of the school's texts: contract templates and messages that staff edit and other staff approve. Pure.

A version begins as a draft, is submitted, and comes into force when somebody who wrote no part of it approves it. The
version that was in force before can still be read. A contract names the version with which it was issued.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any
from uuid import UUID

from hub.errors import BadInput, SecondReaderNeeded, TextChangedMeanwhile, TextMoveNotAllowed

# Maximum number of characters in one text. The longest contracts have about 12,000.
MAX_TEXT_LENGTH = 60_000
# Twice as many as a contract may have: versions are compared line by line.
MAX_TEXT_LINES = 2_000
MAX_NOTE_LENGTH = 500
# The prefix of the names of versions by staff, so that they cannot be confused with versions of the files. Contracts
# and consents store these names, so the prefix must not change.
CONSOLE_PREFIX = "desk-"


# The order in which texts are shown: Chinese first, and short texts before long ones.
_ORDER = ("zh", "title", "consent", "clauses", "sms", "full", "path", "code", "voice", "email", "subject", "text", "en")


def order_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Return texts by key in the order in which they are shown. The database does not keep their order."""
    return dict(sorted(texts.items(), key=lambda item: [_ORDER.index(part) for part in item[0].split(".")]))


class TextKind(StrEnum):
    """The kind of a text. The subject of a `CONTRACT` is a template's id, the subject of a `MESSAGE` its purpose."""

    CONTRACT = "contract"
    MESSAGE = "message"


class TextState(StrEnum):
    """The state of a version. Of each subject, at most one is in force, and at most one is a draft or submitted."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_FORCE = "in-force"
    SUPERSEDED = "superseded"
    DISCARDED = "discarded"

    @property
    def is_open(self) -> bool:
        return self in (TextState.DRAFT, TextState.SUBMITTED)


@dataclass(frozen=True)
class TextVersion:
    """One version of a text in all its languages.

    `base`: the version it was begun from. `texts`: the texts that staff edit, by key (`zh.clauses`, `sms.full.en`).
    `fixed`: values of the version that are not edited. `note`: what was changed and why, or why it was sent back.
    `revision`: incremented by each change. `writers`: everybody who changed it.
    """

    id: UUID
    kind: TextKind
    subject: str
    number: int
    state: TextState
    base: str
    texts: Mapping[str, str]
    changed_at: datetime | None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    revision: int = 0
    writers: tuple[str, ...] = ()
    submitted_by: str | None = None
    submitted_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None

    @property
    def label(self) -> str:
        """The name of the version, which contracts carry."""
        return f"{CONSOLE_PREFIX}{self.number}"

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of all texts, by which the record identifies what was approved."""
        return hashlib.sha256(json.dumps([dict(self.texts), dict(self.fixed)], sort_keys=True).encode()).hexdigest()

    def may_approve(self, actor: str) -> bool:
        return self.state is TextState.SUBMITTED and actor not in (*self.writers, self.submitted_by)


@dataclass(frozen=True)
class TextEdit:
    """Texts entered for a draft. `revision`: the revision of the draft that the person had read."""

    texts: Mapping[str, str]
    note: str
    revision: int


def edit_text(version: TextVersion, edit: TextEdit, actor: str, now: datetime) -> TextVersion:
    """Return the draft with the entered texts. Texts with a key that the draft does not have are ignored.

    Raises TextMoveNotAllowed unless it is a draft, TextChangedMeanwhile if somebody changed it after it was read,
    BadInput for texts that are too long.
    """
    _check(version, edit.revision, TextState.DRAFT)
    for key, text in edit.texts.items():
        if len(text) > MAX_TEXT_LENGTH:
            raise BadInput(f"at most {MAX_TEXT_LENGTH} characters", field=key)
        if len(text.splitlines()) > MAX_TEXT_LINES:
            raise BadInput(f"at most {MAX_TEXT_LINES} lines", field=key)
    texts = {key: edit.texts.get(key, text) for key, text in version.texts.items()}
    note = edit.note.strip()[:MAX_NOTE_LENGTH]
    if texts == version.texts and note == version.note:
        return version
    writers = version.writers if texts == version.texts else (*version.writers, actor)
    return replace(
        version,
        texts=texts,
        note=note,
        revision=version.revision + 1,
        writers=tuple(dict.fromkeys(writers)),
        changed_at=now,
    )


def submit_text(version: TextVersion, revision: int, actor: str, now: datetime) -> TextVersion:
    """Return the draft as submitted. Raises as `edit_text` does, and BadInput if the note about the change is empty."""
    _check(version, revision, TextState.DRAFT)
    if not version.note:
        raise BadInput("say what changes and why, for the person who approves it", field="note")
    moved = replace(version, state=TextState.SUBMITTED, submitted_by=actor, submitted_at=now)
    return replace(moved, revision=version.revision + 1, changed_at=now)


def approve_text(version: TextVersion, revision: int, actor: str, now: datetime) -> TextVersion:
    """Return the version as in force. Raises as `edit_text` does, and SecondReaderNeeded if `actor` wrote any of it."""
    _check(version, revision, TextState.SUBMITTED)
    if not version.may_approve(actor):
        raise SecondReaderNeeded
    moved = replace(version, state=TextState.IN_FORCE, decided_by=actor, decided_at=now)
    return replace(moved, revision=version.revision + 1, changed_at=now)


def send_back_text(version: TextVersion, edit: TextEdit, actor: str, now: datetime) -> TextVersion:
    """Return a submitted version as a draft again, with the reason as its note. Raises as `edit_text` does."""
    _check(version, edit.revision, TextState.SUBMITTED)
    note = edit.note.strip()[:MAX_NOTE_LENGTH]
    if not note:
        raise BadInput("say why, for the person who wrote it", field="note")
    moved = replace(version, state=TextState.DRAFT, note=note, decided_by=actor, decided_at=now)
    return replace(moved, submitted_by=None, submitted_at=None, revision=version.revision + 1, changed_at=now)


def discard_text(version: TextVersion, revision: int, actor: str, now: datetime) -> TextVersion:
    """Return the version as discarded. Raises as `edit_text` does."""
    _check(version, revision, TextState.DRAFT, TextState.SUBMITTED)
    moved = replace(version, state=TextState.DISCARDED, decided_by=actor, decided_at=now)
    return replace(moved, revision=version.revision + 1, changed_at=now)


def _check(version: TextVersion, revision: int, *states: TextState) -> None:
    if version.state not in states:
        raise TextMoveNotAllowed(version.state.value)
    if version.revision != revision:
        raise TextChangedMeanwhile


class ChangeKind(StrEnum):
    """How a line changed between two texts."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True)
class LineChange:
    kind: ChangeKind
    text: str


def compare_lines(before: str, after: str) -> Sequence[LineChange]:
    """Return, in order, the removed lines, the new lines, and one unchanged line before and after each change.

    In a long text, no comparison begins at a line that occurs often: it would take minutes.
    """
    old, new = before.splitlines(), after.splitlines()
    found: list[LineChange] = []
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(1):
        for what, i1, i2, j1, j2 in group:
            if what == "equal":
                found += [LineChange(ChangeKind.SAME, line) for line in old[i1:i2]]
                continue
            found += [LineChange(ChangeKind.GONE, line) for line in old[i1:i2]]
            found += [LineChange(ChangeKind.NEW, line) for line in new[j1:j2]]
    return found


def list_changed_keys(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the keys of texts that differ, in the order of `after`."""
    return [key for key, text in after.items() if before.get(key, "") != text]


@dataclass(frozen=True)
class DemandChange:
    """A demand of a template that differs between two versions. `language`: empty for a demand of all languages.
    `before`, `after`: its values as text, one per line; empty for none."""

    demand: str
    language: str
    before: str
    after: str


# Values of a language that change whenever its text does. They are ignored, since the text is compared line by line.
_NO_DEMANDS = ("consent",)


def compare_demands(before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[DemandChange]:
    """Return the demands in which two versions of a template differ, from their `fixed` values. Demands of all
    languages come first.

    A value that a version lacks counts as empty, as in drawing contracts.
    """
    found = _compare_values(before, after, "", ("languages",))
    then, now = before.get("languages", {}), after.get("languages", {})
    for language in sorted({*then, *now}, reverse=True):
        found += _compare_values(then.get(language, {}), now.get(language, {}), language, _NO_DEMANDS)
    return found


def _compare_values(
    before: Mapping[str, Any], after: Mapping[str, Any], language: str, besides: Sequence[str]
) -> list[DemandChange]:
    names = [name for name in {**before, **after} if name not in besides]
    pairs = [(name, _as_lines(before.get(name)), _as_lines(after.get(name))) for name in names]
    return [DemandChange(name, language, then, now) for name, then, now in pairs if then != now]


def _as_lines(value: Any) -> str:
    """Return a value as text: nothing for a false or empty value; one line for each entry of a list or table."""
    if not value:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(
            f"{name}: {_as_lines(each)}".replace("\n", ", ") for name, each in sorted(value.items()) if each
        )
    if isinstance(value, (list, tuple)):
        return "\n".join(_as_lines(each).replace("\n", ", ") for each in value)
    return "yes" if value is True else str(value)
