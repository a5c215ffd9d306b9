"""Back up a hub into one file, and restore it elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.durable_files import sync_folder
from hub.errors import BadInput, UnreadableFile
from hub.installation.data_folder import check_folder, installation_of, master_key
from hub.lifecycle.evidence.school_acts import record_hub_act
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING
from hub.settings import Settings, own_file
from hub.store.backup.after_restore import check_empty, restore_marks
from hub.store.backup.contents import KEEP_FILES, AboutBackup, BackupSource, unpack, write_backup
from hub.store.backup.dump import access_to, load
from hub.store.encryption.keys import Keys
from hub.store.server.connections import Dsns, check_owner, open_connection
from hub.store.server.embedded import EmbeddedPostgres
from hub.store.server.installation import find_binding
from hub.store.server.left_database import find_left_database
from hub.store.server.migrate import knows_schema, migrate, schema_of
from hub.store.transaction import Database

# Names as `name_in` makes them. They sort by time.
NAMED = re.compile(r"qianda-\d{8}T\d{6}Z\.backup")
# As `write_backup` names a backup until it is complete. One that was last written so long ago was killed.
UNFINISHED = re.compile(rf"\.{NAMED.pattern}\.[0-9a-f]{{32}}")
UNFINISHED_LIFE = timedelta(days=1)


def back_up(
    settings: Settings, dsns: Dsns, server: EmbeddedPostgres | None, target: Path, passphrase: str
) -> AboutBackup:
    """Write a backup of this data folder and this database. Raises WrongInstallation if they do not belong together."""
    check_folder(settings.data, asyncio.run(find_binding(dsns.owner)))
    schema, major = asyncio.run(_versions(dsns.owner))
    files = _files_folder(settings)
    about = AboutBackup(datetime.now(UTC).isoformat(), str(installation_of(settings.data)), schema, files is not None)
    source = BackupSource(settings.data, files, own_file(), access_to(dsns.owner, server, major), about)
    with _files_kept(dsns.owner):
        write_backup(target, passphrase, source)
    return about


@contextlib.contextmanager
def _files_kept(owner_dsn: str) -> Iterator[None]:
    """Keep the workers from deleting stored files in the block. It may take hours, and Ctrl-C ends it."""
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        try:
            connection = runner.run(stack.enter_async_context(open_connection(owner_dsn)))
            runner.run(connection.execute(KEEP_FILES))
            yield
        finally:
            runner.run(stack.aclose())


async def _versions(owner_dsn: str) -> tuple[str, int]:
    """Return the schema of the database and the major version of its server."""
    async with open_connection(owner_dsn) as connection:
        return await schema_of(connection), int(connection.get_server_version().major)


def _files_folder(settings: Settings) -> Path | None:
    address = settings.files.removeprefix("file://")
    if "://" in address:
        return None
    return Path(address) if address else settings.data / "files"


def name_in(folder: Path) -> Path:
    """Return the path of a new backup in this folder, named after the present time."""
    return folder / f"qianda-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup"


def delete_older(folder: Path, keep: int) -> int:
    """Delete all but the newest backups with names from `name_in`. Return the number of deleted ones.

    What killed backups left is deleted too, and not counted: night after night it would fill the disk.
    """
    before = (datetime.now(UTC) - UNFINISHED_LIFE).timestamp()
    for path in folder.iterdir():
        if UNFINISHED.fullmatch(path.name) and path.stat().st_mtime < before:
            path.unlink()
    found = sorted(path for path in folder.iterdir() if NAMED.fullmatch(path.name))
    for path in found[:-keep]:
        path.unlink()
    return len(found[:-keep])


# ---- restore


@dataclass(frozen=True)
class _Unpacked:
    """A backup that was read and checked completely. `folder`: the future data folder, on the file system of `data`."""

    data: Path
    folder: Path
    dump: Path
    about: AboutBackup

    @property
    def made_at(self) -> datetime:
        return datetime.fromisoformat(self.about.made_at)


def restore_embedded(data: Path, source: Path, passphrase: str) -> AboutBackup:
    """Restore into an empty data folder, with an embedded database. After any error, the folder is empty again."""
    with _unpacked(data, source, passphrase) as unpacked:
        server = EmbeddedPostgres(_made(unpacked.folder / "database"))
        try:
            with server:
                dsns = Dsns(server.dsn("owner"), server.dsn("app"))
                _fill(unpacked, dsns, server)
        except BaseException:
            server.start().stop(remove=True)
            raise
        _put_in_place(unpacked)
        return unpacked.about


def restore_into(data: Path, source: Path, passphrase: str, dsns: Dsns) -> AboutBackup:
    """Restore into an empty data folder and the empty database of a server.

    Raises DatabaseUnavailable for a database that is not empty. An error before the database was loaded changes
    nothing. After a later error, no hub starts on the database, and it has to be created anew.
    """
    asyncio.run(check_owner(dsns.owner))
    asyncio.run(check_empty(dsns.owner))
    with _unpacked(data, source, passphrase) as unpacked:
        _fill(unpacked, dsns, None)
        _put_in_place(unpacked)
        return unpacked.about


@contextlib.contextmanager
def _unpacked(data: Path, source: Path, passphrase: str) -> Iterator[_Unpacked]:
    """Read and check the whole backup into a folder next to `data`, which is removed at the end."""
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BadInput(f"{data.absolute()} is not empty: a backup is restored into a new data folder", field="data")
    data.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{data.name}-restoring-"
    if left := next((path for path in data.parent.iterdir() if path.name.startswith(prefix)), None):
        raise BadInput(_describe_left(left.absolute()), field="data")
    beside = Path(tempfile.mkdtemp(prefix=prefix, dir=data.parent))
    try:
        folder, dump = _made(beside / "data"), beside / "qianda.dump"
        about = unpack(source, passphrase, folder, dump)
        if not knows_schema(about.schema):
            raise UnreadableFile(
                f"the backup has the schema {about.schema}, which this version does not know: install a newer version"
            )
        yield _Unpacked(data, folder, dump, about)
    finally:
        shutil.rmtree(beside)


def _describe_left(left: Path) -> str:
    """Return what to do with the folder of another restore, and with its database, which may lie elsewhere and run."""
    database = find_left_database(left / "data" / "database")
    end = f"end its database (`kill -INT {database.server}`), then " if database.server else ""
    files = " and ".join(map(str, database.outside))
    delete = f"delete {files}, and this folder last" if files else "delete it"
    return f"{left} is of another restore, and has keys and data: if that was killed, {end}{delete}"


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def _fill(unpacked: _Unpacked, dsns: Dsns, server: EmbeddedPostgres | None) -> None:
    """Load the database as a restored one, migrate it to the current schema, and note the restore in it."""
    major = asyncio.run(check_empty(dsns.owner))
    marked = restore_marks(datetime.now(UTC), unpacked.made_at)
    load(access_to(dsns.owner, server, major), unpacked.dump, marked)
    asyncio.run(_note_restore(unpacked, dsns))


async def _note_restore(unpacked: _Unpacked, dsns: Dsns) -> None:
    await migrate(dsns.owner)
    check_folder(unpacked.folder, await find_binding(dsns.owner))
    database = Database(dsns.app, Keys.load(master_key(unpacked.folder)), lambda: datetime.now(UTC))
    try:
        async with database.transaction(EVERYTHING) as tx:
            await record_hub_act(tx, "restored", COMMAND_LINE.actor, {"backup_made_at": unpacked.about.made_at})
    finally:
        await database.close()


def _put_in_place(unpacked: _Unpacked) -> None:
    """Give the folder its final name once everything is flushed to the disk."""
    os.sync()
    if unpacked.data.exists():
        unpacked.data.rmdir()  # fails unless it is empty
    unpacked.folder.rename(unpacked.data)
    sync_folder(unpacked.data.parent)
