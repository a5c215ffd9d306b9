"""The hub's secrets, all derived from one master key, which is a file beside the data and never in the database."""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MASTER_BYTES = 32


@dataclass(frozen=True)
class Keys:
    """The derived keys.

    `link` derives tickets, `code` one-time codes; `columns` encrypts columns, `lookup` is for hashes that find
    encrypted values. `check` (hex) identifies the master key without revealing it; the database stores it.
    """

    link: bytes
    code: bytes
    columns: bytes
    lookup: bytes
    check: str

    @classmethod
    def derived_from(cls, master: bytes) -> Keys:
        link, code, columns, lookup = (_derive(master, purpose) for purpose in ("link", "code", "columns", "lookup"))
        check = hmac.digest(_derive(master, "check"), b"qianda installation", "sha256")
        return cls(link, code, columns, lookup, check.hex())

    @classmethod
    def load_or_create(cls, path: Path) -> Keys:
        """Read the master key, or create it (mode 0600). Two processes that create it at once end up with the same
        key."""
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
        """Read the master key. Raises OSError if there is no file, ValueError if it does not hold a master key."""
        master = path.read_bytes()
        if len(master) != MASTER_BYTES:
            raise ValueError(f"{path} must hold {MASTER_BYTES} bytes")
        return cls.derived_from(master)


def _derive(master: bytes, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"qianda:" + purpose.encode()).derive(master)
