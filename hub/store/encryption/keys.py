"""The hub's secrets, in files next to the data and never in the database.

All of them are derived from one master key, except for later keys that encrypt columns. Each of these is a file of its
own, so that it can be replaced (`qianda keys rotate`). The keys of links, codes and keyed hashes are never replaced,
because their results could not be made again: links are already printed, and only the hash of an opted-out number is
stored.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hub.durable_files import make_folder, sync_folder, write_durably

MASTER_BYTES = 32
# Sizes of a key that encrypts columns, and of its id.
KEY_BYTES, KEY_ID_BYTES = 32, 8
# File name of such a key, next to the master key; moved to the folder `RETIRED` when no value needs the key any more.
SEALING_FILES, RETIRED = "columns-{}.key", "retired"


@dataclass(frozen=True)
class Keys:
    """The derived keys.

    `link` derives tickets, `code` one-time codes; `columns` is the first key that encrypts columns; `lookup` makes
    hashes by which encrypted values are found. `check` (hex) identifies the master key without revealing it; the
    database stores it. `folder`: the folder with the later keys that encrypt columns.
    """

    link: bytes
    code: bytes
    columns: bytes
    lookup: bytes
    check: str
    folder: Path | None = field(default=None, compare=False)

    @classmethod
    def derived_from(cls, master: bytes) -> Keys:
        link, code, columns, lookup = (_derive(master, purpose) for purpose in ("link", "code", "columns", "lookup"))
        check = hmac.digest(_derive(master, "check"), b"qianda installation", "sha256")
        return cls(link, code, columns, lookup, check.hex())

    @classmethod
    def load_or_create(cls, path: Path) -> Keys:
        """Read the master key, or create it (mode 0600). Two processes that create it at once get the same key."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(MASTER_BYTES))
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Keys:
        """Read the master key. Raises OSError if there is no file, ValueError if it does not contain a master key."""
        master = path.read_bytes()
        if len(master) != MASTER_BYTES:
            raise ValueError(f"{path} must hold {MASTER_BYTES} bytes")
        return replace(cls.derived_from(master), folder=path.parent)

    def list_encryption_keys(self) -> list[bytes]:
        """Return every key that encrypts columns: the first, derived one, those in the folder, and retired ones.

        Raises ValueError for a file that does not contain the key that its name says.
        """
        found = [self.columns]
        for folder in (self.folder, self.folder and self.folder / RETIRED):
            if folder is not None:
                for path in sorted(folder.glob(SEALING_FILES.format("*"))):
                    found.append(_checked_key(path))
        return found


def make_sealing_key(folder: Path) -> str:
    """Make a key that encrypts columns, store it durably, and return its id (hex)."""
    key = secrets.token_bytes(KEY_BYTES)
    write_durably(folder / SEALING_FILES.format(key_id_of(key).hex()), key)
    return key_id_of(key).hex()


def retire_sealing_key(folder: Path, key_id: str) -> None:
    """Move a key's file into the folder `retired`. The first key is derived and has no file."""
    path = folder / SEALING_FILES.format(key_id)
    if path.exists():
        make_folder(folder / RETIRED)
        path.rename(folder / RETIRED / path.name)
        sync_folder(folder)


def key_id_of(key: bytes) -> bytes:
    """Return the id of a key that encrypts columns. It reveals nothing about the key."""
    return hmac.digest(key, b"qianda sealing key", "sha256")[:KEY_ID_BYTES]


def _checked_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != KEY_BYTES or path.name != SEALING_FILES.format(key_id_of(key).hex()):
        raise ValueError(f"{path} does not hold the key in its name: bring the file back from a backup")
    return key


def _derive(master: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"qianda:" + purpose.encode()).derive(master)
