"""Build the timestamp authority from the settings: the built-in one, or outside services that are tried in turn. Also
connect the notaries."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import urlsplit

import aiohttp

from hub.installation.pki import BuiltinPki
from hub.installation.trust import trust_timestamps
from hub.lifecycle.messaging.service_alerts import TimestampAlerts
from hub.notaries import Notary, NotaryContext
from hub.plugins import NOTARIES, TIMESTAMPS, connect_plugin
from hub.settings import Settings
from hub.store.transaction import Clock, Database
from hub.timestamps import TimestampAuthority, TimestampContext
from hub.timestamps.several import SeveralTimestamps


async def connect_timestamps(
    settings: Settings, pki: BuiltinPki, database: Database, clock: Clock, closing: AsyncExitStack
) -> TimestampAuthority:
    """Return what gives timestamps. Raises ValueError for a wrong entry."""
    if settings.timestamps.kind == "builtin":
        return pki.timestamps
    session = await closing.enter_async_context(aiohttp.ClientSession())
    warnings = TimestampAlerts(database)
    services: dict[str, TimestampAuthority] = {}
    for each in (settings.timestamps, *settings.timestamps.more):
        name = urlsplit(each.url).netloc.rpartition("@")[2]
        name = f"{name} ({len(services) + 1})" if name in services else name
        context = TimestampContext(name, session, clock, partial(warnings.clock_differs, name))
        services[name] = connect_plugin(TIMESTAMPS, name, each.model_dump(exclude={"more"}), context)
    several = SeveralTimestamps(services, clock, warnings)
    trust_timestamps(settings, several.certificates)
    return several


def connect_notaries(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> dict[str, Notary]:
    """Return the notaries by their names. Raises ValueError for a wrong entry."""
    return {
        name: connect_plugin(NOTARIES, name, entry, NotaryContext(name, http, clock))
        for name, entry in settings.notaries.items()
    }
