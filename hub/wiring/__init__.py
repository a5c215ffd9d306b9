"""Build the parts of a running hub from its settings. Only higher modules import this."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import aiohttp

import chats
from channels import ChannelContext, Door
from channels.applink import AndroidApp, AppLink
from channels.copy import Copy
from channels.poster import PosterDoor
from channels.qr import Qr
from hub import attestations, authorities
from hub import identity as identities
from hub.alerts import Addressee
from hub.attestations import Attestor
from hub.authorities import Authority
from hub.authorities.revocation import RevocationLists
from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_data import SchoolFacts
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.contract.own_pdf import OwnPdfReader
from hub.documents.fonts import ContractFont
from hub.documents.messaging.messages import load_messages
from hub.documents.page_logo import read_logo
from hub.documents.pages import PagePainter
from hub.documents.sealing.seal_upload import PictureReader
from hub.documents.signing.attachment_upload import AttachmentReader
from hub.documents.signing.engine import make_engine
from hub.identity import IdentityProvider
from hub.identity.roster import RosterIdentity
from hub.installation.data_folder import check_folder, check_seal, master_key
from hub.installation.pki import BuiltinPki, load_pki, one_at_a_time
from hub.installation.token import open_token
from hub.installation.trust import signer_trust, trust_authority, trust_seal_chain
from hub.lifecycle.messaging.service_alerts import TokenAlerts
from hub.lifecycle.services import (
    Authorities,
    DocumentServices,
    MessagingServices,
    SealingServices,
    Services,
    SigningServices,
)
from hub.metrics_access import MetricsAccess
from hub.model.contract.person import normalise_name, normalise_phone, parse_id_document
from hub.model.contract.signer import Representative
from hub.model.evidence.retention import Retention
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.message import MessageTemplates
from hub.model.reminders.policy import THROUGH, ReminderPolicy
from hub.model.signing.authority_choice import BUILTIN, AuthorityRule
from hub.oidc import OidcProvider
from hub.plugins import (
    ATTESTORS,
    AUTHORITIES,
    CHATS,
    IDENTITIES,
    ROSTER,
    DatabaseLedger,
    check_messages,
    connect_plugin,
    connect_provider,
    demo_outbox,
)
from hub.router.message_texts import MessageTexts
from hub.router.providers import Provider, ProviderSet
from hub.router.rendering import Renderer
from hub.router.router import Router
from hub.settings import PACKED, Settings
from hub.store.encryption.keys import Keys
from hub.store.file_store import open_files
from hub.store.kernel.database_clock import DatabaseClock
from hub.store.server.installation import find_binding
from hub.store.transaction import Database
from hub.wiring.seal import connect_seal
from hub.wiring.seal_files import connect_seal_files
from hub.wiring.timestamps import connect_notaries, connect_timestamps

Clock = Callable[[], datetime]
# All invented numbers of the demo school have the same prefix. With this limit its contracts can be issued at once.
DEMO_PER_PREFIX_HOUR = 5000


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Hub:
    """The parts of a running hub. `demo`: set only by the command `qianda demo`, by no configuration or request."""

    settings: Settings
    services: Services
    pki: BuiltinPki
    app_link: AppLink
    demo: bool
    closing: AsyncExitStack
    chats: Mapping[str, chats.Chat] = field(default_factory=dict)
    logo: bytes | None = None
    metrics_access: MetricsAccess = field(default_factory=MetricsAccess)
    login_provider: OidcProvider | None = None

    @property
    def database(self) -> Database:
        return self.services.database

    async def close(self) -> None:
        await self.closing.aclose()


async def build(settings: Settings, dsn: str, *, demo: bool, clock: Clock | None = None) -> Hub:
    """Build a hub. Nothing is created: the database must be migrated and bound to this data folder.

    `dsn`: for the role `app`. `clock`: the database's, except in tests. Raises WrongInstallation if folder and database
    do not belong together, ValueError for configured parts that do not exist, and TemplateFailed for messages that a
    configured provider would not accept.
    """
    async with AsyncExitStack() as closing:
        hub = await _build(settings, dsn, closing, demo=demo, clock=clock or DatabaseClock())
        return replace(hub, closing=closing.pop_all())


async def _build(settings: Settings, dsn: str, closing: AsyncExitStack, *, demo: bool, clock: Clock) -> Hub:
    binding = check_folder(settings.data, await find_binding(dsn))
    keys = Keys.load(master_key(settings.data))
    database = Database(dsn, keys, clock)
    closing.push_async_callback(database.close)
    pki = await _pki(settings, closing, clock)
    texts = MessageTexts(_messages(settings.own_templates("messages")))
    app_link = _app_link(settings)
    # Calls are limited where they begin. With a limit of the session, one slow service would delay all others.
    http = await closing.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    providers = ProviderSet(_providers(settings, _Context(database, http, clock, demo)), secrets.SystemRandom().random)
    policy = _policy(settings, providers)
    router = Router(database, providers, _renderer(settings, providers, texts.current, keys), policy)
    seal = await connect_seal(settings, pki, http, clock)
    check_seal(seal.chain[0], binding)
    pki.token.warnings = TokenAlerts(database)
    services = Services(
        database=database,
        files=open_files(settings.files or str(settings.data / "files"), database),
        clock=clock,
        origin=settings.public_origin,
        documents=_documents(settings, closing, clock),
        messaging=MessagingServices(
            router,
            policy,
            _budgets(settings, demo),
            texts,
            _doors(settings, app_link),
            _addressees(settings, database, closing),
            settings.offices,
        ),
        signing=_signing(settings, pki, keys, http, clock),
        sealing=SealingServices(
            seal,
            await connect_timestamps(settings, pki, database, clock, closing),
            pki.authority,
            BUILTIN,
            pki.token,
            partial(trust_seal_chain, settings),
            settings.full_check_every,
            connect_notaries(settings, http, clock),
        ),
        seal_files=connect_seal_files(settings, closing, clock),
    )
    chats_by_name, logo = _chats(settings, http, clock), read_logo(settings.own_logo())
    access = MetricsAccess.from_settings(settings)
    login = OidcProvider(settings.oidc, http, clock) if settings.oidc.issuer else None
    return Hub(settings, services, pki, app_link, demo, closing, chats_by_name, logo, access, login)


def _signing(
    settings: Settings, pki: BuiltinPki, keys: Keys, http: aiohttp.ClientSession, clock: Clock
) -> SigningServices:
    authorities = _authorities(settings, pki, http, clock)
    outside = [authority.chain[-1] for authority in authorities.by_name.values()]
    return SigningServices(
        keys=keys,
        randomness=secrets.token_bytes,
        identity=RosterIdentity(),
        real_names=_real_names(settings, http, clock),
        authorities=authorities,
        signer_trust=signer_trust(settings, pki.authority.root, outside),
        revocation=RevocationLists(http, clock),
        attestors=_attestors(settings, http, clock),
    )


async def _pki(settings: Settings, closing: AsyncExitStack, clock: Clock) -> BuiltinPki:
    async with one_at_a_time(settings):
        token = open_token(settings, clock)
        closing.callback(token.close)
        return await load_pki(settings, token, clock)


def _chats(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> dict[str, chats.Chat]:
    return {
        name: connect_plugin(CHATS, name, entry, chats.ChatContext(name, http, clock))
        for name, entry in settings.chats.items()
    }


@cache
def _messages(own: Path | None) -> MessageTemplates:
    return load_messages(PACKED / "templates" / "messages", own)


def _representatives(settings: Settings) -> tuple[Representative, ...]:
    """Return the school's representatives. Raises BadInput for a name, number or document that no contract would
    accept."""
    found = []
    for number, each in enumerate(settings.representatives):
        values = each.model_dump() | {"channels": tuple(each.channels)}
        where = f"representatives[{number}]"
        values["name"] = normalise_name(each.name, field=f"{where}.name")
        values["phone"] = normalise_phone(each.phone, field=f"{where}.phone")
        parse_id_document(each.id_type, each.id_number, field=f"{where}.id_number")
        found.append(Representative(**values))
    return tuple(found)


def _school_facts(settings: Settings) -> SchoolFacts:
    school = settings.school
    return SchoolFacts(school.name, school.credit_code, school.licence, school.representative)


def _documents(settings: Settings, closing: AsyncExitStack, clock: Clock) -> DocumentServices:
    writer = ClauseWriter()
    painter = PagePainter()
    seal_pictures, attachments, own_pdfs = PictureReader(), AttachmentReader(), OwnPdfReader()
    for child in (seal_pictures, attachments, own_pdfs, writer, painter):
        closing.callback(child.close)
    templates = ContractTemplates(PACKED / "templates" / "contracts", settings.own_templates("contracts"))
    return DocumentServices(
        school=_school_facts(settings),
        school_called=settings.school.called,
        printer=ContractPrinter(templates, writer, ContractFont()),
        pages=painter,
        pdf_engine=make_engine(settings.pdf_engine, clock),
        seal_pictures=seal_pictures,
        attachments=attachments,
        own_pdfs=own_pdfs,
        representatives=_representatives(settings),
        retention=_retention(settings),
    )


@dataclass(frozen=True)
class _Context:
    """What every channel receives."""

    database: Database
    http: aiohttp.ClientSession
    clock: Clock
    demo: bool


def _providers(settings: Settings, around: _Context) -> list[Provider]:
    """Return the configured providers.

    In the demo, the outbox serves every channel. Elsewhere the outbox is not allowed, and a channel must be configured.
    """

    def place(name: str) -> ChannelContext:
        callbacks = f"{settings.public_origin}/callbacks/{name}"
        return ChannelContext(name, callbacks, around.http, DatabaseLedger(around.database), around.clock)

    if around.demo:
        return demo_outbox(place("outbox"))
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


def _renderer(settings: Settings, providers: ProviderSet, messages: MessageTemplates, keys: Keys) -> Renderer:
    renderer = Renderer(messages, keys, settings.public_origin)
    check_messages(providers, renderer)
    return renderer


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
    values = settings.budgets.model_dump()
    if demo and "per_prefix_hour" not in settings.budgets.model_fields_set:
        values["per_prefix_hour"] = DEMO_PER_PREFIX_HOUR
    return BudgetLimits(**(values | {"countries": tuple(values["countries"])}))


def _retention(settings: Settings) -> Retention:
    days = settings.retention
    return Retention(
        timedelta(days=days.calls_days),
        timedelta(days=days.inbound_days),
        timedelta(days=days.contracts_days),
        {str(name): last for name, last in days.algorithm_ends.items()},
        {template: timedelta(days=each) for template, each in days.templates_days.items()},
    )


def _doors(settings: Settings, app_link: AppLink) -> dict[str, Door]:
    """Return the doors. Raises ValueError for a logo that is no PNG, OSError for one that cannot be read."""
    logo = settings.poster_logo.read_bytes() if settings.poster_logo else None
    return {"qr": Qr(), "desk": Qr(), "applink": app_link, "copy": Copy(), "poster": PosterDoor(logo)}


def _authorities(settings: Settings, pki: BuiltinPki, http: aiohttp.ClientSession, clock: Clock) -> Authorities:
    """Return the built-in and the configured authorities, and let `qianda verify` trust the chains of the latter.

    Raises ValueError for a wrong entry, and for a rule that names an authority which does not exist.
    """
    found: dict[str, Authority] = {BUILTIN: pki.authority}
    for name, entry in settings.authorities.items():
        found[name] = connect_plugin(AUTHORITIES, name, entry, authorities.AuthorityContext(name, http, clock))
        trust_authority(settings, name, found[name].chain)
    rules = tuple(
        AuthorityRule(tuple(each.authorities), tuple(each.campuses), tuple(each.templates), tuple(each.keys))
        for each in settings.authority_rules
    )
    for name in (settings.authority, *(name for rule in rules for name in rule.authorities)):
        if name not in found:
            raise ValueError(f"authorities: there is no authority {name}")
    return Authorities(found, settings.authority, rules)


def _real_names(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> IdentityProvider | None:
    """Return the identity provider; None if only the roster is used. Raises ValueError for a wrong or missing entry."""
    found = {
        name: connect_plugin(IDENTITIES, name, entry, identities.IdentityContext(name, http, clock))
        for name, entry in settings.identities.items()
    }
    if settings.identity != ROSTER and settings.identity not in found:
        raise ValueError(f"identity: there is no provider {settings.identity}")
    return found.get(settings.identity)


def _attestors(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> dict[str, Attestor]:
    """Return the attestors by the format that they read. Raises ValueError for a wrong entry, and for two with the same
    format."""
    found: dict[str, Attestor] = {}
    for name, entry in settings.attestations.items():
        connected = connect_plugin(ATTESTORS, name, entry, attestations.AttestationContext(name, http, clock))
        if connected.format in found:
            raise ValueError(f"attestations.{name}: statements of the format {connected.format} are read already")
        found[connected.format] = connected
    return found


def _app_link(settings: Settings) -> AppLink:
    configured = settings.app_link
    android = [AndroidApp(app.package, tuple(app.fingerprints)) for app in configured.android_apps]
    return AppLink(configured.scheme, configured.ios_apps, android, configured.harmony_apps)
