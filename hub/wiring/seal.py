"""Connect the school's own seal."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
from cryptography.hazmat.primitives.serialization import Encoding

from hub import tokens
from hub.authorities.brought import SignerTrust, check_chain
from hub.durable_files import write_durably
from hub.errors import BadInput, Refused
from hub.installation.pki import BuiltinPki
from hub.installation.trust import trust_authority, trust_seal
from hub.lifecycle.services import SealKey
from hub.plugins import seal_key
from hub.settings import Settings
from hub.store.transaction import Clock
from hub.tokens import RemoteKey
from hub.tokens.pins import REFUSED_PINS
from hub.tokens.softkey import SoftKey
from qianda.certificate_loading import load_certificate, load_pem_certificates


async def connect_seal(settings: Settings, pki: BuiltinPki, http: aiohttp.ClientSession, clock: Clock) -> SealKey:
    """Return the seal's key: on the token, or at a remote service whose certificate leads to a configured authority."""
    context = tokens.TokenContext(http, _remote_seal_info(settings), settings.data.resolve() / REFUSED_PINS)
    remote = await seal_key(settings.seal, context)
    if remote is None:
        software = isinstance(pki.seal_key, SoftKey)
        return SealKey(pki.seal_key, pki.seal_chain, settings.school.name, software=software)
    chain = await accepted_seal(settings, remote, pki.authority.root, clock())
    return SealKey(remote, chain, settings.school.name, remote=True)


def _remote_seal_info(settings: Settings) -> str:
    """Return what the seal's remote service last reported about its key; empty if it was never asked."""
    path = _remote_seal_file(settings)
    return path.read_text("utf-8") if path.exists() else ""


async def accepted_seal(settings: Settings, key: RemoteKey, own: bytes, now: datetime) -> tuple[bytes, ...]:
    """Return the chain of a seal at a remote service, and let `qianda verify` trust the seal and its authority.

    The chain ends at the configured authority. Raises ValueError for a certificate that cannot seal.
    An expired certificate does not prevent the start: signers can still sign, and `qianda doctor` reports it.
    """
    ends = load_certificate(key.certificates[0]).not_valid_after_utc
    trusted = [one for path in key.trusted for one in load_pem_certificates(path.read_bytes())]
    trust = SignerTrust(tuple(one.public_bytes(Encoding.DER) for one in trusted), own)
    try:
        chain = (await check_chain(key.certificates, trust, min(now, ends - timedelta(seconds=1)))).chain
    except (BadInput, Refused) as error:
        raise ValueError(f"seal: the certificate of {key.label} cannot be used: {error}") from error
    trust_authority(settings, "seal", chain)
    trust_seal(settings, chain[0])
    _remote_seal_file(settings).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(_remote_seal_file(settings), key.info.encode())
    return chain


def _remote_seal_file(settings: Settings) -> Path:
    """Return the file for the configured credential. Each credential has its own file, so that data of another one is
    never used."""
    which = "\n".join(str(settings.seal.get(name, "")) for name in ("kind", "url", "credential"))
    return settings.data / "authority" / f"seal-{hashlib.sha256(which.encode()).hexdigest()[:16]}.json"
