"""Make and load keys on the token, certificates of the built-in authority, and trust files, all in the data folder.

`make_pki` makes the missing ones, only for `qianda init` and the demo. Every start loads what exists. Both can be
repeated without changing anything.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hub.authorities import Issued
from hub.authorities.brought import SignerTrust, check_chain
from hub.authorities.builtin import BuiltinAuthority, make_root
from hub.errors import BadInput, Refused, TokenUnavailable, WrongInstallation
from hub.installation.data_folder import fingerprint, root_certificate
from hub.installation.seal_keys import find_seal_key
from hub.settings import Settings
from hub.settings.sections import OneTokenSettings
from hub.store.files.durable_files import read_or_create, write_durably
from hub.timestamps.builtin import BuiltinTimestamps
from hub.tokens import RemoteKey, SigningKey
from hub.tokens.pins import read_pin
from hub.tokens.pkcs11 import Pkcs11Token
from hub.tokens.several import SeveralTokens
from hub.tokens.sm2_pkcs11 import VendorMechanism
from hub.tokens.softhsm import create_token, module_path, use_token
from qianda.verify.trust import ORIGINS_FILE, read_origins

AUTHORITY_KEY, TIMESTAMP_KEY = "authority", "timestamp"
# In the folder `authority`: the seal's certificate by the built-in authority, and one by an outside authority with its
# chain.
SEAL_FILE, SEAL_CHAIN_FILE = "seal.der", "seal-chain.pem"
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class BuiltinPki:
    """The built-in authority, its timestamp service, and the school's seal with its chain, whichever authority issued
    it."""

    authority: BuiltinAuthority
    timestamps: BuiltinTimestamps
    seal_key: SigningKey
    seal_chain: tuple[bytes, ...]
    token: SeveralTokens


@asynccontextmanager
async def one_at_a_time(settings: Settings) -> AsyncIterator[None]:
    """Hold the lock for making and loading keys. Two processes with one data folder wait for each other."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with (settings.data / "provision.lock").open("a") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


def make_token(settings: Settings) -> None:
    """Create a SoftHSM token in the data folder, with a random PIN, unless a PKCS#11 module is configured."""
    if settings.token.module:
        return
    folder = _token_folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pin = settings.token.pin or read_or_create(folder / "pin", lambda: secrets.token_hex(16))
    create_token(folder, settings.token.label, pin)


def open_token(settings: Settings, clock: Clock) -> SeveralTokens:
    """Return the configured tokens; if no module is configured, the token in the data folder. Raises TokenUnavailable
    if there is none."""
    return SeveralTokens([_first_token(settings), *map(_open, settings.token.more)], clock)


def _first_token(settings: Settings) -> Pkcs11Token:
    token = settings.token
    if token.module:
        return _open(token)
    folder = _token_folder(settings)
    if not (folder / "tokens").is_dir() or not (token.pin or (folder / "pin").exists()):
        raise TokenUnavailable(f"there is no token in {folder}: bring that folder back from a backup")
    use_token(folder)
    return Pkcs11Token(module_path(), token.label, token.pin or read_pin(folder / "pin", token.label))


def _open(token: OneTokenSettings) -> Pkcs11Token:
    pin = token.pin or read_pin(token.pin_file, token.label)
    return Pkcs11Token(token.module, token.label, pin, sm2=_sm2_mechanism(token))


def _sm2_mechanism(token: OneTokenSettings) -> VendorMechanism | None:
    return None if token.sm2_mechanism is None else VendorMechanism(token.sm2_mechanism, token.sm2_takes_hash)


def _token_folder(settings: Settings) -> Path:
    return settings.data.resolve() / "token"


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
    _write_trust(settings.data / "trust", root, tsa)
    trust_origin(settings.data / "trust", settings.public_origin)
    trust_seal(settings, chain[0])
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
    chain = _chain_in(path)
    _trust(settings, f"authority-seal-{fingerprint(chain[-1])[:16]}", chain[-1])
    return chain


def _chain_in(path: Path) -> tuple[bytes, ...]:
    """Return the certificates in a file, DER. The file is PEM, or a single certificate in DER."""
    if path.suffix == ".der":
        return (path.read_bytes(),)
    return tuple(each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(path.read_bytes()))


async def _certificate(issued: Awaitable[Issued]) -> bytes:
    return (await issued).certificate


async def _made_once(path: Path, make: Callable[[], Awaitable[bytes]]) -> bytes:
    if not await asyncio.to_thread(path.exists):
        await asyncio.to_thread(write_durably, path, await make())
    return await asyncio.to_thread(path.read_bytes)


def _write_trust(folder: Path, root: bytes, timestamp: bytes) -> None:
    """Write what `qianda verify` trusts by default: the authority, and the timestamp service's own certificate, which
    is pinned."""
    for name, certificate in (("authority", root), ("timestamp", timestamp)):
        _put(folder, f"builtin-{name}", certificate)


def trust_origin(folder: Path, origin: str) -> None:
    """Add the hub's address to those that `qianda verify` knows. Earlier addresses stay, because passkeys confirmed
    signatures there."""
    path = folder / ORIGINS_FILE
    known = read_origins(path) if path.exists() else []
    if origin not in known:
        path.write_text("".join(f"{one}\n" for one in [*known, origin]), "utf-8")


def trust_authority(settings: Settings, name: str, chain: tuple[bytes, ...]) -> None:
    """Make `qianda verify` trust a configured authority, which is the last certificate of its chain."""
    _trust(settings, f"authority-{name}", chain[-1])


def trust_seal(settings: Settings, certificate: bytes) -> None:
    """Make `qianda verify` accept this certificate as the organisation's seal.

    The certificates of earlier seals stay, because contracts sealed with them must remain verifiable.
    """
    _trust(settings, f"seal-{fingerprint(certificate)[:16]}", certificate)


def trust_seal_chain(settings: Settings, chain: Sequence[bytes]) -> None:
    """Make `qianda verify` accept this seal (DER, its own certificate first), and the outside authority above it."""
    trust_seal(settings, chain[0])
    if chain[-1] != root_certificate(settings.data).read_bytes():
        _trust(settings, f"authority-seal-{fingerprint(chain[-1])[:16]}", chain[-1])


def trust_timestamps(settings: Settings, certificates: Sequence[bytes]) -> None:
    """Make `qianda verify` accept timestamps by these certificates. The files of earlier services stay."""
    for certificate in certificates:
        _trust(settings, f"timestamp-{fingerprint(certificate)[:16]}", certificate)


def _trust(settings: Settings, name: str, certificate: bytes) -> None:
    _put(settings.data / "trust", name, certificate)


def _put(folder: Path, name: str, certificate: bytes) -> None:
    """Write a trusted certificate. An earlier one of this name stays next to it, for what was signed with it."""
    folder.mkdir(parents=True, exist_ok=True)
    path, pem = folder / f"{name}.pem", ssl.DER_cert_to_PEM_cert(certificate)
    if path.exists() and (before := path.read_text()) != pem:
        path.rename(path.with_stem(f"{name}-{fingerprint(ssl.PEM_cert_to_DER_cert(before))[:16]}"))
    if not path.exists():
        path.write_text(pem)


def signer_trust(settings: Settings, own: bytes, authorities: Sequence[bytes] = ()) -> SignerTrust:
    """Return the authorities whose certificates signers may bring, and make `qianda verify` trust the configured files.

    These are the built-in authority, the other `authorities` that certify keys here, and those in the configured files.
    Raises ValueError for a file without certificates, OSError for one that does not exist.
    """
    anchors = [own, *authorities]
    folder = settings.data / "trust"
    folder.mkdir(parents=True, exist_ok=True)
    for path in settings.trusted_signers:
        for certificate in x509.load_pem_x509_certificates(path.read_bytes()):
            anchors.append(certificate.public_bytes(Encoding.DER))
            kept = folder / f"signers-{certificate.fingerprint(SHA256()).hex()[:16]}.pem"
            if not kept.exists() and _may_issue(certificate):  # other certificates there would count as seals
                kept.write_bytes(certificate.public_bytes(Encoding.PEM))
    return SignerTrust(tuple(dict.fromkeys(anchors)), own, frozenset(settings.token_only_policies))


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def remote_seal_info(settings: Settings) -> str:
    """Return what the seal's remote service last reported about its key; empty if it was never asked."""
    path = _seal_info(settings)
    return path.read_text("utf-8") if path.exists() else ""


async def accepted_seal(settings: Settings, key: RemoteKey, own: bytes, now: datetime) -> tuple[bytes, ...]:
    """Return the chain of a seal at a remote service. From now on, `qianda verify` trusts the seal and its authority.

    The chain ends at the configured authority. Raises ValueError for a certificate that cannot seal.
    An expired certificate does not prevent the start: signers can still sign, and `qianda doctor` reports it.
    """
    ends = x509.load_der_x509_certificate(key.certificates[0]).not_valid_after_utc
    trusted = [one for path in key.trusted for one in x509.load_pem_x509_certificates(path.read_bytes())]
    trust = SignerTrust(tuple(one.public_bytes(Encoding.DER) for one in trusted), own)
    try:
        chain = (await check_chain(key.certificates, trust, min(now, ends - timedelta(seconds=1)))).chain
    except (BadInput, Refused) as error:
        raise ValueError(f"seal: the certificate of {key.label} cannot be used: {error}") from error
    trust_authority(settings, "seal", chain)
    trust_seal(settings, chain[0])
    _seal_info(settings).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(_seal_info(settings), key.info.encode())
    return chain


def _seal_info(settings: Settings) -> Path:
    """Return the file for the configured credential. Each credential has its own file, so that no data of another one
    is used."""
    which = "\n".join(str(settings.seal.get(name, "")) for name in ("kind", "url", "credential"))
    return settings.data / "authority" / f"seal-{hashlib.sha256(which.encode()).hexdigest()[:16]}.json"
