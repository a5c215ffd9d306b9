"""`qianda init`: make the keys and certificates of a data folder, and bind folder and database together.

Only this command and the demo make keys. The order: keys and certificates in the folder, the row in the database, and
finally the id in the folder. If it is killed in between, run it again: it uses what exists, and makes nothing twice.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import uuid4

import aiohttp
from cryptography.exceptions import InvalidTag

from hub.durable_files import write_durably
from hub.errors import WrongInstallation
from hub.installation.data_folder import (
    ID_FILE,
    check_folder,
    check_master_key,
    check_root,
    check_seal,
    fingerprint,
    installation_of,
    master_key,
    root_certificate,
)
from hub.installation.pki import load_pki, lock_installation, make_pki
from hub.installation.token import make_token, open_token
from hub.settings import Settings
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys, key_id_of
from hub.store.server.installation import Binding, bind, find_binding, find_oldest_encrypted, renew_certificates
from hub.store.transaction import Clock
from hub.wiring import utc_now
from hub.wiring.seal import connect_seal


async def initialise(settings: Settings, owner_dsn: str, clock: Clock = utc_now) -> str:
    """Bind this folder and this database, unless they are bound already. Return what was done, for people.

    Raises WrongInstallation, before anything is made, if the database is bound to another folder or holds data that
    another master key encrypted, or if the folder belongs to another database.
    """
    if known := await find_binding(owner_dsn):
        await _check_all(settings, known, clock)
        if installation_of(settings.data):
            return f"This data folder and this database are bound already (installation {known.installation})."
    else:
        known = await bind(owner_dsn, partial(_make, settings, owner_dsn, clock))
        _check_keys(settings.data, known)  # if two folders were bound at the same time, the other one may have won
    _write_id(settings.data, known)
    return f"This data folder and this database are bound now: installation {known.installation}."


async def renew(settings: Settings, owner_dsn: str, clock: Clock = utc_now) -> str:
    """Store the present root and seal of the configuration, and make those that are missing in the folder.

    Raises WrongInstallation unless the folder has the master key of this database.
    """
    known = await find_binding(owner_dsn)
    if known is None:
        raise WrongInstallation("nothing is bound yet, so that there is nothing to renew: run `qianda init`")
    if installation_of(settings.data) not in (None, known.installation):
        check_folder(settings.data, known)
    keys = _load_keys(settings.data, known)
    root, seal = await _make_certificates(settings, clock)
    renewed = Binding(known.installation, keys.check, root, seal)
    if renewed != known:
        await renew_certificates(owner_dsn, renewed)
    _write_id(settings.data, known)
    if renewed == known:
        return (
            "The database knows this root and this seal already. What was missing in the folder, if anything, was "
            "made: restart serve and work."
        )
    return f"The database knows the new certificates now: root {root[:16]}…, seal {seal[:16]}…. Restart serve and work."


async def _make(settings: Settings, owner_dsn: str, clock: Clock) -> Binding:
    """Make keys and certificates for a new binding. Existing ones in the folder are used: an earlier version may have
    made them.

    Raises WrongInstallation.
    """
    _check_unused(settings.data, await find_oldest_encrypted(owner_dsn))
    async with lock_installation(settings):
        keys = Keys.load_or_create(master_key(settings.data))
    root, seal = await _make_certificates(settings, clock)
    installation = installation_of(settings.data) or uuid4()
    return Binding(installation, keys.check, root, seal, key_id_of(keys.columns).hex())


async def _make_certificates(settings: Settings, clock: Clock) -> tuple[str, str]:
    """Make the missing ones, and return the fingerprints of root and seal."""
    async with lock_installation(settings):
        make_token(settings)
        token = open_token(settings, clock)
        try:
            await make_pki(settings, token, clock)
        finally:
            token.close()
    root = root_certificate(settings.data).read_bytes()
    return fingerprint(root), fingerprint(await _seal(settings, clock))


async def _seal(settings: Settings, clock: Clock) -> bytes:
    """Return the certificate of the configured seal, on the token or at a signing service."""
    token = open_token(settings, clock)
    try:
        pki = await load_pki(settings, token, clock)
        async with aiohttp.ClientSession() as http:
            return (await connect_seal(settings, pki, http, clock)).chain[0]
    finally:
        token.close()


def _check_unused(data: Path, encrypted: tuple[bytes, bytes] | None) -> None:
    if encrypted is not None:
        if not master_key(data).exists() or not _opens(Keys.load(master_key(data)), *encrypted):
            raise WrongInstallation(
                f"the database holds data that another master key sealed than that of {data.absolute()}: set "
                "QIANDA_DATA to the data folder with which it was used so far, or bring its keys/master.key back"
            )
    elif named := installation_of(data):
        raise WrongInstallation(
            f"the data folder {data.absolute()} belongs to installation {named}, and this database is empty: correct "
            f"QIANDA_DATA or QIANDA_DATABASE. Where the old database is lost for good, remove {ID_FILE} from the folder"
        )


def _opens(keys: Keys, encrypted: bytes, name: bytes) -> bool:
    try:
        Cipher(keys).decrypt_bytes(encrypted, name)
    except InvalidTag:
        return False
    return True


async def _check_all(settings: Settings, known: Binding, clock: Clock) -> None:
    """Check the same as every start, except that a folder with the right keys may still lack its id.

    Raises WrongInstallation.
    """
    if installation_of(settings.data):
        check_folder(settings.data, known)
    _check_keys(settings.data, known)
    check_seal(await _seal(settings, clock), known)


def _check_keys(data: Path, known: Binding) -> None:
    _load_keys(data, known)
    if not root_certificate(data).exists():
        raise WrongInstallation(
            f"{root_certificate(data)} is missing: copy the folders authority, trust and token from another host of "
            f"installation {known.installation}, or bring them back from a backup"
        )
    check_root(data, root_certificate(data).read_bytes(), known)


def _load_keys(data: Path, known: Binding) -> Keys:
    if not master_key(data).exists():
        check_folder(data, known)
    keys = Keys.load(master_key(data))
    check_master_key(data, keys, known)
    return keys


def _write_id(data: Path, known: Binding) -> None:
    if installation_of(data) is None:
        write_durably(data / ID_FILE, f"{known.installation}\n".encode())
