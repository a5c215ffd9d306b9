"""Build what sends messages: providers, router, policy, limits, doors, addresses for alerts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import aiohttp

from channels import ChannelContext, Door, outbox
from channels.applink import AndroidApp, AppLink
from channels.copy import Copy
from channels.poster import PosterDoor
from channels.qr import Qr
from hub.alerts import Addressee
from hub.documents.messaging.messages import load_messages
from hub.errors import TemplateFailed
from hub.lifecycle.services import MessagingServices
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.message import MessageTemplates
from hub.model.messaging.provider import ProviderSettings
from hub.model.reminders.policy import THROUGH, ReminderPolicy
from hub.model.staff.scope import EVERYTHING
from hub.plugins import connect_provider
from hub.router.message_texts import MessageTexts, find_message_faults
from hub.router.providers import Provider, ProviderSet
from hub.router.rendering import Renderer
from hub.router.router import Router
from hub.settings import PACKED, Settings
from hub.settings.sections import SENDING_CHANNELS
from hub.store.encryption.keys import Keys
from hub.store.messaging.outbox import opening_accept, opening_accepted
from hub.store.transaction import Clock, Database

# All invented numbers of the demo school have the same prefix. This limit lets all its contracts be issued at once.
DEMO_PER_PREFIX_HOUR = 5000
OUTBOX_RATE = 1000.0


@dataclass(frozen=True)
class Surroundings:
    """What the parts that send messages share."""

    database: Database
    keys: Keys
    http: aiohttp.ClientSession
    clock: Clock
    demo: bool


def connect_messaging(
    settings: Settings, around: Surroundings, app_link: AppLink, closing: AsyncExitStack
) -> MessagingServices:
    """Return the parts that send messages. Raises ValueError for a wrong entry, and TemplateFailed for messages that a
    configured provider would refuse."""
    texts = MessageTexts(_messages(settings.own_templates("messages")))
    providers = ProviderSet(_providers(settings, around), secrets.SystemRandom().random)
    policy = _policy(settings, providers)
    renderer = Renderer(texts.current, around.keys, settings.public_origin)
    _check_messages(providers, renderer)
    return MessagingServices(
        Router(around.database, providers, renderer, policy),
        policy,
        _budgets(settings, around.demo),
        texts,
        _doors(settings, app_link),
        _addressees(settings, around.database, closing),
        settings.offices,
    )


def read_app_link(settings: Settings) -> AppLink:
    configured = settings.app_link
    android = [AndroidApp(app.package, tuple(app.fingerprints)) for app in configured.android_apps]
    return AppLink(configured.scheme, configured.ios_apps, android, configured.harmony_apps)


@cache
def _messages(own: Path | None) -> MessageTemplates:
    return load_messages(PACKED / "templates" / "messages", own)


def _providers(settings: Settings, around: Surroundings) -> list[Provider]:
    """Return the configured providers.

    In the demo, the outbox serves every channel. Elsewhere the outbox is not allowed, and a channel must be configured.
    """

    def place(name: str) -> ChannelContext:
        callbacks = f"{settings.public_origin}/callbacks/{name}"
        return ChannelContext(name, callbacks, around.http, DatabaseLedger(around.database), around.clock)

    if around.demo:
        return _demo_outbox(place("outbox"))
    if outboxes := [name for name, entry in settings.channels.items() if (entry.kind or name) == "outbox"]:
        raise ValueError(f"channels.{outboxes[0]}: the outbox exists only in the demo")
    return [connect_provider(name, entry, place(name)) for name, entry in settings.channels.items()]


def _addressees(settings: Settings, database: Database, closing: AsyncExitStack) -> tuple[Addressee, ...]:
    """Return the addresses for alerts. Raises ValueError for an invalid address."""
    urls = list(settings.alerts)
    if settings.alerts_file is not None:
        lines = settings.alerts_file.read_text("utf-8").splitlines()
        urls += [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not urls:
        return ()
    from hub.alerts.apprise import connect  # slow to import, and rarely needed

    def mark(url: str) -> str:
        return database.cipher.found_by("alert-address", url).hex()[:16]

    addressees, close = connect(urls, settings.public_origin, mark)
    closing.callback(close)
    return addressees


def _policy(settings: Settings, providers: ProviderSet) -> ReminderPolicy:
    """Return the reminder policy.

    Raises ValueError with file, key and reason for a policy that never ends, wakes people up or uses a missing channel.
    """
    try:
        policy = ReminderPolicy.from_dict(settings.reminders)
        for key in THROUGH:
            if missing := [each for each in getattr(policy, key) if each not in providers.channels]:
                raise ValueError(f"{key}: no provider of {missing[0]} is configured")
    except ValueError as error:
        raise ValueError(f"{settings.source_of('reminders', str(error).split(':')[0])}, reminders.{error}") from error
    return policy


def _budgets(settings: Settings, demo: bool) -> BudgetLimits:
    if demo and "per_prefix_hour" not in settings.budgets.model_fields_set:
        return settings.budgets.model_copy(update={"per_prefix_hour": DEMO_PER_PREFIX_HOUR})
    return settings.budgets


def _doors(settings: Settings, app_link: AppLink) -> dict[str, Door]:
    """Return the doors. Raises ValueError for a logo that is not a PNG, OSError for one that cannot be read."""
    logo = settings.poster_logo.read_bytes() if settings.poster_logo else None
    return {"qr": Qr(), "desk": Qr(), "applink": app_link, "copy": Copy(), "poster": PosterDoor(logo)}


def _demo_outbox(context: ChannelContext) -> list[Provider]:
    """Return the demo's providers, in which the outbox serves every channel."""
    channel = outbox.connect({}, context)
    return [
        Provider(ProviderSettings(f"outbox-{each}", "outbox", each, rate=OUTBOX_RATE), channel)
        for each in SENDING_CHANNELS
    ]


def _check_messages(providers: Iterable[Provider], renderer: Renderer) -> None:
    """Raise TemplateFailed with all reasons why a configured provider would refuse or cut one of our messages."""
    if found := find_message_faults(providers, renderer.templates, renderer.longest_addresses):
        raise TemplateFailed("\n".join(["These messages could not be sent:", *found]))


class DatabaseLedger:
    """The outbox's own ledger. It is committed separately from the transaction that sends."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, key: str) -> None:
        async with self._database.transaction(EVERYTHING, opening_accept(key)):
            pass

    async def accepted(self, key: str) -> bool:
        opening = opening_accepted(key)
        async with self._database.transaction(EVERYTHING, opening) as tx:
            return bool(await tx.connection.execute(opening.statement, opening.values))
