"""Operators' commands and periodic tasks are killed at each step, and at random, and are run again.

Nothing is lost, and nothing is half done that a record calls whole.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGALRM, SIGKILL
from urllib.parse import urlsplit

import pytest

from hub.store.encryption.keys import Keys
from hub.store.server.installation import mark
from hub.store.transaction import Database
from tests.database import Dsns, Template, fresh_database, scratch_folder
from tests.faults.acts import SUBJECTS, Plan
from tests.faults.forking import Forking
from tests.running import prepare_school

RANDOM_KILLS = 10
ACTS = [subject for subject in SUBJECTS if subject != "restore"]  # which is killed in a module of its own


@dataclass(frozen=True)
class Prepared:
    """A subject with the database and the folder that its preparation has made. They are copied for each trial."""

    subject: str
    forking: Forking
    template: Template
    folder: Path

    @classmethod
    @asynccontextmanager
    async def of(cls, subject: str) -> AsyncIterator[Prepared]:
        folder = Path(tempfile.mkdtemp(prefix="qianda-acts-", dir=scratch_folder()))
        try:
            async with Forking.running("tests.faults.acts") as forking, fresh_database() as dsns:
                await mark(dsns.owner, "demo", datetime.now(UTC))
                database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: datetime.now(UTC))
                await prepare_school(database)
                await database.close()
                template = Template(urlsplit(dsns.app).path.lstrip("/"), _exists)
                prepared = cls(subject, forking, template, folder)
                trial = Trial(prepared, dsns, folder / "data")
                assert await trial.run("prepare") == 0
                yield prepared
        finally:
            shutil.rmtree(folder)

    @asynccontextmanager
    async def copied(self) -> AsyncIterator[Trial]:
        data = Path(tempfile.mkdtemp(dir=self.folder)) / "data"
        shutil.copytree(self.folder / "data", data)
        async with fresh_database(self.template) as dsns:
            yield Trial(self, dsns, data)
        shutil.rmtree(data.parent)


async def _exists(dsns: Dsns) -> None:
    raise AssertionError("the template exists")


@dataclass(frozen=True)
class Trial:
    prepared: Prepared
    dsns: Dsns
    data: Path

    async def run(self, part: str, kill_at: int = 0, ends_after: float = 0) -> int:
        """Run a part of the subject. Return how its process ended: 0, an exit code, or minus a signal."""
        where = str(self.data), self.dsns.app, self.dsns.owner, str(self._ledger)
        return await self.prepared.forking.tell(Plan(self.prepared.subject, part, *where, kill_at, ends_after))

    @property
    def _ledger(self) -> Path:
        return self.data.with_name("steps")

    @property
    def steps(self) -> list[str]:
        return self._ledger.read_text().splitlines()


@pytest.mark.real
@pytest.mark.parametrize("subject", ACTS)
async def test_killed_at_each_step(subject: str) -> None:
    async with Prepared.of(subject) as prepared:
        async with prepared.copied() as trial:
            assert await trial.run("act") == 0
            steps = trial.steps
            assert await trial.run("judge") == 0
        assert "after commit" in steps
        print(f"{subject}: {len(steps)} steps")
        wrong = []
        for number, name in enumerate(steps, 1):
            async with prepared.copied() as trial:
                killed = await trial.run("act", kill_at=number)
                ended = killed, await trial.run("act"), await trial.run("judge")
            if ended != (-SIGKILL, 0, 0):
                wrong.append((number, name, ended))
        assert wrong == []


@pytest.mark.real
@pytest.mark.parametrize("subject", ACTS)
async def test_killed_at_random_again_and_again(subject: str) -> None:
    async with Prepared.of(subject) as prepared:
        async with prepared.copied() as trial:
            began = time.monotonic()
            assert await trial.run("act") == 0
            duration = time.monotonic() - began
        async with prepared.copied() as trial:
            for _ in range(RANDOM_KILLS):
                assert await trial.run("act", ends_after=random.uniform(0.001, duration)) in (0, -SIGALRM)
            assert (await trial.run("act"), await trial.run("judge")) == (0, 0)
