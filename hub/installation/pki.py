"""Make and load the keys on the token, and the certificates of the built-in authority in the data folder.

`make_pki` makes the missing ones, only for `qianda init` and the demo. Every start loads what exists. Both can be
repeated without changing anything.
"""

from __future__ import annotations

import asyncio
import fcntl
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from hub.authorities import Issued
from hub.authorities.builtin import BuiltinAuthority, make_root
from hub.durable_files import write_durably
from hub.errors import WrongInstallation
from hub.installation.data_folder import fingerprint, root_certificate
from hub.installation.seal_keys import find_seal_key
from hub.installation.trust import trust_builtin, trust_origin, trust_seal_chain
from hub.settings import Settings
from hub.store.transaction import Clock
from hub.timestamps.builtin import BuiltinTimestamps
from hub.tokens import SigningKey
from hub.tokens.several import SeveralTokens
from qianda.certificate_loading import load_pem_certificates

AUTHORITY_KEY, TIMESTAMP_KEY = "authority", "timestamp"
# In the folder `authority`: the seal's certificate by the built-in authority, and one by an outside authority with its
# chain.
SEAL_FILE, SEAL_CHAIN_FILE = "seal.der", "seal-chain.pem"


@dataclass(frozen=True)
class BuiltinPki:
    """The built-in authority, its timestamp service, and the school's seal with its chain, from any authority."""

    authority: BuiltinAuthority
    timestamps: BuiltinTimestamps
    seal_key: SigningKey
    seal_chain: tuple[bytes, ...]
    token: SeveralTokens


@asynccontextmanager
async def lock_installation(settings: Settings) -> AsyncIterator[None]:
    """Hold the lock for making and loading keys. Two processes with one data folder wait for each other."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with (settings.data / "provision.lock").open("a") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


async def make_pki(settings: Settings, token: SeveralTokens, clock: Clock) -> None:
    """Make the keys and certificates that are missing.

    Keys are generated on the token and never leave it; certificates are kept in the data folder. Nothing existing is
    changed, with one exception: the certificate of a seal key that is no longer configured gets another file name.
    """
    folder = settings.data / "authority"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    organisation = settings.school.name
    root_key = await token.generate_key(AUTHORITY_KEY)
    root = await _made_once(root_certificate(settings.data), lambda: make_root(root_key, clock, organisation))
    authority = BuiltinAuthority(root_key, root, clock, organisation, settings.public_origin)
    timestamp_key = await token.generate_key(TIMESTAMP_KEY)
    await _made_once(folder / "timestamp.der", lambda: _certificate(authority.enrol_timestamp(timestamp_key.spki)))
    seal_key = await token.generate_key(settings.token.seal_key)
    for name in (SEAL_FILE, SEAL_CHAIN_FILE):
        await _put_other_seal_aside(settings, token, folder / name)
    await _made_once(folder / "seal.der", lambda: _certificate(authority.enrol_seal(seal_key.spki, organisation)))


async def load_pki(settings: Settings, token: SeveralTokens, clock: Clock) -> BuiltinPki:
    """Load the keys and certificates that `make_pki` made.

    Raises WrongInstallation, TokenUnavailable or ValueError if something is missing or does not match.
    """
    folder, organisation = settings.data / "authority", settings.school.name
    root, tsa = (_certificate_in(folder, name) for name in ("root", "timestamp"))
    root_key = await token.key(AUTHORITY_KEY)
    authority = BuiltinAuthority(root_key, root, clock, organisation, settings.public_origin)
    timestamp_key = await token.key(TIMESTAMP_KEY)
    chain = _seal_chain(settings, root)
    seal_key = await find_seal_key(settings, token, chain[0])
    if seal_key is None:
        raise ValueError(
            f"the seal's certificate in authority/ is not for the key {settings.token.seal_key!r} of the token: "
            "correct token.seal_key, or run `qianda init --renew` if the seal is to change"
        )
    trust_builtin(settings, root, tsa)
    trust_origin(settings)
    trust_seal_chain(settings, chain)
    return BuiltinPki(authority, BuiltinTimestamps(timestamp_key, (tsa, root), clock), seal_key, chain, token)


def _certificate_in(folder: Path, name: str) -> bytes:
    path = folder / f"{name}.der"
    if not path.exists():
        raise WrongInstallation(f"{path} is missing: bring it back from a backup, or copy it from another host")
    return path.read_bytes()


async def _put_other_seal_aside(settings: Settings, token: SeveralTokens, path: Path) -> None:
    if await asyncio.to_thread(path.exists) and await find_seal_key(settings, token, _chain_in(path)[0]) is None:
        await asyncio.to_thread(path.rename, _kept_name(path))


def write_seal_certificate(settings: Settings, chain: Sequence[bytes]) -> None:
    """Write the seal's certificate (DER) with those above it, all or nothing. A certificate that comes
    alone was issued by the built-in authority.

    The former file is kept next to it, because contracts were sealed with its certificate.
    """
    path = settings.data / "authority" / (SEAL_CHAIN_FILE if len(chain) > 1 else SEAL_FILE)
    if path.exists():
        write_durably(_kept_name(path), path.read_bytes())
    write_durably(path, chain[0] if len(chain) == 1 else "".join(map(ssl.DER_cert_to_PEM_cert, chain)).encode())


def _kept_name(path: Path) -> Path:
    return path.with_stem(f"{path.stem}-{fingerprint(_chain_in(path)[0])[:16]}")


def _seal_chain(settings: Settings, root: bytes) -> tuple[bytes, ...]:
    """Return the chain that an outside authority issued, if one was installed; otherwise the built-in authority's."""
    path = settings.data / "authority" / SEAL_CHAIN_FILE
    if not path.exists():
        return (_certificate_in(path.parent, "seal"), root)
    return _chain_in(path)


def _chain_in(path: Path) -> tuple[bytes, ...]:
    """Return the certificates in a file, DER. The file is PEM, or a single certificate in DER."""
    if path.suffix == ".der":
        return (path.read_bytes(),)
    return tuple(each.public_bytes(Encoding.DER) for each in load_pem_certificates(path.read_bytes()))


async def _certificate(issued: Awaitable[Issued]) -> bytes:
    return (await issued).certificate


async def _made_once(path: Path, make: Callable[[], Awaitable[bytes]]) -> bytes:
    if not await asyncio.to_thread(path.exists):
        await asyncio.to_thread(write_durably, path, await make())
    return await asyncio.to_thread(path.read_bytes)
