"""Small backups made of parts, with a cheap passphrase, for tests that damage them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from hub.store.backup.archive import ABOUT, ArchiveWriter
from hub.store.backup.contents import AboutBackup
from hub.store.backup.sealed_stream import CHUNK_BYTES, HEAD, TAG_BYTES, Argon2Cost, SealingWriter

PASSPHRASE = "correct horse battery"
CHEAP = Argon2Cost(1, 8, 1)
ID = "7b0c6f0e-0b7a-4c57-9d43-0f2f4f3d0001"
ABOUT_IT = AboutBackup("2026-11-26T20:00:00+00:00", ID, "0001", files=True)
MEMBERS: tuple[tuple[str, bytes], ...] = (
    (ABOUT, json.dumps(asdict(ABOUT_IT)).encode()),
    ("database/00000000", b"dump " * 300_000),
    ("database/00000001", b"more of it"),
    ("files/ab/abc", b"a contract " * 100_000),
    ("keys/master.key", bytes(32)),
    ("installation.id", ID.encode()),
)


def sealed(content: bytes, passphrase: str = PASSPHRASE) -> bytes:
    """Return what a writer makes of this content."""
    target = io.BytesIO()
    writer = SealingWriter(target, passphrase, CHEAP)
    writer.write(content)
    writer.finish()
    return target.getvalue()


def backup_of(members: Iterable[tuple[str, bytes]] = MEMBERS, passphrase: str = PASSPHRASE) -> bytes:
    target = io.BytesIO()
    archive = ArchiveWriter(SealingWriter(target, passphrase, CHEAP))
    for name, content in members:
        archive.add_bytes(name, content)
    archive.finish()
    return target.getvalue()


def boundaries(content: bytes) -> list[int]:
    """Return the positions at which one chunk ends and another one begins, that of the head as well."""
    return list(range(HEAD.size, len(content), CHUNK_BYTES + TAG_BYTES))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "qianda.backup"
    path.write_bytes(content)
    return path
