"""Values and attachments that a contract template asks the signer for before the contract is laid out. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from hub.errors import BadInput

MAX_ASKED_FIELDS: Final = 20
MAX_ANSWER_LENGTH: Final = 300
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,29}")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
# Shown in place of an answer: in the contract as the school issues it, and for a field that was left empty.
UNANSWERED: Final = {"zh": "（由签署人填写）", "en": "(filled in by the signer)"}
LEFT_EMPTY: Final = {"zh": "（未填写）", "en": "(left empty)"}


class FieldKind(StrEnum):
    TEXT = "text"
    DATE = "date"
    CHOICE = "choice"
    ATTACHMENT = "attachment"


@dataclass(frozen=True)
class AskedField:
    """One field. `options`: the options of a choice. `label`, `hint`: in the language of the contract."""

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    hint: str = ""
    required: bool = True
    options: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """The properties that must be the same in all languages of a template."""
        return self.name, self.kind, self.required, len(self.options)


def read_asked_fields(entries: Any) -> tuple[AskedField, ...]:
    """Read the fields as a template declares them, or as a contract stores them. Raises ValueError."""
    if not isinstance(entries, list) or len(entries) > MAX_ASKED_FIELDS:
        raise ValueError(f"asks must be a list of up to {MAX_ASKED_FIELDS} fields")
    fields = tuple(_read_field(entry) for entry in entries)
    if len({field.name for field in fields}) < len(fields):
        raise ValueError("two fields have the same name")
    return fields


def _read_field(entry: Any) -> AskedField:
    values = dict(entry)
    field = AskedField(
        **(values | {"kind": FieldKind(values.get("kind", "text")), "options": tuple(values.get("options", ()))})
    )
    texts = (field.name, field.label, field.hint, *field.options)
    if not all(isinstance(text, str) for text in texts) or not isinstance(field.required, bool):
        raise ValueError("name, label, hint and options must be texts, and required must be true or false")
    if not _NAME.fullmatch(field.name) or not field.label:
        raise ValueError(f"{field.name!r} is not a valid name of a field, or has no label")
    if (field.kind is FieldKind.CHOICE) != (len(field.options) > 1):
        raise ValueError(f"{field.name}: a choice needs options, and other kinds have none")
    return field


def check_answers(fields: Sequence[AskedField], values: Mapping[str, str], attached: Collection[str]) -> dict[str, str]:
    """Return the answers to these fields, in field order, without those left empty. `attached`: fields for which a
    file was uploaded. Raises BadInput with the name of the field."""
    known = {field.name for field in fields if field.kind is not FieldKind.ATTACHMENT}
    if unknown := sorted(set(values) - known):
        raise BadInput("this is not asked for", field=unknown[0][:40])
    answers = {}
    for field in fields:
        value = values.get(field.name, "").strip()
        given = field.name in attached if field.kind is FieldKind.ATTACHMENT else bool(value)
        if field.required and not given:
            raise BadInput("this is needed", field=field.name)
        if value:
            _check_value(field, value)
            answers[field.name] = value
    return answers


def _check_value(field: AskedField, value: str) -> None:
    if len(value) > MAX_ANSWER_LENGTH or _CONTROLS.search(value):
        raise BadInput(f"a text in one line, of up to {MAX_ANSWER_LENGTH} characters", field=field.name)
    if field.kind is FieldKind.CHOICE and value not in field.options:
        raise BadInput("choose one of these", field=field.name)
    if field.kind is FieldKind.DATE:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise BadInput("a date like 2026-12-31", field=field.name) from None
