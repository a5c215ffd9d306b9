"""While the database server is down, the product raises `DatabaseUnavailable`; afterwards it works again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.errors import DatabaseUnavailable
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.server.embedded import EmbeddedPostgres
from hub.store.server.migrate import migrate
from hub.store.transaction import Database
from tests.database import scratch_folder
from tests.running import until

pytestmark = pytest.mark.real


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="qianda-restarts-", dir=scratch_folder()))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "database", durable=False).start()
    asyncio.run(migrate(server.dsn("owner")))
    try:
        yield server
    finally:
        server.stop(remove=True)
        shutil.rmtree(folder)


class Workload:
    """Transactions, one after the other. `done` and `away` count how they ended; any other outcome fails the test."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.done = self.away = 0
        self.stop = False

    async def run(self) -> None:
        while not self.stop:
            try:
                async with self._database.transaction(EVERYTHING) as tx:
                    await tx.connection.execute(text("SELECT pg_sleep(0.002)"))
                    await tx.connection.execute(text("SELECT 1"))
                self.done += 1
            except DatabaseUnavailable:
                self.away += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT], ids=lambda end: end.name)
async def test_the_end_of_the_server_is_said_as_such(server: EmbeddedPostgres, tmp_path: Path, end: int) -> None:
    database = Database(server.dsn("app"), Keys.load_or_create(tmp_path / "key"), lambda: datetime.now(UTC))
    loads = [Workload(database) for _ in range(6)]
    running = [asyncio.create_task(load.run()) for load in loads]
    await until(lambda: _answer(all(load.done for load in loads) or _first_error(running)))
    os.kill(server.server_pid(), end)
    await until(lambda: _answer(all(load.away for load in loads) or _first_error(running)))
    await asyncio.to_thread(server.start)
    before = [(load, load.done) for load in loads]
    await until(lambda: _answer(all(load.done > done for load, done in before) or _first_error(running)))
    for load in loads:
        load.stop = True
    await asyncio.gather(*running)
    await database.close()


async def _answer(found: object) -> object:
    return found


def _first_error(running: list[asyncio.Task[None]]) -> bool:
    """Raise the error of a workload that has ended, instead of waiting for it. Return False."""
    for task in running:
        if task.done():
            task.result()
    return False
