"""A backup has every file that its database names, although a worker deletes files meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest

from hub.errors import BackupRunning
from hub.lifecycle.evidence.delete_files import delete_orphans, delete_superseded
from hub.lifecycle.evidence.person import erase_person
from hub.maintenance.backup import back_up
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.store.backup import contents
from hub.store.backup.contents import unpack
from hub.store.backup.dump import DumpAccess, stream_dump
from hub.store.evidence.inspection import Inspection
from hub.store.server.connections import Dsns
from tests.database import shared_server
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.evidence.test_person import RETENTION, about, owner_of
from tests.lifecycle.signer import completed, signed
from tests.running import GUARDIAN_ID, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASSPHRASE = "an owl in the belfry"


async def named_files(running: Running, contract: Contract) -> set[str]:
    """Return the stored files that the database names for a contract."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return {each.file for each in await Inspection(tx.connection).list_files([contract.id])}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def back_up_and_unpack(running: Running, folder: Path) -> None:
    """Back the hub up, and unpack the backup into `data` in this folder."""
    dsn = running.hub.database.dsn
    dsns = Dsns(dsn.replace("//app@", "//owner@"), dsn)
    await asyncio.to_thread(back_up, running.hub.settings, dsns, shared_server(), folder / "backup", PASSPHRASE)
    (folder / "data").mkdir()
    unpack(folder / "backup", PASSPHRASE, folder / "data", folder / "dump")


async def test_no_file_that_the_dump_names_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running:
        services, loop = running.hub.services, asyncio.get_running_loop()
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        running.clock.advance(timedelta(days=2))
        folder = running.hub.settings.data / "files"
        named = await named_files(running, contract) & names_in(folder)
        orphan = await services.files.put(b"%PDF-1.7 that no row names any more")

        async def purge() -> int:
            return await delete_superseded(services) + await delete_orphans(services)

        @contextmanager
        def then_purge(access: DumpAccess) -> Iterator[IO[bytes]]:
            with stream_dump(access) as content:
                yield content
            assert asyncio.run_coroutine_threadsafe(purge(), loop).result() == 0

        monkeypatch.setattr(contents, "stream_dump", then_purge)
        await back_up_and_unpack(running, tmp_path)
        assert named | {orphan} <= names_in(tmp_path / "data" / "files")
        assert await purge() > 0
        left = names_in(folder)
        assert orphan not in left and not named <= left  # a purge deletes some of these files


async def test_nobody_is_erased_between_the_dump_and_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running, owner_of(running) as owner:
        services, loop = running.hub.services, asyncio.get_running_loop()
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        running.clock.advance(RETENTION)
        named = await named_files(running, contract) & names_in(running.hub.settings.data / "files")

        @contextmanager
        def then_erase(access: DumpAccess) -> Iterator[IO[bytes]]:
            with stream_dump(access) as content:
                yield content
            with pytest.raises(BackupRunning):
                asyncio.run_coroutine_threadsafe(erase_person(services, owner, about(GUARDIAN_ID)), loop).result()

        monkeypatch.setattr(contents, "stream_dump", then_erase)
        await back_up_and_unpack(running, tmp_path)
        assert named <= names_in(tmp_path / "data" / "files")
        assert (await erase_person(services, owner, about(GUARDIAN_ID))).contracts == [contract.number]
        assert named.isdisjoint(names_in(running.hub.settings.data / "files"))
