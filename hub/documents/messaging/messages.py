"""Message texts as files, `templates/messages/PURPOSE.toml`.

`[variables]` lists what the texts may contain: `campus = {type = "text", longest = {zh = 12, en = 30}}`, or one
`longest` for all languages. Below are the texts, each with `zh` and `en`: `[sms.full]` contains the whole address,
`{link}`; `[sms.path]` a constant address and the ticket, `{entry}/{ticket}`; `[sms.code]` a constant address and a
pickup code, `{entry}` and `{pickup}`; `[voice]` is read out and contains no address; `[email]` has `subject` and
`text`. An SMS without a link needs only `[sms.full]`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channels import Shape
from hub.errors import TemplateFailed
from hub.model.messaging.message import (
    Kind,
    MessageTemplate,
    MessageTemplates,
    Purpose,
    Variable,
    check_template,
    check_variable,
)

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
Longest = Annotated[int, Field(ge=1, le=500)]
Texts = dict[Language, str]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Variable(_Table):
    type: Kind
    longest: Longest | dict[Language, Longest]

    def named(self, name: str) -> Variable:
        longest: Mapping[Language, int]
        longest = self.longest if isinstance(self.longest, dict) else dict.fromkeys(LANGUAGES, self.longest)
        return Variable(name, self.type, {str(language): most for language, most in longest.items()})


class _Mail(_Table):
    subject: str
    text: str


class _File(_Table):
    variables: dict[str, _Variable]
    sms: dict[Shape, Texts] = Field(default_factory=dict)
    voice: Texts = Field(default_factory=dict)
    email: dict[Language, _Mail] = Field(default_factory=dict)

    def templates(self, purpose: Purpose) -> Iterator[MessageTemplate]:
        variables = {name: each.named(name) for name, each in self.variables.items()}
        for each in variables.values():
            check_variable(each)
        for shape, texts in self.sms.items():
            for language, text in texts.items():
                yield MessageTemplate(purpose, "sms", language, text, shape=shape, variables=variables)
        for language, text in self.voice.items():
            yield MessageTemplate(purpose, "voice", language, text, variables=variables)
        for language, mail in self.email.items():
            yield MessageTemplate(purpose, "email", language, mail.text.strip(), mail.subject, variables=variables)


def load_messages(folder: Path, own: Path | None = None) -> MessageTemplates:
    """Return all message texts below `folder`; a file in `own` replaces the one of the same name.

    Raises TemplateFailed with the file, the key and the fault.
    """
    files = {path.name: path for place in (folder, own) if place for path in sorted(place.glob("*.toml"))}
    found: list[MessageTemplate] = []
    for path in files.values():
        try:
            found += read_messages(path.stem, path.read_text("utf-8"))
        except OSError as error:
            raise TemplateFailed(f"{path.name}: {error.strerror or error}") from error
    return MessageTemplates(found)


def read_messages(purpose: str, toml: str) -> list[MessageTemplate]:
    """Return the texts of one file. Raises TemplateFailed."""
    try:
        templates = list(_File.model_validate(tomllib.loads(toml)).templates(Purpose(purpose)))
        for each in templates:
            check_template(each)
    except ValidationError as error:
        reasons = (f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
        raise TemplateFailed(f"{purpose}.toml, {'; '.join(reasons)}") from error
    except ValueError as error:  # not TOML, or not named after a purpose
        raise TemplateFailed(f"{purpose}.toml: {error}") from error
    except TemplateFailed as error:
        raise TemplateFailed(f"{purpose}.toml, {error.detail}") from error
    return templates
