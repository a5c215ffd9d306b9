"""Build the parts of a running hub from its settings. Only higher modules import this."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import aiohttp

import chats
from channels.applink import AppLink
from hub.documents.page_logo import read_logo
from hub.installation.data_folder import check_folder, check_seal, master_key
from hub.installation.pki import BuiltinPki, load_pki, lock_installation
from hub.installation.token import open_token
from hub.installation.trust import trust_seal_chain
from hub.lifecycle.messaging.service_alerts import TokenAlerts
from hub.lifecycle.services import SealingServices, Services
from hub.metrics_access import MetricsAccess
from hub.model.signing.authority_choice import BUILTIN
from hub.oidc import OidcProvider
from hub.plugins import CHATS, connect_plugin
from hub.settings import Settings
from hub.store.encryption.keys import Keys
from hub.store.file_store import open_files
from hub.store.kernel.database_clock import DatabaseClock
from hub.store.server.installation import find_binding
from hub.store.transaction import Clock, Database
from hub.wiring.documents import connect_documents
from hub.wiring.messaging import Surroundings, connect_messaging, read_app_link
from hub.wiring.seal import connect_seal
from hub.wiring.seal_files import connect_seal_files
from hub.wiring.signing import connect_signing
from hub.wiring.timestamps import connect_notaries, connect_timestamps


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
    app_link = read_app_link(settings)
    # Callers limit their own calls. With a limit on the session, one slow service would delay all others.
    http = await closing.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    messaging = connect_messaging(settings, Surroundings(database, keys, http, clock, demo), app_link, closing)
    seal = await connect_seal(settings, pki, http, clock)
    check_seal(seal.chain[0], binding)
    pki.token.warnings = TokenAlerts(database)
    services = Services(
        database=database,
        files=open_files(settings.files or str(settings.data / "files"), database),
        clock=clock,
        origin=settings.public_origin,
        documents=connect_documents(settings, closing, clock),
        messaging=messaging,
        signing=connect_signing(settings, pki, keys, http, clock),
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


async def _pki(settings: Settings, closing: AsyncExitStack, clock: Clock) -> BuiltinPki:
    async with lock_installation(settings):
        token = open_token(settings, clock)
        closing.callback(token.close)
        return await load_pki(settings, token, clock)


def _chats(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> dict[str, chats.Chat]:
    return {
        name: connect_plugin(CHATS, name, entry, chats.ChatContext(name, http, clock))
        for name, entry in settings.chats.items()
    }
