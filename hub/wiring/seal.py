"""Connect the school's own seal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import aiohttp

from hub import tokens
from hub.installation.pki import BuiltinPki, accepted_seal, remote_seal_info
from hub.lifecycle.services import SealKey
from hub.plugins import seal_key
from hub.settings import Settings
from hub.tokens.softkey import SoftKey

Clock = Callable[[], datetime]


async def connect_seal(settings: Settings, pki: BuiltinPki, http: aiohttp.ClientSession, clock: Clock) -> SealKey:
    """Return the seal's key: on the token, or at a remote service whose certificate leads to a configured authority."""
    remote = await seal_key(settings.seal, tokens.TokenContext(http, remote_seal_info(settings)))
    if remote is None:
        software = isinstance(pki.seal_key, SoftKey)
        return SealKey(pki.seal_key, pki.seal_chain, settings.school.name, software=software)
    chain = await accepted_seal(settings, remote, pki.authority.root, clock())
    return SealKey(remote, chain, settings.school.name, remote=True)
