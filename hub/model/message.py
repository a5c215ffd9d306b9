"""What Qianda writes to people: purposes, message templates, strict placeholders, and how many SMS segments a text
takes. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hub.errors import TemplateFailed


class Purpose(StrEnum):
    """Why somebody is written to."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    LAST_CALL = "last-call"
    CODE = "code"
    COMPLETED = "completed"
    NEW_LINK = "new-link"
    YOUR_TURN = "your-turn"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


PLACEHOLDERS = frozenset(
    {"campus", "school", "course", "link", "ticket", "entry", "pickup", "code", "deadline", "minutes"}
)
"""No names of people: a message can be read on a lock screen, or by whoever got the number next."""
LATE = frozenset({"link", "ticket", "entry", "pickup", "code"})
"""Filled in only when a message leaves, so that no ticket and no code rests in the database."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_TWO_UNITS = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True)
class MessageTemplate:
    """The text of one purpose for one channel in one language."""

    purpose: Purpose
    channel: str
    language: str
    text: str
    subject: str = ""

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(_PLACEHOLDER.findall(self.text))


@dataclass(frozen=True)
class Size:
    """`encoding` is `gsm-7` or `ucs-2`; `units` are septets or UTF-16 units; `segments` is what providers bill (3GPP
    TS 23.038).
    """

    encoding: str
    units: int
    segments: int


def parse_templates(purpose: str, texts: Mapping[str, Mapping[str, str]]) -> tuple[MessageTemplate, ...]:
    """Templates from `{channel: {language: text}}`. Raises TemplateFailed for an unknown purpose or placeholder."""
    try:
        known = Purpose(purpose)
    except ValueError:
        raise TemplateFailed(f"There is no message purpose {purpose}") from None
    found = []
    for channel, languages in texts.items():
        for language, text in languages.items():
            template = MessageTemplate(known, channel, language, text)
            _check(template)
            found.append(template)
    return tuple(found)


def render(text: str, variables: Mapping[str, str], *, late: Collection[str] = ()) -> str:
    """Fills in the placeholders; those in `late` stay as they are. Raises TemplateFailed when a variable is missing.

    Braces in a value become parentheses: a value must not turn into a placeholder when the late ones are filled in.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in late:
            return match[0]
        if name not in variables:
            raise TemplateFailed(f"The message needs a value for {{{name}}}")
        return variables[name].translate(_NO_BRACES)

    return _PLACEHOLDER.sub(value, text)


def size(text: str) -> Size:
    """How long an SMS is: 160 septets or 70 UTF-16 units, 153 or 67 each when it takes more than one segment."""
    if all(character in _GSM7 or character in _GSM7_TWO_UNITS for character in text):
        units = sum(2 if character in _GSM7_TWO_UNITS else 1 for character in text)
        return Size("gsm-7", units, _segments(units, 160, 153))
    units = len(text.encode("utf-16-be")) // 2
    return Size("ucs-2", units, _segments(units, 70, 67))


class MessageTemplates:
    """All templates; a language that a channel does not have falls back to Chinese, a channel's text to that of
    `sms`.
    """

    def __init__(self, templates: Iterable[MessageTemplate]) -> None:
        self._templates = {(item.purpose, item.channel, item.language): item for item in templates}

    def get(self, purpose: Purpose, channel: str, language: str, shape: str = "full") -> MessageTemplate:
        """Raises TemplateFailed when there is no text at all for this purpose."""
        for key in ((channel, language), ("sms", language), (channel, "zh"), ("sms", "zh")):
            if (purpose, *key) in self._templates:
                return self._templates[(purpose, *key)]
        raise TemplateFailed(f"There is no message text for {purpose}")

    def __iter__(self) -> Iterator[MessageTemplate]:
        return iter(self._templates.values())


_NO_BRACES = str.maketrans("{}", "()")


def _check(template: MessageTemplate) -> None:
    where = f"{template.purpose}, {template.channel}, {template.language}"
    if unknown := template.placeholders - PLACEHOLDERS:
        raise TemplateFailed(f"Unknown placeholder in {where}: {', '.join(sorted(unknown))}")
    if "{" in _PLACEHOLDER.sub("", template.text) or "}" in _PLACEHOLDER.sub("", template.text):
        raise TemplateFailed(f"A brace stands alone in {where}")


def _segments(units: int, one: int, each: int) -> int:
    return 1 if units <= one else -(-units // each)
