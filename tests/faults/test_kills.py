"""Processes are killed right before and right after each commit and each outside call of a contract's story.

Nothing may be lost, and nothing sealed or sent twice. The list of boundaries is what a story without a kill crosses; it
has to contain every move of `MOVES` on the way to COMPLETED and every kind of attempt that the lifecycle knows.
"""

from __future__ import annotations

import ast
import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, zip_longest
from pathlib import Path
from signal import SIGKILL

import pytest

from hub.model.contract.contract import MOVES, ContractState
from hub.model.sealing.finalise import ATTEMPTS
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.file_store import open_files
from hub.store.files.content_addressed import Files
from hub.store.server.installation import mark
from hub.store.transaction import Database
from tests.checkout import ROOT
from tests.database import fresh_database, scratch_folder
from tests.faults.boundaries import CLOSING, SIGNING, Boundary
from tests.faults.forking import Forking
from tests.faults.judging import evidence, judge
from tests.faults.provider import Provider
from tests.faults.story import Plan
from tests.lifecycle.clockwork import SHANGHAI
from tests.running import prepare_school

# Seconds by which a resumed story is later. By then, leases have expired, another code may be asked for, and a request
# with an Idempotency-Key that was not answered may be made again.
LATER = 125.0
# What workers do by the clock; and commits that write nothing, of which there are more or fewer as the processes meet.
NOT_THE_STORYS = ("worker_heartbeat", "duty", "locks only")
# Kinds of attempts that this story does not make: of signers who bring another authority's certificate or lose a
# device, of an identity provider, of the hash tree of a day, of its renewal, of notaries, and of
# what is added to evidence.
NOT_THIS_SIGNERS = {"revocation", "identity", "revoke", "hash-tree", "renewal", "notary", "addendum"}
# More than there are processors, because a story mostly waits. Opening a lane takes as long as a story.
LANES = 3
SIDES = ("before", "after")
# What the quick test kills. At each boundary there is, the slow one does.
DECISIVE = ("call certificate", "call seal")
# Where the processes of one story are killed, one after the other.
Kills = tuple[Boundary, ...]


def until_morning() -> float:
    """Return the seconds until ten o'clock at the signer's place: messages due late at night wait, and stories do
    not."""
    now = datetime.now(SHANGHAI)
    morning = now.replace(hour=10, minute=0)
    return ((morning if morning > now else morning + timedelta(days=1)) - now).total_seconds()


@dataclass
class Lane:
    """A database, a data folder, a provider and a warm process, in which stories are run one after the other."""

    folder: Path
    dsn: str
    owner: str
    provider: Provider
    forking: Forking
    database: Database
    files: Files
    number: int = 0
    ahead: float = field(default_factory=until_morning)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Lane]:
        folder = Path(tempfile.mkdtemp(prefix="qianda-faults-", dir=scratch_folder()))
        async with AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, folder)
            dsns = await stack.enter_async_context(fresh_database())
            await mark(dsns.owner, "demo", datetime.now(UTC))
            keys = Keys.load_or_create(folder / "data" / "keys" / "master.key")
            database = Database(dsns.app, keys, lambda: datetime.now(UTC))
            stack.push_async_callback(database.close)
            await prepare_school(database)
            async with database.transaction(EVERYTHING) as tx:
                course = await tx.school.get_course("hefei", "math-a")
                await tx.school.put_course(replace(course, details={**course.details, "with_ofd": True}))
            provider = await stack.enter_async_context(Provider().serving())
            forking = await stack.enter_async_context(Forking.running())
            files = open_files(str(folder / "data" / "files"), database)
            yield cls(folder, dsns.app, dsns.owner, provider, forking, database, files)

    async def story(self, *kills: Boundary) -> list[Boundary]:
        """Run a contract's whole story, killed at each of these boundaries and resumed each time, and judge it. Return
        the boundaries that the last process crossed."""
        self.number += 1
        seals = self.folder / f"{self.number}.sealed"
        for kill_at in kills:
            plan = self._plan(seals, str(kill_at))
            ended = await self.forking.tell(plan)
            assert ended == -SIGKILL, f"ended with {ended} and was not killed"
            assert _crossed(plan)[-1] == kill_at
        plan = self._plan(seals)
        ended = await self.forking.tell(plan)
        assert ended == 0, f"ended with {ended}"
        found = await evidence(self.database, self.files, plan.external_id)
        judge(found, [each for each in self.provider.accepted if each["to"] == plan.phone], seals)
        return _crossed(plan)

    def _plan(self, seals: Path, kill_at: str = "") -> Plan:
        ahead = self._later()
        ledger = self.folder / f"{self.number}-{ahead:.0f}.crossed"
        return Plan(
            str(self.folder / "data"),
            self.dsn,
            self.owner,
            self.provider.address,
            self.number,
            ahead,
            str(ledger),
            str(seals),
            kill_at,
        )

    def _later(self) -> float:
        self.ahead += LATER
        return self.ahead


def _crossed(plan: Plan) -> list[Boundary]:
    return [Boundary.parse(line) for line in Path(plan.ledger).read_text().splitlines()]


async def killed_at_each(lane: Lane, stories: Sequence[Kills]) -> list[str]:
    """Return what went wrong, story by story."""
    wrong = []
    for kills in stories:
        try:
            await lane.story(*kills)
        except AssertionError as error:
            wrong.append(f"{', '.join(map(str, kills))}: {error}")
    return wrong


async def recorded(lane: Lane) -> list[Boundary]:
    """Return the boundaries of a story without the hash tree of the day, which is built once, during any of them."""
    while True:
        crossed = await lane.story()
        if not any("hash-tree" in each.name for each in crossed):
            return of_the_story(crossed)


def of_the_story(crossed: Sequence[Boundary]) -> list[Boundary]:
    return [each for each in crossed if not any(word in each.name for word in NOT_THE_STORYS)]


def attempt_kinds() -> set[str]:
    """Return the kinds of attempts that the lifecycle writes before an outside call."""
    kinds: set[object] = set(chain(*ATTEMPTS.values()))
    for path in (ROOT / "hub" / "lifecycle").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("_begin", "begin_attempt"):
                kinds |= {word.value for word in node.args[:2] if isinstance(word, ast.Constant) and word.value}
    return {str(kind) for kind in kinds}


def moves() -> set[str]:
    """Return the legal moves of a contract that is completed in the end."""
    on_the_way = [state for state in ContractState if not state.final or state is ContractState.COMPLETED]
    return {f"{one}→{other}" for one in on_the_way for other in MOVES[one] if other in on_the_way}


def check_list(boundaries: Sequence[Boundary]) -> None:
    words = {word for each in boundaries for word in each.name.removeprefix("commit ").split(" + ")}
    assert moves() <= words, moves() - words
    needed = {f"attempt {kind}" for kind in attempt_kinds() - NOT_THIS_SIGNERS}
    assert needed and needed <= words, needed - words
    assert {"document_version", "signature_request"} <= words, "files that are deleted later, and that they are"
    assert {"idempotency", "DRAFT→ISSUED"} <= words, "a contract that another system has asked for by the API"
    assert "note_pages" in words, "pages that are noted as seen, by a function that commits by itself"
    assert {"call certificate", "call timestamp", "call seal", "call file", "call send invitation"} <= words
    befores, afters = ({replace(each, side="") for each in boundaries if each.side == side} for side in SIDES)
    assert befores == afters
    calls = sum("call send " in each.name for each in befores)
    announced = sum(each.name.startswith("commit ") and "called " in each.name for each in befores)
    assert calls == announced, "a provider is called, and it was not committed before that it would be"


async def run(pick: Callable[[Sequence[Boundary]], list[Kills]], number_of_lanes: int) -> None:
    """Run the stories that `pick` chooses from the boundaries of a story, distributed over the lanes."""
    async with AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(Lane.open()) for _ in range(number_of_lanes)]
        boundaries = await recorded(lanes[0])
        check_list(boundaries)
        wanted = pick(boundaries)
        print(f"{sum(map(len, wanted))} kills at {len(boundaries) // 2} boundaries in {len(wanted)} stories")
        results = await asyncio.gather(
            *(killed_at_each(lane, wanted[number::number_of_lanes]) for number, lane in enumerate(lanes))
        )
    assert [each for result in results for each in result] == []


def _once(boundaries: Sequence[Boundary]) -> list[Kills]:
    """Return kills at two acts whose repetition would do most harm, before one and after the other.

    A story is killed twice, once in each chapter, as long as both chapters have kills left.
    """
    found = [each for each in boundaries if each.side == "before" and any(map(each.name.__contains__, DECISIVE))]
    befores = {each.name: each for each in reversed(found)}.values()
    wanted = [replace(each, side=SIDES[number % 2]) for number, each in enumerate(befores)]
    chapters = ([each for each in wanted if each.chapter == chapter] for chapter in (SIGNING, CLOSING))
    return [tuple(each for each in kills if each) for kills in zip_longest(*chapters)]


def _five_times(boundaries: Sequence[Boundary]) -> list[Kills]:
    """Return five kills at each boundary: three right after it, where most can be lost, and two right before.

    Once each has a story of its own. The others share theirs with a kill in the other chapter, unless it is the last
    one of the first chapter: whoever comes after that one has no first chapter.
    """
    last = [each for each in boundaries if each.chapter == SIGNING][-1]
    again = [each for each in boundaries if each != last for _ in range(2 if each.side == "after" else 1)]
    chapters = ([each for each in again if each.chapter == chapter] for chapter in (SIGNING, CLOSING))
    shared = [tuple(each for each in kills if each) for kills in zip_longest(*chapters)]
    return [(each,) for each in (*boundaries, last, last)] + shared


@pytest.mark.real
async def test_killed_where_a_certificate_is_asked_for_and_where_the_seal_signs() -> None:
    await run(pick=_once, number_of_lanes=1)


@pytest.mark.real
async def test_killed_five_times_at_each_boundary() -> None:
    await run(pick=_five_times, number_of_lanes=LANES)
