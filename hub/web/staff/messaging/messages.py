"""Show all messages that the hub writes: for each purpose, channel and language, the text with sample values, and its
length and cost by provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from channels import FixedTexts, Shape
from hub.lifecycle.messaging.preview_message import SAMPLE_PICKUP, SAMPLE_TICKET
from hub.model.messaging.message import (
    KINDS,
    Kind,
    MessageTemplate,
    MessageTemplates,
    Purpose,
    format_contract_count,
    format_moment,
    render,
)
from hub.model.messaging.message_rules import list_best_shapes
from hub.model.messaging.sms_length import Size, measure_text
from hub.model.signing.session import CODE_LIFE
from hub.router.providers import Provider
from hub.settings.sections import SENDING_CHANNELS
from hub.web.staff.forms import Entered
from hub.web.staff.render import show, speech
from hub.web.staff.staff.access import StaffVisit

# Sample values. They open nothing.
CODE = "482917"
COURSE = {"zh": "暑期数学 A", "en": "Summer Mathematics A"}
REPLY = {"zh": "可以改到周三下午，请直接签署。", "en": "Wednesday afternoon is fine, please go on and sign."}
SAMPLE_DAYS, SAMPLE_HOUR = timedelta(days=30), 18
SAMPLE_NUMBER = "2"
NAMES = {"zh": "中文", "en": "English"}
WAYS = (*(("sms", shape.value) for shape in Shape), ("voice", ""), ("email", ""))


@dataclass(frozen=True)
class Cost:
    """The cost of one message by one provider.

    `size`: includes the signature that the provider puts before the text; None if segments are not counted. `amount`:
    None if no price is configured.
    """

    provider: str
    prefix: str
    size: Size | None
    amount: str | None


@dataclass(frozen=True)
class Reading:
    """A text in one language as recipients see it."""

    language: str
    text: str
    subject: str
    size: Size
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class MessagePreview:
    channel: str
    shape: str
    readings: tuple[Reading, ...]


async def preview_purpose(visit: StaffVisit, messages: MessageTemplates, purpose: Purpose) -> list[MessagePreview]:
    """Return the texts of a purpose as recipients would see them."""
    now = (await speech(visit)).now
    samples = {language: _samples(visit, language, now) for language in NAMES}
    ways = (_way(visit, messages, purpose, way, samples) for way in WAYS)
    return [way for way in ways if way.readings]


async def messages(visit: StaffVisit) -> web.Response:
    async with visit.services.database.transaction(visit.shown) as tx:
        await visit.services.messaging.texts.refresh(tx, at_once=True)
    current = visit.services.messaging.messages
    filters = Entered({key: visit.request.query.get(key, "") for key in ("channel", "language")})
    now = (await speech(visit)).now
    samples = {each: _samples(visit, each, now) for each in NAMES if filters["language"] in ("", each)}
    found = {
        purpose: [
            way
            for each in WAYS
            if filters["channel"] in ("", each[0]) and (way := _way(visit, current, purpose, each, samples)).readings
        ]
        for purpose in Purpose
    }
    return await show(
        visit,
        "staff/messaging/messages.html",
        found=found,
        filters=filters,
        providers=list(visit.services.messaging.router.providers),
        channels=SENDING_CHANNELS,
        languages=NAMES,
        shapes_of=_shapes_of,
        price=price_of,
    )


def _samples(visit: StaffVisit, language: str, now: datetime) -> Mapping[str, str]:
    campus = visit.campus or next((each for each in visit.campuses if each.parent), visit.campuses[0])
    renderer = visit.services.messaging.router.renderer
    deadline = (now + SAMPLE_DAYS).astimezone(ZoneInfo(campus.zone)).replace(hour=SAMPLE_HOUR, minute=0)
    known = {
        "school": visit.services.documents.school_called(language),
        "campus": campus.named(language),
        "course": COURSE[language],
        "contracts": format_contract_count(1, language),
        "reply": REPLY[language],
        "deadline": format_moment(deadline, campus.zone, language),
        "minutes": str(CODE_LIFE // timedelta(minutes=1)),
        "link": renderer.build_doorway(SAMPLE_TICKET).url,
        "entry": renderer.entry,
        "ticket": SAMPLE_TICKET,
        "pickup": SAMPLE_PICKUP,
        "code": CODE,
    }
    return {name: SAMPLE_NUMBER for name, kind in KINDS.items() if kind is Kind.DIGITS} | known


def _way(
    visit: StaffVisit,
    messages: MessageTemplates,
    purpose: Purpose,
    way: tuple[str, str],
    samples: Mapping[str, Mapping[str, str]],
) -> MessagePreview:
    readings = []
    channel, shape = way
    for language, values in samples.items():
        template = messages.find(purpose, channel, language, shape)
        if template and template.shape == shape:
            fitted = messages.shorten_values(purpose, language, values)
            readings.append(_reading(visit, messages, template, fitted))
    return MessagePreview(channel, shape, tuple(readings))


def _reading(
    visit: StaffVisit, messages: MessageTemplates, template: MessageTemplate, values: Mapping[str, str]
) -> Reading:
    text = render(template.text, values)
    costs = tuple(
        _cost(provider, text)
        for provider in visit.services.messaging.router.providers
        if provider.settings.carries == template.channel
        and template.language in provider.settings.languages
        and _says(messages, provider, template)
    )
    return Reading(template.language, text, render(template.subject, values), measure_text(text), costs)


def _says(messages: MessageTemplates, provider: Provider, template: MessageTemplate) -> bool:
    """Return whether this provider sends this text: the text has the preferred shape, and is registered if needed."""
    if isinstance(provider.channel, FixedTexts) and template.id not in provider.channel.templates:
        return False
    return template.channel != "sms" or any(
        messages.find(template.purpose, "sms", template.language, shape) is template for shape in _shapes_of(provider)
    )


def _shapes_of(provider: Provider) -> list[str]:
    return list_best_shapes(provider.settings, provider.channel.rules)


def _cost(provider: Provider, text: str) -> Cost:
    prefix = provider.channel.rules.prefix
    counted = measure_text(prefix + text) if provider.settings.carries == "sms" else None
    return Cost(provider.name, prefix, counted, price_of(provider, counted.segments if counted else 1))


def price_of(provider: Provider, segments: int = 1) -> str | None:
    """Return the cost of a message of this many segments, with the currency; None if no price is configured."""
    cost = provider.settings.segment_cost
    return None if cost is None else f"{round(cost * segments, 6):.6g} {provider.settings.currency}"
