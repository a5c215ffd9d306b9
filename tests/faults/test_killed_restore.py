"""A restore is killed at each step, and at random: the data folder is complete or not there, and what is left beside it
is named to whoever tries again."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGALRM, SIGKILL

import pytest

from hub.maintenance.backup import back_up
from hub.settings import Settings
from hub.store.server.connections import Dsns
from hub.store.server.embedded import EmbeddedPostgres
from tests.database import shared_server
from tests.faults import acts
from tests.faults.forking import Forking
from tests.faults.restoring import PASSPHRASE, Plan
from tests.faults.test_killed_acts import Prepared

pytestmark = pytest.mark.real
RANDOM_KILLS = 5


@dataclass(frozen=True)
class Backup:
    """A backup of a hub, and the processes that restore it and judge what was restored."""

    folder: Path
    restoring: Forking
    judging: Forking

    @property
    def source(self) -> Path:
        return self.folder / "qianda.backup"

    @property
    def data(self) -> Path:
        return self.folder / "elsewhere" / "data"

    @property
    def steps(self) -> list[str]:
        return (self.folder / "steps").read_text().splitlines()

    async def restore(self, kill_at: int = 0, ends_after: float = 0) -> int:
        """Return how the process ended: 0, an exit code, or minus a signal."""
        where = str(self.source), str(self.data), str(self.folder / "steps")
        return await self.restoring.tell(Plan(*where, kill_at, ends_after))

    async def finish(self) -> list[str]:
        """Do what an operator does after a restore was killed, and remove everything. Return what is wrong."""
        wrong = []
        left = list(self.data.parent.glob(".data-restoring-*")) if self.data.parent.exists() else []
        if not self.data.exists() or not any(self.data.iterdir()):
            if left and await self.restore() == 0:
                wrong.append("what was left beside the data folder is not named")
            for each in left:
                await asyncio.to_thread(burn, each / "data", each)
            if await self.restore() != 0:
                wrong.append("it cannot be restored again")
        else:
            for each in left:
                await asyncio.to_thread(shutil.rmtree, each)
        server = await asyncio.to_thread(EmbeddedPostgres.in_data_folder(self.data).start)
        where = str(self.data), server.dsn("app"), server.dsn("owner"), str(self.folder / "steps")
        if await self.judging.tell(acts.Plan("restore", "judge", *where)) != 0:
            wrong.append("what was restored is not complete")
        await asyncio.to_thread(server.stop, remove=True)
        await asyncio.to_thread(shutil.rmtree, self.data.parent)
        return wrong


def burn(data: Path, folder: Path) -> None:
    """Stop the server in this data folder, if there is one, and remove the folder around it."""
    if (data / "database").exists():
        EmbeddedPostgres(data / "database").start().stop(remove=True)
    shutil.rmtree(folder)


@pytest.fixture
async def backup() -> AsyncIterator[Backup]:
    async with AsyncExitStack() as stack:
        prepared = await stack.enter_async_context(Prepared.of("restore"))
        trial = await stack.enter_async_context(prepared.copied())
        settings = Settings.load(data=trial.data, origin="https://sign.school.example")
        made = Backup(
            prepared.folder,
            await stack.enter_async_context(Forking.running("tests.faults.restoring")),
            prepared.forking,
        )
        dsns = Dsns(trial.dsns.owner, trial.dsns.app)
        await asyncio.to_thread(back_up, settings, dsns, shared_server(), made.source, PASSPHRASE)
        yield made


async def test_killed_at_each_step(backup: Backup) -> None:
    assert await backup.restore() == 0
    steps = backup.steps
    assert await backup.finish() == []
    assert "after commit" in steps and any(step.startswith("os.rename") for step in steps)
    print(f"{len(steps)} steps")
    wrong = []
    for number, name in enumerate(steps, 1):
        killed = await backup.restore(kill_at=number)
        found = await backup.finish()
        if killed != -SIGKILL or found:
            wrong.append((number, name, killed, found))
    assert wrong == []


async def test_killed_at_random(backup: Backup) -> None:
    began = time.monotonic()
    assert await backup.restore() == 0
    duration = time.monotonic() - began
    assert await backup.finish() == []
    for _ in range(RANDOM_KILLS):
        assert await backup.restore(ends_after=random.uniform(0.001, duration)) in (0, -SIGALRM)
        assert await backup.finish() == []
