"""The contents of a backup, and where they are in a data folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from hub.durable_files import PRIVATE, sync_folder
from hub.errors import BadInput, UnreadableFile
from hub.store.backup.archive import ABOUT, COPY_BYTES, DATABASE, MAX_ABOUT_BYTES, ArchiveWriter, read_members
from hub.store.backup.dump import DumpAccess, stream_dump
from hub.store.backup.sealed_stream import OpeningReader, SealingWriter
from hub.store.files.free_space import explain_full_disk

# Bytes of the dump in one member. The dump is cut up, because the size of a tar member comes before its content.
DUMP_PART_BYTES = 8 << 20
FOLDERS = ("token", "authority", "trust", "keys", "templates")
# See `hub.tokens.softhsm`.
TOKEN_LOCK = "in-use.lock"
ID_FILE = "installation.id"
CONFIGURATION = "qianda.toml"
# Waits until no file is being deleted, then prevents deletions while its connection is open.
KEEP_FILES = "SELECT pg_advisory_lock(hashtextextended('backup', 3))"
# The version of the format of the members. Another format gets another number.
FORM = 1


@dataclass(frozen=True)
class AboutBackup:
    """The description of a backup, which it contains. `schema`: the newest migration. `files`: whether it contains the
    stored files; False if they are in an object store. `made_at`: ISO 8601 with a time zone."""

    made_at: str
    installation: str
    schema: str
    files: bool
    form: int = FORM


@dataclass(frozen=True)
class BackupSource:
    """The data to back up. `files`: the folder of stored files; None for an object store. `configuration`: the hub's
    own configuration file."""

    data: Path
    files: Path | None
    configuration: Path | None
    database: DumpAccess
    about: AboutBackup


def write_backup(target: Path, passphrase: str, source: BackupSource) -> None:
    """Write a backup of a hub, which may be running. Raises BadInput if the file exists, DiskFull if it does not fit.

    The database is dumped first. Every file that it names was stored before, so the files that are copied afterwards
    include all of them. The caller holds the lock of KEEP_FILES, so that none of them is deleted meanwhile.
    """
    if target.exists():
        raise BadInput(f"{target} exists already: name another file", field="file")
    partial = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        with (
            explain_full_disk(),
            os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file,
        ):
            sealing = SealingWriter(file, passphrase)
            _write_members(ArchiveWriter(sealing), source)
            file.flush()
            os.fsync(file.fileno())
        _give_name(partial, target)
    except FileExistsError:
        raise BadInput(f"{target} exists already: name another file", field="file") from None
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(target.parent)


def _give_name(partial: Path, target: Path) -> None:
    """Give a complete backup its name. Raises FileExistsError if the name was taken meanwhile."""
    try:
        os.link(partial, target)  # unlike `rename` it never replaces a file
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as on a stick
        partial.rename(target)


def _write_members(archive: ArchiveWriter, source: BackupSource) -> None:
    archive.add_bytes(ABOUT, json.dumps(asdict(source.about)).encode())
    with stream_dump(source.database) as dump:
        number = 0
        while part := dump.read(DUMP_PART_BYTES):
            archive.add_bytes(f"{DATABASE}{number:08}", part)
            number += 1
    if source.files:
        for path in _files_below(source.files):
            _add_file(archive, f"files/{path.relative_to(source.files).as_posix()}", path)
    for folder in FOLDERS:
        with _undisturbed(source.data / folder):
            for path in _files_below(source.data / folder):
                _add_file(archive, path.relative_to(source.data).as_posix(), path)
    archive.add_bytes(ID_FILE, (source.data / ID_FILE).read_bytes())
    if source.configuration:
        archive.add_bytes(CONFIGURATION, source.configuration.read_bytes())
    archive.finish()


@contextlib.contextmanager
def _undisturbed(folder: Path) -> Iterator[None]:
    """Hold the lock of SoftHSM's users, if the folder has one, because SoftHSM rewrites its files in place at each
    login."""
    lock = folder / TOKEN_LOCK
    if not lock.exists():
        yield
        return
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without those that are being written under a temporary name."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for name in found:
        path = folder / name
        if path.is_dir():
            yield from _files_below(path)
        elif path.is_file():
            yield path


def _add_file(archive: ArchiveWriter, name: str, path: Path) -> None:
    try:
        with path.open("rb") as content:
            archive.add(name, os.fstat(content.fileno()).st_size, content)
    except FileNotFoundError:
        return  # a key that was retired meanwhile: it is found in `keys/retired`


def unpack(source: Path, passphrase: str, folder: Path, dump: Path) -> AboutBackup:
    """Decrypt and check a whole backup. `folder` becomes the data folder, `dump` the dump of the database.

    Raises UnreadableFile if anything is not as it was written. The contents of `folder` are then unusable.
    """
    about: AboutBackup | None = None
    parts = 0
    with source.open("rb") as file, dump.open("xb") as database:
        for member in read_members(OpeningReader(file, passphrase)):
            if about is None:
                if member.name != ABOUT:
                    raise UnreadableFile("the backup does not say what it is")
                about = _read_about(member.content.read(MAX_ABOUT_BYTES))
            elif member.name.startswith(DATABASE):
                if member.name != f"{DATABASE}{parts:08}":
                    raise UnreadableFile("a part of the database is missing in the backup")
                shutil.copyfileobj(member.content, database, COPY_BYTES)
                parts += 1
            else:
                _place(member.content, folder / member.name)
    if about is None or not parts or not (folder / "keys" / "master.key").exists():
        raise UnreadableFile("the backup lacks its database or its keys")
    if (folder / ID_FILE).read_text("ascii").strip() != about.installation:
        raise UnreadableFile("the backup belongs to two installations")
    return about


def _read_about(content: bytes) -> AboutBackup:
    try:
        about = AboutBackup(**json.loads(content))
        datetime.fromisoformat(about.made_at)
    except (ValueError, TypeError) as error:
        raise UnreadableFile("the backup does not say what it is") from error
    if about.form != FORM:
        raise UnreadableFile(
            f"the backup has the form {about.form}, and this version reads {FORM}: use a newer version"
        )
    return about


def _place(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
        shutil.copyfileobj(content, file, COPY_BYTES)
