"""Check that a data folder and a database belong together.

Every command that works with a database checks this before it creates anything.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import UUID

from hub.errors import WrongInstallation
from hub.store.encryption.keys import Keys, key_id_of
from hub.store.server.installation import Binding

ID_FILE = "installation.id"


def master_key(data: Path) -> Path:
    return data / "keys" / "master.key"


def root_certificate(data: Path) -> Path:
    return data / "authority" / "root.der"


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate (DER) in lower-case hex."""
    return hashlib.sha256(certificate).hexdigest()


def installation_of(data: Path) -> UUID | None:
    """Return the id that `qianda init` wrote into the folder; None if it has none. Raises WrongInstallation for a bad
    file."""
    path = data / ID_FILE
    if not path.exists():
        return None
    try:
        return UUID(path.read_text("ascii").strip())
    except ValueError:
        raise WrongInstallation(f"{path} holds no installation id: bring the file back from a backup") from None


def check_installation(data: Path, binding: Binding | None) -> Binding:
    """Raise WrongInstallation unless the folder has the same installation id as the database."""
    if binding is None:
        raise WrongInstallation(
            "this database is bound to no data folder yet: run `qianda init` with the data folder that belongs to it"
        )
    named = installation_of(data)
    if named == binding.installation:
        return binding
    if named is not None:
        reason = f"the data folder {data.absolute()} belongs to installation {named}"
        remedy = "set QIANDA_DATA to the folder of this database, or QIANDA_DATABASE to the database of this folder"
    elif master_key(data).exists():
        reason = f"the data folder {data.absolute()} has keys, but no {ID_FILE}"
        remedy = "if they are those of this database, run `qianda init`, which compares them; else correct QIANDA_DATA"
    else:
        reason = f"the data folder {data.absolute()} has no keys"
        remedy = "set QIANDA_DATA to the folder that `qianda init` made for it, or bring that folder here"
    raise WrongInstallation(f"{reason}, and this database belongs to installation {binding.installation}: {remedy}")


def check_folder(data: Path, binding: Binding | None) -> Binding:
    """Raise WrongInstallation unless the folder's id, master key and root are those that the database knows.

    The seal is checked later, when it is known: see `check_seal`.
    """
    known = check_installation(data, binding)
    try:
        keys = Keys.load(master_key(data))
        root = root_certificate(data).read_bytes()
    except FileNotFoundError as error:
        raise WrongInstallation(
            f"{error.filename} is missing in the data folder of installation {known.installation}: "
            "bring it back from a backup"
        ) from error
    check_master_key(data, keys, known)
    check_root(data, root, known)
    return known


def check_master_key(data: Path, keys: Keys, binding: Binding) -> None:
    if keys.check != binding.master_check:
        raise WrongInstallation(
            f"{master_key(data)} is not the master key of this database (installation {binding.installation}), and "
            "can read nothing in it: restore the right key from a backup, or correct QIANDA_DATA"
        )
    if binding.sealing_key and binding.sealing_key not in {key_id_of(key).hex() for key in keys.list_encryption_keys()}:
        raise WrongInstallation(
            f"the key {binding.sealing_key}, which encrypts columns now, is missing in {master_key(data).parent}: copy "
            "that folder from the host on which `qianda keys rotate` ran, or bring it back from a backup"
        )


def check_root(data: Path, root: bytes, binding: Binding) -> None:
    if fingerprint(root) != binding.root:
        raise WrongInstallation(
            f"{root_certificate(data)} is not the root of this installation ({binding.installation}): bring the "
            "folders authority and token back from a backup, or copy them from another host of it. Where the old "
            "ones are lost for good, `qianda init --renew` puts the new ones down"
        )


def check_seal(seal: bytes, binding: Binding) -> None:
    if fingerprint(seal) != binding.seal:
        raise WrongInstallation(
            f"the seal's certificate (SHA-256 {fingerprint(seal)[:16]}…) is not the one that this database knows "
            f"({binding.seal[:16]}…). If the seal was renewed on purpose, run `qianda init --renew` once, and copy the "
            "folder authority to the other hosts; else correct [seal] and token.seal_key, or QIANDA_DATA"
        )
