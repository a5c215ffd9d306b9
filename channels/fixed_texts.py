"""Code for SMS providers that send only registered texts: template options and callbacks. Not a channel."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from channels import (
    CallbackAnswer,
    CallbackContent,
    CallbackRequest,
    ChannelContext,
    ChannelOptions,
    Failure,
    Inbound,
    Message,
    MessageRefused,
    NotGenuine,
    ReceiptReport,
    Shape,
    Unread,
)
from channels.secret_path import CallbackSecret, SecretPathOptions

MAINLAND = "+86"
# Variables that hold a URL. These providers allow URLs only in the template itself.
ADDRESSES = frozenset({"link", "entry"})
# The variables by which a registered text refers to the page.
LEADS = {"ticket": Shape.PATH, "pickup": Shape.CODE}
# How many characters of an unreadable entry are kept.
MAX_ENTRY_LENGTH = 4000
_CODE_WORD = re.compile(r"(?!.*\d{7})[\w.:-]{1,80}", re.ASCII)


class ProviderTemplate(ChannelOptions):
    """A text approved by the provider.

    `id`: the provider's id. `abroad`: id of the text for numbers abroad, which providers register separately.
    `variables`: our variables that it takes, in order.
    """

    id: str = Field(min_length=1)
    abroad: str = ""
    variables: tuple[str, ...] = ()

    @field_validator("variables")
    @classmethod
    def _no_addresses(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if forbidden := sorted(ADDRESSES.intersection(names)):
            raise ValueError(f"the provider allows no URL in a variable: {', '.join(forbidden)}")
        return names


class FixedTextOptions(SecretPathOptions):
    """Options.

    `endpoint`: base URL of the provider. `sign_name`: signature in 【】 before every text; `sign_name_abroad`: the same
    for numbers abroad. `templates`: text by `purpose.language`.
    """

    endpoint: str = Field(pattern=r"^https?://[^/?#@]+$")
    sign_name: str = Field(min_length=1)
    sign_name_abroad: str = ""
    templates: dict[Annotated[str, StringConstraints(pattern=r"^[a-z-]+\.[a-z]{2}$")], ProviderTemplate]
    callback_secret: CallbackSecret

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """SMS shapes of the configured texts; both if no text refers to a page."""
        taken = {name for template in self.templates.values() for name in template.variables}
        return tuple(shape for name, shape in LEADS.items() if name in taken) or tuple(LEADS.values())


@dataclass(frozen=True)
class ChosenTemplate:
    """The provider's template for one message, with the values of its variables in order."""

    id: str
    sign_name: str
    values: tuple[tuple[str, str], ...]


def choose_template(options: FixedTextOptions, message: Message, longest: int) -> ChosenTemplate:
    """Choose the template for a message. `longest`: maximum length of a value.

    Raises MessageRefused if the provider would refuse or cut the message.
    """
    template = options.templates.get(f"{message.template}.{message.language}")
    mainland = message.to.startswith(MAINLAND)
    template_id = template and (template.id if mainland else template.abroad)
    if not template or not template_id:
        where = "" if mainland else " for numbers abroad"
        raise MessageRefused(f"no template {message.template}.{message.language} is configured{where}", Failure.CONTENT)
    sign_name = options.sign_name if mainland else options.sign_name_abroad
    values = tuple((name, _value(message, name, longest)) for name in template.variables)
    return ChosenTemplate(template_id, sign_name, values)


def _value(message: Message, name: str, longest: int) -> str:
    if name not in message.variables:
        raise MessageRefused(f"the message has no value for {name}", Failure.CONTENT)
    value = message.variables[name]
    if len(value) > longest:
        raise MessageRefused(f"the value of {name} is longer than {longest} characters", Failure.CONTENT)
    if "://" in value:
        raise MessageRefused(f"the value of {name} contains a URL", Failure.CONTENT)
    return value


def printable_code(value: Any) -> str:
    """Return a provider's code if it may be shown, otherwise "an unknown code".

    No sentences and no long numbers: both can reveal a person.
    """
    return value if isinstance(value, str) and _CODE_WORD.fullmatch(value) else "an unknown code"


def read_entries(
    call: CallbackRequest,
    context: ChannelContext,
    options: FixedTextOptions,
    read: Callable[[Mapping[str, Any]], ReceiptReport | Inbound],
    answer: CallbackAnswer,
) -> CallbackContent:
    """Parse the entries of a provider's callback at our secret URL.

    An unreadable entry goes to `unread` and does not affect the others. Raises NotGenuine for any other URL or body.
    """
    reports: list[ReceiptReport] = []
    inbound: list[Inbound] = []
    unread: list[Unread] = []
    for entry in _entries(call, context, options):
        try:
            if not isinstance(entry, dict):
                raise NotGenuine("no object")
            found = read(entry)
        except NotGenuine as error:
            unread.append(Unread(str(error), json.dumps(entry)[:MAX_ENTRY_LENGTH]))
        else:
            if isinstance(found, ReceiptReport):
                reports.append(found)
            else:
                inbound.append(found)
    return CallbackContent(tuple(reports), tuple(inbound), tuple(unread), answer)


def _entries(call: CallbackRequest, context: ChannelContext, options: FixedTextOptions) -> list[Any]:
    address, _, piece = call.url.rpartition("/")
    if call.method != "POST" or address != context.callbacks or not options.is_secret(piece):
        raise NotGenuine("not a call to the address that the provider was told")
    try:
        data = json.loads(call.body)
    except (ValueError, RecursionError):
        raise NotGenuine("not JSON") from None
    if not data or not isinstance(data, list | dict):
        raise NotGenuine("not the provider's report")
    return data if isinstance(data, list) else [data]


def read_text(item: Mapping[str, Any], name: str, longest: int = 200) -> str:
    """Return a field that a callback's entry must have: a text, or an integer as text. Raises NotGenuine."""
    value = item.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    # JSON can contain a lone half of a surrogate pair, and NUL; neither can be stored.
    if not isinstance(value, str) or not 0 < len(value) <= longest or re.search("[\0\ud800-\udfff]", value):
        raise NotGenuine(f"{name} is missing or no text")
    return value
