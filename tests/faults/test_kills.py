"""Processes are killed right before and right after each commit and each outside call of a contract's story.

Nothing may be lost, nothing sealed or sent twice. The list of boundaries is what a story without a kill crosses; it
has to hold every move of `MOVES` on the way to COMPLETED and every kind of attempt that the lifecycle knows.
"""

from __future__ import annotations

import ast
import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL

import pytest

from hub.lifecycle.load import load_school
from hub.model.contract import MOVES, ContractState
from hub.settings import ROOT
from hub.store.files import Files
from hub.store.installation import mark
from hub.store.keys import Keys
from hub.store.unit import Database
from tests.database import fresh_database
from tests.faults.boundaries import Boundary
from tests.faults.forking import Forking
from tests.faults.judging import evidence, judge
from tests.faults.provider import Provider
from tests.faults.story import Plan

LATER = 65.0
"""Seconds: who begins again comes so much later. Leases have run out, and another code may be asked for."""
NOT_THE_STORYS = ("worker_heartbeat",)
LANES = 3
"""More than there are processors: a story waits a good part of its time."""


@dataclass
class Lane:
    """A database, a data folder, a provider and a warm process; stories are told in it one after the other."""

    folder: Path
    dsn: str
    provider: Provider
    forking: Forking
    database: Database
    files: Files
    number: int = 0
    ahead: float = 0.0

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Lane]:
        folder = Path(tempfile.mkdtemp(prefix="qianda-faults-"))
        async with AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, folder)
            dsns = await stack.enter_async_context(fresh_database())
            await mark(dsns.owner, "demo", datetime.now(UTC))
            keys = Keys.load_or_create(folder / "data" / "keys" / "master.key")
            database = Database(dsns.app, keys, lambda: datetime.now(UTC))
            stack.push_async_callback(database.close)
            await load_school(database, ROOT / "seeds")
            provider = await stack.enter_async_context(Provider().serving())
            forking = await stack.enter_async_context(Forking.running())
            files = Files.at(str(folder / "data" / "files"))
            yield cls(folder, dsns.app, provider, forking, database, files)

    async def story(self, kill_at: Boundary | None = None) -> list[Boundary]:
        """A contract's whole story, killed at a boundary and begun again, and judged. Returns what the first process
        crossed."""
        self.number += 1
        ledger, seals = self.folder / f"{self.number}.crossed", self.folder / f"{self.number}.sealed"
        plan = Plan(
            str(self.folder / "data"), self.dsn, self.provider.address, self.number, self._later(), str(ledger),
            str(seals), str(kill_at or ""),
        )  # fmt: skip
        ended = await self.forking.tell(plan)
        crossed = [Boundary.parse(line) for line in ledger.read_text().splitlines()]
        if kill_at:
            assert ended == -SIGKILL, f"ended with {ended} and was not killed"
            assert crossed[-1] == kill_at
            ended = await self.forking.tell(replace(plan, kill_at="", ahead=self._later()))
        assert ended == 0, f"ended with {ended}"
        found = await evidence(self.database, self.files, plan.external_id)
        judge(found, [each for each in self.provider.accepted if each["to"] == plan.phone], seals)
        return crossed

    def _later(self) -> float:
        self.ahead += LATER
        return self.ahead


async def killed_at_each(lane: Lane, boundaries: Sequence[Boundary]) -> list[str]:
    """What went wrong, boundary by boundary."""
    wrong = []
    for boundary in boundaries:
        try:
            await lane.story(boundary)
        except AssertionError as error:
            wrong.append(f"{boundary}: {error}")
    return wrong


def of_the_story(crossed: Sequence[Boundary]) -> list[Boundary]:
    return [each for each in crossed if not any(word in each.name for word in NOT_THE_STORYS)]


def attempt_kinds() -> set[str]:
    """The kinds that the lifecycle writes before it calls somebody outside."""
    kinds = set()
    for path in (ROOT / "hub" / "lifecycle").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("_begin", "begin_attempt"):
                kinds |= {word.value for word in node.args[:2] if isinstance(word, ast.Constant)}
    return {str(kind) for kind in kinds}


def moves() -> set[str]:
    """The legal moves of a contract that is completed in the end."""
    on_the_way = [state for state in ContractState if not state.final or state is ContractState.COMPLETED]
    return {f"{one}→{other}" for one in on_the_way for other in MOVES[one] if other in on_the_way}


def check_list(boundaries: Sequence[Boundary]) -> None:
    words = {word for each in boundaries for word in each.name.removeprefix("commit ").split(" + ")}
    assert moves() <= words, moves() - words
    needed = {f"attempt {kind}" for kind in attempt_kinds()}
    assert needed and needed <= words, needed - words
    assert {"call certificate", "call timestamp", "call seal", "call file", "call send invitation"} <= words
    assert {(each.name, each.number) for each in boundaries if each.side == "before"} == {
        (each.name, each.number) for each in boundaries if each.side == "after"
    }


async def run(pick: int) -> None:
    """`pick` 1: each boundary once, on one side or the other in turn; 0: both sides, five times in all."""
    async with AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(Lane.open()) for _ in range(LANES)]
        boundaries = of_the_story(await lanes[0].story())
        check_list(boundaries)
        wanted = _once(boundaries) if pick else _five_times(boundaries)
        print(f"{len(wanted)} kills at {len(boundaries) // 2} boundaries")
        results = await asyncio.gather(
            *(killed_at_each(lane, wanted[number::LANES]) for number, lane in enumerate(lanes))
        )
    assert [each for result in results for each in result] == []


def _once(boundaries: Sequence[Boundary]) -> list[Boundary]:
    befores = [each for each in boundaries if each.side == "before"]
    return [replace(each, side=("before", "after")[number % 2]) for number, each in enumerate(befores)]


def _five_times(boundaries: Sequence[Boundary]) -> list[Boundary]:
    """Five kills of each: three right after it, where most can be lost, and two right before."""
    return [each for each in boundaries for _ in range(3 if each.side == "after" else 2)]


async def test_killed_once_at_each_boundary() -> None:
    await run(pick=1)


@pytest.mark.real
async def test_killed_five_times_at_each_boundary() -> None:
    await run(pick=0)
