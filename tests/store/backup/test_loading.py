"""A database is restored in one moment: whoever can see it, as a worker of the former hub, sees that it is paused."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from hub.errors import DatabaseUnavailable
from hub.maintenance import backup
from hub.maintenance.backup import restore_into
from hub.store.backup.after_restore import check_empty, restore_marks
from hub.store.backup.archive import ABOUT
from hub.store.backup.dump import access_to, load, stream_dump
from hub.store.server.connections import Dsns
from hub.store.server.migrate import schema_of
from tests.checkout import ROOT
from tests.database import fresh_database, shared_server
from tests.store.backup_files import ABOUT_IT, MEMBERS, PASSPHRASE, backup_of, written

MADE_AT = datetime(2026, 11, 27, 3, tzinfo=UTC)
NOW = MADE_AT + timedelta(days=1)
WAITING = (
    "INSERT INTO pgqueuer (priority, entrypoint, status) VALUES (0, 'deliver', 'queued'), (0, 'complete', 'queued')"
)


async def dump_of(owner_dsn: str, path: Path) -> Path:
    def write() -> None:
        with stream_dump(access_to(owner_dsn, shared_server(), shared_server().version)) as content:
            path.write_bytes(content.read())

    await asyncio.to_thread(write)
    return path


async def test_it_is_loaded_and_marked_at_once_or_not_at_all(tmp_path: Path) -> None:
    async with fresh_database() as before, fresh_database(migrated=False) as there:
        connection = await asyncpg.connect(before.owner)
        await connection.execute(WAITING)
        await connection.close()
        dump = await dump_of(before.owner, tmp_path / "dump")
        access = access_to(there.owner, shared_server(), shared_server().version)
        with pytest.raises(DatabaseUnavailable, match="no_such_table"):
            await asyncio.to_thread(load, access, dump, restore_marks(NOW, MADE_AT) + "SELECT * FROM no_such_table;")
        await check_empty(there.owner)
        await asyncio.to_thread(load, access, dump, restore_marks(NOW, MADE_AT))
        connection = await asyncpg.connect(there.owner)
        (pause,) = await connection.fetch("SELECT since, restored_from FROM sending_pause")
        assert tuple(pause) == (NOW, MADE_AT)
        assert await connection.fetchval("SELECT moment FROM restored_until") == NOW
        starts = await connection.fetch("SELECT entrypoint, attempts FROM pgqueuer ORDER BY entrypoint")
        assert [tuple(each) for each in starts] == [("complete", 0), ("deliver", 1)]
        await connection.close()


LOAD = """
import sys
from pathlib import Path
from hub.store.backup.dump import DumpAccess, load
load(DumpAccess(sys.argv[1], Path(sys.argv[2]), {}), Path("/dev/null"))
"""


async def test_of_a_killed_load_nothing_is_committed(tmp_path: Path) -> None:
    """The end of the input, which psql also sees if we are killed, is not the end of the dump."""
    gate, ended = tmp_path / "gate", tmp_path / "ended"
    for fifo in (gate, ended):
        os.mkfifo(fifo)
    # More than all pipes on the way hold: at the gate, psql has been given the first statement.
    half = f"echo 'CREATE TABLE half (a int);'\nyes -- '-- filler' | head -c {1 << 20}\nread -r line <{gate}"
    real = shared_server().programs
    for name, script in (("pg_restore", half), ("psql", f'{real}/psql "$@"\necho ended >{ended}')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    async with fresh_database(migrated=False) as there:
        process = subprocess.Popen([sys.executable, "-c", LOAD, there.owner, str(tmp_path)], cwd=ROOT)
        with await asyncio.to_thread(gate.open, "w"):
            process.kill()
            process.wait()
            assert await asyncio.to_thread(ended.read_text) == "ended\n"
        await check_empty(there.owner)


class Seen(Exception):
    """What a hub that reaches the database saw."""


async def test_a_worker_of_the_former_hub_finds_it_paused_as_soon_as_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a worker looks for work between any two transactions of the restore."""

    async def look(owner_dsn: str) -> None:
        connection = await asyncpg.connect(owner_dsn)
        try:
            raise Seen(await connection.fetchval("SELECT count(*) FROM sending_pause"))
        finally:
            await connection.close()

    monkeypatch.setattr(backup, "migrate", look)
    async with fresh_database() as before, fresh_database(migrated=False) as there:
        dump = await dump_of(before.owner, tmp_path / "dump")
        connection = await asyncpg.connect(before.owner)
        about = replace(ABOUT_IT, schema=await schema_of(connection))
        await connection.close()
        members = [(name, content) for name, content in MEMBERS if not name.startswith("database/") and name != ABOUT]
        kept = [(ABOUT, json.dumps(asdict(about)).encode()), ("database/00000000", dump.read_bytes()), *members]
        source = written(tmp_path, backup_of(kept))
        with pytest.raises(Seen) as seen:
            await asyncio.to_thread(
                restore_into, tmp_path / "elsewhere" / "data", source, PASSPHRASE, Dsns(there.owner, there.app)
            )
        assert seen.value.args == (1,)
