"""Messages as staff edit them in the console: the texts of a purpose by key, and the messages with other texts.

Keys are `sms.full.zh`, `voice.en`, `email.subject.zh`, `email.text.zh`. The variables, and how long their values may
be, are those of the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hub.errors import BadInput, TemplateFailed
from hub.model.messaging.message import MessageTemplate, Purpose, check_template

SUBJECT, TEXT = "subject", "text"


def list_message_texts(templates: Iterable[MessageTemplate], purpose: Purpose) -> dict[str, str]:
    """Return the texts of a purpose by key."""
    found = {}
    for template in templates:
        if template.purpose is purpose:
            if template.channel == "email":
                found[_key(template, SUBJECT)] = template.subject
            found[_key(template)] = template.text
    return found


def with_texts(
    templates: Iterable[MessageTemplate], purpose: Purpose, texts: Mapping[str, str]
) -> list[MessageTemplate]:
    """Return the messages of a purpose with these texts. A message without a text in `texts` stays as it is."""
    return [
        replace(
            template,
            text=texts.get(_key(template), template.text),
            subject=texts.get(_key(template, SUBJECT), template.subject) if template.subject else "",
        )
        for template in templates
        if template.purpose is purpose
    ]


def check_message_texts(templates: Iterable[MessageTemplate]) -> None:
    """Raise BadInput, which names the key, for a text that cannot be a message."""
    for template in templates:
        try:
            check_template(template)
        except TemplateFailed as error:
            raise BadInput(error.detail.partition(": ")[2], field=_key(template)) from error


def _key(template: MessageTemplate, part: str = TEXT) -> str:
    if template.channel == "email":
        return f"email.{part}.{template.language}"
    return ".".join(each for each in (template.channel, template.shape, template.language) if each)
