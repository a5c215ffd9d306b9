"""What Qianda writes to people: purposes, and message templates with their variables. Pure.

A text has placeholders, `{campus}`; nothing in it is code. How a file looks: `hub.documents.messages`.
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
from hub.model.messaging.sms_length import shortened


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
    STOPPED = "stopped"
    STARTED = "started"
    HELP = "help"
    STATUS = "status"


# News to read and links to tap: nobody is called for them.
NOT_BY_VOICE = frozenset({Purpose.COMPLETED, Purpose.WITHDRAWN, Purpose.EXPIRED, Purpose.NEW_LINK})


# What became of a contract: once for each signer, and nobody makes us write more of it by asking.
NEWS = frozenset({Purpose.COMPLETED, Purpose.WITHDRAWN, Purpose.EXPIRED})
# To what somebody wrote by SMS: they go back by SMS alone, also to a number that wants nothing else from us.
ANSWERS = frozenset({Purpose.STOPPED, Purpose.STARTED, Purpose.HELP, Purpose.STATUS})


# The channels that lead to a phone number.
BY_PHONE = frozenset({"sms", "voice"})


class Kind(StrEnum):
    """What a variable holds. `TEXT` is shortened when it is too long; nothing else may be. `PATH` is a piece of an
    address, `URL` a whole one."""

    TEXT = "text"
    DIGITS = "digits"
    MOMENT = "moment"
    PATH = "path"
    URL = "url"


# No names of people: a message can be read on a lock screen, or by whoever got the number next.
KINDS: Mapping[str, Kind] = {
    "school": Kind.TEXT,
    "campus": Kind.TEXT,
    "course": Kind.TEXT,
    "contracts": Kind.TEXT,
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
# Filled in only when a message leaves, so that no ticket and no code rests in the database.
LATE = frozenset({"link", "ticket", "entry", "pickup", "code"})
# The same in every message of a language: a text that lies at a provider may have it written out.
CONSTANT = frozenset({"school", "entry", "minutes"})
# A text with one of these leads to a page; one without is the same in every SMS shape.
LEADS = frozenset({"link", "ticket", "entry", "pickup"})
# Of one variable piece of path, where a domain is approved (Aliyun's rule for notifications).
MAX_PATH_LENGTH = 35

# A text that lies at a provider may leave it out: in Chinese the same words stand for one contract and for several.
COUNT_NEUTRAL = frozenset({"contracts"})

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ADDRESS = re.compile(r"://|\bwww\.", re.IGNORECASE)
_NO_BRACES = str.maketrans("{}", "()")


@dataclass(frozen=True)
class Variable:
    """`longest` maps a language to the longest value, in UTF-16 units, as providers count them."""

    name: str
    kind: Kind
    longest: Mapping[str, int]

    def longest_in(self, language: str) -> int:
        return self.longest.get(language) or self.longest["zh"]


@dataclass(frozen=True)
class MessageTemplate:
    """The text of one purpose for one channel in one language. `shape` is that of an SMS, and empty elsewhere;
    `subject` is for mail alone."""

    purpose: Purpose
    channel: str
    language: str
    text: str
    subject: str = ""
    shape: str = ""
    variables: Mapping[str, Variable] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What those providers' templates are called by that hold the text themselves."""
        return f"{self.purpose}.{self.language}"

    @property
    def where(self) -> str:
        """File and key, as its author finds them."""
        return f"{self.purpose}.toml, {'.'.join(part for part in (self.channel, self.shape, self.language) if part)}"

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(_PLACEHOLDER.findall(self.text + self.subject))


class MessageTemplates:
    """All templates. A language that a text does not have is Chinese; a shape that a text does not have is `full`,
    where that leads nowhere. No channel speaks for another."""

    def __init__(self, templates: Iterable[MessageTemplate]) -> None:
        self._templates = {(item.purpose, item.channel, item.shape, item.language): item for item in templates}

    def get(self, purpose: Purpose, channel: str, language: str, shape: str = "full") -> MessageTemplate:
        """Raises TemplateFailed when there is no such text."""
        found = self.find(purpose, channel, language, shape) or self.find(purpose, channel, "zh", shape)
        if found is None:
            ways = f"{channel}.{shape}" if channel == "sms" else channel
            raise TemplateFailed(f"{purpose}.toml has no text for {ways}")
        return found

    def find(self, purpose: Purpose, channel: str, language: str, shape: str = "full") -> MessageTemplate | None:
        """The text in this very language."""
        if channel != "sms":
            return self._templates.get((purpose, channel, "", language))
        if found := self._templates.get((purpose, channel, shape, language)):
            return found
        full = self._templates.get((purpose, channel, Shape.FULL, language))
        return full if full and not full.placeholders & LEADS else None

    def fitted(self, purpose: Purpose, language: str, values: Mapping[str, str]) -> dict[str, str]:
        """The values, with visible dots where a text is longer than the purpose's variable may be: a provider would
        refuse it, or cut it without a word."""
        variables = next((each.variables for each in self if each.purpose is purpose), {})
        return {name: _fitted(variables.get(name), language, value) for name, value in values.items()}

    def __iter__(self) -> Iterator[MessageTemplate]:
        return iter(self._templates.values())


def _fitted(variable: Variable | None, language: str, value: str) -> str:
    if variable is None or variable.kind is not Kind.TEXT:
        return value
    return shortened(value, variable.longest_in(language))


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


def contracts_words(count: int, language: str) -> str:
    """How many contracts a message is about: 合同, 2份合同; course contract, 2 course contracts."""
    if language == "en":
        return "course contract" if count == 1 else f"{count} course contracts"
    return "合同" if count == 1 else f"{count}份合同"


def told_of(deadlines: Sequence[datetime], now: datetime, zone: str, language: str) -> dict[str, str]:
    """What a message says of contracts with these deadlines: how many, and until when the first has to be signed. In
    Chinese the day is enough for several, where it is not today: so the text stays within one segment."""
    first, count = min(deadlines), len(deadlines)
    until = moment_words(first, zone, language)
    if count > 1 and language != "en" and first - now > timedelta(days=1):
        until = until.partition(" ")[0]
    return {"contracts": contracts_words(count, language), "deadline": until}


def moment_words(moment: datetime, zone: str, language: str) -> str:
    """In that zone and language: 12月3日 18:00 / 3 December 18:00."""
    local = moment.astimezone(ZoneInfo(zone))
    if language == "en":
        return f"{local.day} {local:%B %H:%M}"
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def check_variable(variable: Variable) -> None:
    """Raises TemplateFailed for one that messages do not have, or of another type than its values are."""
    kind = KINDS.get(variable.name)
    if kind is None:
        raise TemplateFailed(f"variables.{variable.name}: messages have no such variable")
    if kind is not variable.kind:
        raise TemplateFailed(f"variables.{variable.name}: its type is {kind}, not {variable.kind}")
    if "zh" not in variable.longest:
        raise TemplateFailed(f"variables.{variable.name}: longest needs a number for zh")
    if kind is Kind.PATH and max(variable.longest.values()) > MAX_PATH_LENGTH:
        raise TemplateFailed(f"variables.{variable.name}: a piece of path has at most {MAX_PATH_LENGTH} characters")


def check_template(template: MessageTemplate) -> None:
    """Raises TemplateFailed, without the file's name, for a text that could not be written or would lead nowhere."""
    if fault := _fault(template):
        raise TemplateFailed(f"{template.where.partition(', ')[2]}: {fault}")


def _fault(template: MessageTemplate) -> str | None:
    bare = _PLACEHOLDER.sub("", template.text + template.subject)
    if unknown := template.placeholders - template.variables.keys():
        return f"unknown placeholder {', '.join(f'{{{name}}}' for name in sorted(unknown))}: variables has to list it"
    if "{" in bare or "}" in bare:
        return "a brace stands alone"
    if not template.text.strip():
        return "the text is empty"
    if _ADDRESS.search(bare):
        return "an address stands in the text: addresses come by {link}, {entry} and {ticket} alone"
    return _shape_fault(template) if template.channel == "sms" else _channel_fault(template)


def _shape_fault(template: MessageTemplate) -> str | None:
    """`full` carries the address itself; `path` a constant one and the ticket; `code` a constant one and a code."""
    leads = template.placeholders & LEADS
    allowed = {"full": {"link"}, "path": {"entry", "ticket"}, "code": {"entry", "pickup"}}[template.shape]
    if forbidden := leads - allowed:
        return f"the shape {template.shape} cannot have {', '.join(f'{{{name}}}' for name in sorted(forbidden))}"
    if leads and leads != allowed:
        return f"the shape {template.shape} needs {' and '.join(f'{{{name}}}' for name in sorted(allowed))}"
    if template.shape == "path" and leads and "{entry}/{ticket}" not in template.text:
        return "the ticket has to follow the constant address: {entry}/{ticket}"
    return None


def _channel_fault(template: MessageTemplate) -> str | None:
    if template.channel == "voice" and template.placeholders & LEADS:
        return "a call cannot carry an address"
    if template.channel == "email" and not template.subject.strip():
        return "mail needs a subject"
    if late := LATE.intersection(_PLACEHOLDER.findall(template.subject)):
        return f"a subject is read by many eyes: no {', '.join(f'{{{name}}}' for name in sorted(late))} in it"
    return "a subject has one line" if "\n" in template.subject else None
