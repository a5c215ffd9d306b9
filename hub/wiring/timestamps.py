"""Build the timestamp authority from the settings: the built-in one, or outside services that are tried in turn. Also
connect the notaries."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import urlsplit

import aiohttp

from hub.installation.pki import BuiltinPki
from hub.installation.trust import trust_timestamps
from hub.lifecycle.messaging.service_alerts import TimestampAlerts
from hub.notaries import Notary, NotaryContext
from hub.plugins import NOTARIES, connect_plugin
from hub.settings import Settings
from hub.store.transaction import Clock, Database
from hub.timestamps import TimestampAuthority
from hub.timestamps.several import SeveralTimestamps


async def connect_timestamps(
    settings: Settings, pki: BuiltinPki, database: Database, clock: Clock, closing: AsyncExitStack
) -> TimestampAuthority:
    if settings.timestamps.kind == "builtin":
        return pki.timestamps
    from hub.timestamps.rfc3161 import PinnedService, Rfc3161Timestamps  # imports the code that checks its answers

    session = await closing.enter_async_context(aiohttp.ClientSession())
    warnings = TimestampAlerts(database)
    services: dict[str, TimestampAuthority] = {}
    for each in (settings.timestamps, *settings.timestamps.more):
        certificates = [ssl.PEM_cert_to_DER_cert(path.read_text()) for path in each.certificates]
        name = urlsplit(each.url).netloc.rpartition("@")[2]
        name = f"{name} ({len(services) + 1})" if name in services else name
        services[name] = Rfc3161Timestamps(
            session,
            PinnedService(each.url, certificates, each.deadline),
            clock,
            differs=partial(warnings.clock_differs, name),
        )
    several = SeveralTimestamps(services, clock, warnings)
    trust_timestamps(settings, several.certificates)
    return several


def connect_notaries(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> dict[str, Notary]:
    """Return the notaries by their names. Raises ValueError for a wrong entry."""
    return {
        name: connect_plugin(NOTARIES, name, entry, NotaryContext(name, http, clock))
        for name, entry in settings.notaries.items()
    }
