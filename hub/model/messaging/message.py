"""Messages to people: purposes, and message templates with their variables. Pure.

A text has placeholders such as `{campus}` and contains no code. The file format is described in
`hub.documents.messaging.messages`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from channels import Shape
from hub.errors import TemplateFailed
from hub.model.messaging.sms_length import shorten_text


class Purpose(StrEnum):
    """What a message is for."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    LAST_CALL = "last-call"
    CODE = "code"
    COMPLETED = "completed"
    NEW_LINK = "new-link"
    YOUR_TURN = "your-turn"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    STOPPED = "stopped"
    STARTED = "started"
    HELP = "help"
    STATUS = "status"
    REPLY = "reply"
    COPY = "copy"
    OFFICE_COPY = "office-copy"


# Sent by e-mail only: the finished contract for people who are not its signers.
COPIES = frozenset({Purpose.COPY, Purpose.OFFICE_COPY})
BY_EMAIL_ALONE = COPIES

# Never sent by voice: they are meant for reading, or contain a link.
NOT_BY_VOICE = BY_EMAIL_ALONE | {Purpose.COMPLETED, Purpose.WITHDRAWN, Purpose.EXPIRED, Purpose.NEW_LINK}


# News of a contract: sent once to each signer, and not on request.
NEWS = frozenset({Purpose.COMPLETED, Purpose.WITHDRAWN, Purpose.EXPIRED})
# Replies to an inbound SMS: sent by SMS only, and also to numbers that opted out.
ANSWERS = frozenset({Purpose.STOPPED, Purpose.STARTED, Purpose.HELP, Purpose.STATUS})

# Sent by SMS only. A reply is a text that staff write to a person who asked something. A provider of registered texts
# can send it only if such a text is registered. It is subject to the daily window and to opt-outs.
BY_SMS_ALONE = ANSWERS | {Purpose.REPLY}


# Messages that ask their reader to open a page. A phone call only announces them.
LEADING = frozenset({Purpose.INVITATION, Purpose.REMINDER, Purpose.LAST_CALL, Purpose.YOUR_TURN, Purpose.NEW_LINK})


# The channels that lead to a phone number.
BY_PHONE = frozenset({"sms", "voice"})


class Kind(StrEnum):
    """Type of a variable. Only `TEXT` is shortened when too long. `PATH` is one segment of a URL path, `URL` a whole
    URL."""

    TEXT = "text"
    DIGITS = "digits"
    MOMENT = "moment"
    PATH = "path"
    URL = "url"


# No names of people: a message can be read on a lock screen, or by the next owner of the number.
KINDS: Mapping[str, Kind] = {
    "school": Kind.TEXT,
    "campus": Kind.TEXT,
    "course": Kind.TEXT,
    "contracts": Kind.TEXT,
    "reply": Kind.TEXT,
    "deadline": Kind.MOMENT,
    "minutes": Kind.DIGITS,
    "open": Kind.DIGITS,
    "done": Kind.DIGITS,
    "code": Kind.DIGITS,
    "pickup": Kind.DIGITS,
    "ticket": Kind.PATH,
    "entry": Kind.URL,
    "link": Kind.URL,
}
# Filled in only on sending, so that no ticket and no code is stored in the database.
LATE = frozenset({"link", "ticket", "entry", "pickup", "code"})
# Constant for a language: a fixed text at a provider may spell them out.
CONSTANT = frozenset({"school", "entry", "minutes"})
# A text with one of these placeholders leads to a page. A text without them is the same in every SMS shape.
LEADS = frozenset({"link", "ticket", "entry", "pickup"})
# Characters of a variable path segment below an approved domain (Aliyun's rule for notifications).
MAX_PATH_LENGTH = 35

# A fixed text at a provider may leave these out: Chinese uses the same word for one contract and for several.
COUNT_NEUTRAL = frozenset({"contracts"})

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ADDRESS = re.compile(r"://|\bwww\.", re.IGNORECASE)
_NO_BRACES = str.maketrans("{}", "()")


@dataclass(frozen=True)
class Variable:
    """A variable of a template. `longest`: maximum length per language, in UTF-16 units, as providers count it."""

    name: str
    kind: Kind
    longest: Mapping[str, int]

    def max_length_in(self, language: str) -> int:
        return self.longest.get(language) or self.longest["zh"]


@dataclass(frozen=True)
class MessageTemplate:
    """The text of one purpose for one channel in one language. `shape`: SMS only. `subject`: e-mail only."""

    purpose: Purpose
    channel: str
    language: str
    text: str
    subject: str = ""
    shape: str = ""
    variables: Mapping[str, Variable] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Key under which the configuration maps this text to a fixed text at a provider."""
        return f"{self.purpose}.{self.language}"

    @property
    def where(self) -> str:
        """File and key of the text, for error messages."""
        return f"{self.purpose}.toml, {'.'.join(part for part in (self.channel, self.shape, self.language) if part)}"

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(_PLACEHOLDER.findall(self.text + self.subject))


class MessageTemplates:
    """All templates, with fallbacks: Chinese for a missing language, and the shape `full` for a missing shape if the
    text of `full` leads to no page. There is no fallback from one channel to another."""

    def __init__(self, templates: Iterable[MessageTemplate]) -> None:
        self.replace_all(templates)

    def replace_all(self, templates: Iterable[MessageTemplate]) -> None:
        """Replace all templates by these."""
        self._templates = {(item.purpose, item.channel, item.shape, item.language): item for item in templates}

    def get(self, purpose: Purpose, channel: str, language: str, shape: str = "full") -> MessageTemplate:
        """Return the text, in Chinese if it is missing in this language. Raises TemplateFailed if there is none."""
        found = self.find(purpose, channel, language, shape) or self.find(purpose, channel, "zh", shape)
        if found is None:
            ways = f"{channel}.{shape}" if channel == "sms" else channel
            raise TemplateFailed(f"{purpose}.toml has no text for {ways}")
        return found

    def find(self, purpose: Purpose, channel: str, language: str, shape: str = "full") -> MessageTemplate | None:
        """Return the text in exactly this language, or None."""
        if channel != "sms":
            return self._templates.get((purpose, channel, "", language))
        if found := self._templates.get((purpose, channel, shape, language)):
            return found
        full = self._templates.get((purpose, channel, Shape.FULL, language))
        return full if full and not full.placeholders & LEADS else None

    def shorten_values(self, purpose: Purpose, language: str, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values, each TEXT shortened with an ellipsis to the maximum length of its variable.

        A provider would refuse a longer value, or cut it silently.
        """
        variables = next((each.variables for each in self if each.purpose is purpose), {})
        return {name: _shorten(variables.get(name), language, value) for name, value in values.items()}

    def __iter__(self) -> Iterator[MessageTemplate]:
        return iter(self._templates.values())


def _shorten(variable: Variable | None, language: str, value: str) -> str:
    if variable is None or variable.kind is not Kind.TEXT:
        return value
    return shorten_text(value, variable.max_length_in(language))


def render(text: str, variables: Mapping[str, str], *, late: Collection[str] = ()) -> str:
    """Return the text with its placeholders filled in, except those in `late`.

    Raises TemplateFailed when a variable is missing.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in late:
            return match[0]
        if name not in variables:
            raise TemplateFailed(f"The message has no value for {{{name}}}")
        # Braces become parentheses, so that a value cannot act as a placeholder when the late ones are filled in.
        return variables[name].translate(_NO_BRACES)

    return _PLACEHOLDER.sub(value, text)


def format_contract_count(count: int, language: str) -> str:
    """Return the number of contracts in words: 合同, 2份合同; course contract, 2 course contracts."""
    if language == "en":
        return "course contract" if count == 1 else f"{count} course contracts"
    return "合同" if count == 1 else f"{count}份合同"


def summarise_contracts(deadlines: Sequence[datetime], now: datetime, zone: str, language: str) -> dict[str, str]:
    """Return the variables `contracts` (how many) and `deadline` (the earliest) for contracts with these deadlines."""
    first, count = min(deadlines), len(deadlines)
    until = format_moment(first, zone, language)
    # For several contracts in Chinese, the date alone fits into one segment. A near deadline keeps its time.
    if count > 1 and language != "en" and first - now > timedelta(days=1):
        until = until.partition(" ")[0]
    return {"contracts": format_contract_count(count, language), "deadline": until}


def format_moment(moment: datetime, zone: str, language: str) -> str:
    """Return the moment in this time zone and language: 12月3日 18:00 / 3 December 18:00."""
    local = moment.astimezone(ZoneInfo(zone))
    if language == "en":
        return f"{local.day} {local:%B %H:%M}"
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def check_variable(variable: Variable) -> None:
    """Check that messages have this variable, with this type. Raises TemplateFailed."""
    kind = KINDS.get(variable.name)
    if kind is None:
        raise TemplateFailed(f"variables.{variable.name}: unknown variable")
    if kind is not variable.kind:
        raise TemplateFailed(f"variables.{variable.name}: the type must be {kind}, not {variable.kind}")
    if "zh" not in variable.longest:
        raise TemplateFailed(f"variables.{variable.name}: longest must have a number for zh")
    if kind is Kind.PATH and max(variable.longest.values()) > MAX_PATH_LENGTH:
        raise TemplateFailed(f"variables.{variable.name}: a path has at most {MAX_PATH_LENGTH} characters")


def check_template(template: MessageTemplate) -> None:
    """Check the placeholders and the form of a text. Raises TemplateFailed, without the name of the file."""
    if fault := _find_fault(template):
        raise TemplateFailed(f"{template.where.partition(', ')[2]}: {fault}")


def _find_fault(template: MessageTemplate) -> str | None:
    bare = _PLACEHOLDER.sub("", template.text + template.subject)
    if unknown := template.placeholders - template.variables.keys():
        return f"unknown placeholder {', '.join(f'{{{name}}}' for name in sorted(unknown))}: not listed in variables"
    if "{" in bare or "}" in bare:
        return "unmatched brace"
    if not template.text.strip():
        return "the text is empty"
    if _ADDRESS.search(bare):
        return "the text contains an address: use {link}, {entry} or {ticket} instead"
    by_channel = _find_shape_fault if template.channel == "sms" else _find_channel_fault
    return by_channel(template) or _find_missing(template)


def _find_missing(template: MessageTemplate) -> str | None:
    """Return what the purpose of a message needs and its text lacks, or None."""
    there = frozenset(_PLACEHOLDER.findall(template.text))
    if template.purpose is Purpose.CODE and "code" not in there:
        return "without {code} nobody can sign: the text needs it"
    if template.purpose not in LEADING or template.channel == "voice" or there & LEADS:
        return None
    return {
        "path": "nobody gets to the contract: the text needs {entry}/{ticket}",
        "code": "nobody gets to the contract: the text needs {entry} and {pickup}",
    }.get(template.shape, "nobody gets to the contract: the text needs {link}")


def _find_shape_fault(template: MessageTemplate) -> str | None:
    """Return what is wrong with the placeholders of an SMS text, or None.

    `full` has the whole link, `path` a constant address with the ticket, `code` a constant address and a pickup code.
    """
    leads = template.placeholders & LEADS
    allowed = {"full": {"link"}, "path": {"entry", "ticket"}, "code": {"entry", "pickup"}}[template.shape]
    if forbidden := leads - allowed:
        return f"the shape {template.shape} must not use {', '.join(f'{{{name}}}' for name in sorted(forbidden))}"
    if leads and leads != allowed:
        return f"the shape {template.shape} needs {' and '.join(f'{{{name}}}' for name in sorted(allowed))}"
    if template.shape == "path" and leads and "{entry}/{ticket}" not in template.text:
        return "the ticket must follow the constant address: {entry}/{ticket}"
    return None


def _find_channel_fault(template: MessageTemplate) -> str | None:
    if template.channel == "voice" and template.placeholders & LEADS:
        return "a voice text must not contain an address"
    if template.channel == "email" and not template.subject.strip():
        return "an e-mail needs a subject"
    if late := LATE.intersection(_PLACEHOLDER.findall(template.subject)):
        return f"a subject must not contain {', '.join(f'{{{name}}}' for name in sorted(late))}: others may see it"
    return "a subject must be one line" if "\n" in template.subject else None
