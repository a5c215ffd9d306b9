"""Several leases of a job at a time: what one of them waits for, and what it may still do when it was lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from hub.documents.sealing.file_sealer import FileSealer, FileToSeal, SealOrder
from hub.documents.sealing.sealed_files import NewFile, SealedFile, SourceStart, write_files
from hub.errors import Unavailable
from hub.lifecycle.sealing.jobs.run_seal_job import LEASE, REST, renew_lease, run_seal_job
from hub.lifecycle.sealing.jobs.seal_chunk import Chunk, seal_chunk
from hub.lifecycle.sealing.seals.manage_seals import move_seal
from hub.lifecycle.sealing.seals.use_seal import end_seal_uses
from hub.model.sealing.seal import SealAct
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_job import JOB_DEADLINE, MAX_FILES_TOGETHER, ItemOutcome
from hub.model.sealing.seal_use import EndedUse
from hub.model.staff.scope import EVERYTHING
from tests.changed_services import change_services
from tests.database import tamper
from tests.lifecycle.sealing.test_seal_management import ASKED, CAI, active_seal
from tests.running import Running, running_hub
from tests.sealing.clients import SealClientDouble, configured_seal, grant, granted_client, new_client
from tests.sealing.parts import pages
from tests.signing_parts import utc_now

pytestmark = pytest.mark.asyncio(loop_scope="module")
BREAK_STOP = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$;
CREATE TRIGGER refuse BEFORE UPDATE ON seal_job FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@dataclass
class Shelf:
    """A hub whose object store is a folder."""

    running: Running
    folder: Path

    async def ask(self, client: SealClientDouble, to: str = "out", seal: str | None = None, **files: bytes) -> UUID:
        """Begin a job with these files, from `in/` to another folder."""
        (self.folder / "in").mkdir(exist_ok=True)
        for name, content in files.items():
            (self.folder / "in" / name).write_bytes(content)
        source = {"store": "shelf", "prefix": "in/", "keys": [f"in/{name}" for name in files]}
        target = {"store": "shelf", "prefix": f"{to}/"}
        named = {"seal": seal} if seal else {}
        status, job = await client.ask(place="page:1,60,60", source=source, target=target, **named)
        assert status == 201, job
        return UUID(job["id"])

    async def claim(self, job: UUID, most: int) -> Chunk:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            held = tx.now + LEASE
            items = await tx.seal_jobs.claim(job, most, tx.now, held)
            return Chunk(await tx.seal_jobs.get(job), await configured_seal(self.running), items, held)

    async def run(self, job: UUID) -> bool:
        return await run_seal_job(self.running.hub.services, job, lambda: True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shelf(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shelf]:
    folder = tmp_path_factory.mktemp("shelf")
    clients = [f"registry-{number}" for number in range(100)]
    stores = {"shelf": {"url": folder.as_uri(), "clients": clients}}
    async with running_hub(with_worker=False, configured={"seal_files": {"stores": stores, "children": 1}}) as hub:
        yield Shelf(hub, folder)


async def test_files_wait_for_the_uses_of_another_lease(shelf: Shelf) -> None:
    client = await granted_client(shelf.running, uses=1)
    job = await shelf.ask(client, a=b"no document", b=pages("b"))
    theirs = await shelf.claim(job, 1)
    await seal_chunk(shelf.running.hub.services, theirs)  # its use is open until the outcome is written
    assert not await shelf.run(job)
    assert [item["state"] for item in await client.items(str(job))] == ["waiting", "waiting"]
    async with shelf.running.hub.database.transaction(EVERYTHING) as tx:
        (item,) = theirs.items
        failed = ItemOutcome(item, fault=SealFault.NOT_A_DOCUMENT)
        assert await tx.seal_jobs.end_items(job, theirs.held, [failed], tx.now) == {1}
        await end_seal_uses(tx, [EndedUse(item.use, failure=SealFault.NOT_A_DOCUMENT)])
    assert not await shelf.run(job)
    assert (await client.ask_about(str(job)))["sealed"] == 0  # it rests
    shelf.running.clock.advance(REST)
    assert not await shelf.run(job)
    assert [item["state"] for item in await client.items(str(job))] == ["failed", "sealed"]


async def test_files_of_an_outage_rest_together(shelf: Shelf) -> None:
    """The store takes nothing: the file that has the use rests, and so does the one that waits for it."""
    client = await granted_client(shelf.running, uses=1)
    job = await shelf.ask(client, to="blocked", a=pages("a"), b=pages("b"))
    (shelf.folder / "blocked").write_bytes(b"")
    with pytest.raises(Unavailable):
        await shelf.run(job)
    assert not (await shelf.claim(job, 2)).items
    shelf.running.clock.advance(REST)
    assert [item.number for item in (await shelf.claim(job, 2)).items] == [1, 2]


async def test_who_lost_a_file_begins_nothing_more(shelf: Shelf) -> None:
    client, services = await granted_client(shelf.running), shelf.running.hub.services
    job = await shelf.ask(client, a=pages("a"), b=pages("b"))
    mine = await shelf.claim(job, 2)
    shelf.running.clock.advance(LEASE)
    await renew_lease(services, mine)  # it had ended, but nobody came
    assert not mine.is_lost
    shelf.running.clock.advance(LEASE)
    theirs = await shelf.claim(job, 1)
    await renew_lease(services, mine)
    await seal_chunk(services, mine)
    async with shelf.running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.seal_register.get_known([item.use for item in mine.items]) == {}
    await seal_chunk(services, theirs)
    assert (mine.is_lost, list(mine.outcomes), list(theirs.outcomes)) == (True, [], [1])


class InterruptedSealer(FileSealer):
    """A sealer that awaits `interrupt` once as many groups of files as are sealed at the same time have begun."""

    def __init__(self, interrupt: Callable[[], Awaitable[object]]) -> None:
        super().__init__(utc_now, children=1)
        self.at_once = self.children + 2
        self._interrupt, self._begun, self._interrupted = interrupt, 0, asyncio.Event()

    async def seal(self, order: SealOrder, files: Sequence[FileToSeal]) -> list[SealedFile | CannotSeal]:
        self._begun += 1
        if self._begun == self.at_once:
            await self._interrupt()
            self._interrupted.set()
        await self._interrupted.wait()
        return await super().seal(order, files)


async def test_a_seal_that_is_suspended_seals_no_further_file_of_a_lease(shelf: Shelf) -> None:
    """The uses of all files of a lease are begun together, and the files sealed a few at a time."""
    running, services = shelf.running, shelf.running.hub.services
    seal, client = await active_seal(running, replace(ASKED, name="not for long")), await new_client(running)
    await grant(client, seal.id)
    sealer = InterruptedSealer(partial(move_seal, services, CAI, seal.id, SealAct.SUSPEND))
    services = change_services(services, "seal_files", make_sealer=lambda: sealer)
    goes_on = sealer.at_once * MAX_FILES_TOGETHER
    names = [f"f{number}" for number in range(goes_on + 2)]
    job = await shelf.ask(client, to="suspended", seal=seal.name, **{name: pages(name) for name in names})
    with closing(sealer):
        assert not await run_seal_job(services, job, lambda: True)
    items = await client.items(str(job), f"?limit={len(names)}")
    assert [item["state"] for item in items] == ["sealed"] * goes_on + ["failed"] * 2
    assert {(item["fault"], item["detail"]) for item in items[goes_on:]} == {("seal-refused", "suspended")}


async def test_a_result_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"original")
    original = SourceStart(8, hashlib.sha256(b"original").hexdigest())
    (first,) = write_files([NewFile(source, target, original, b" once")])
    assert write_files([NewFile(source, target, original, b" and again")]) == [first]
    assert target.read_bytes() == b"original once"
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target"}


async def test_the_register_names_the_file_that_was_sealed(shelf: Shelf) -> None:
    """The worker dies after it has sealed both, and the objects change. One source is still there, the other is not."""
    client, services = await granted_client(shelf.running), shelf.running.hub.services
    old, new, files = pages("old"), pages("new"), services.seal_files.folder
    job = await shelf.ask(client, to="named", a=old, b=old)
    dying = await shelf.claim(job, 2)
    await seal_chunk(services, dying)
    for name in ("a", "b"):
        (shelf.folder / "in" / name).write_bytes(new)
    files.forget_source(job, 2)
    shelf.running.clock.advance(LEASE)
    assert not await shelf.run(job)
    async with shelf.running.hub.database.transaction(EVERYTHING) as tx:
        lines = await tx.seal_register.get_known([item.use for item in dying.items])
    for item, content in zip(dying.items, (old, new), strict=True):
        assert lines[item.use].document_sha256 == hashlib.sha256(content).hexdigest()
        sealed = (shelf.folder / "named" / item.name).read_bytes()
        assert sealed.startswith(content)
        assert lines[item.use].result_sha256 == hashlib.sha256(sealed).hexdigest()


async def test_a_result_of_a_changed_file_is_not_that_of_another_worker(shelf: Shelf) -> None:
    """A worker past its lease seals the old object after another one has claimed the new one."""
    client, services = await granted_client(shelf.running), shelf.running.hub.services
    old, new = pages("old"), pages("new")
    job = await shelf.ask(client, to="changed", a=old)
    late = await shelf.claim(job, 1)
    await seal_chunk(services, late)
    (item,) = late.items
    (shelf.folder / "in" / "a").write_bytes(new)
    services.seal_files.folder.source(job, 1).write_bytes(new)  # the other worker has fetched it before `late` ended
    shelf.running.clock.advance(LEASE)
    assert not await shelf.run(job)
    async with shelf.running.hub.database.transaction(EVERYTHING) as tx:
        (line,) = (await tx.seal_register.get_known([item.use])).values()
        (row,) = await tx.seal_jobs.list_items(job, None, 0, 9)
    sealed = (shelf.folder / "changed" / item.name).read_bytes()
    assert sealed.startswith(new) and line.result_sha256 == hashlib.sha256(sealed).hexdigest()
    assert line.document_sha256 == row.sha256 == hashlib.sha256(new).hexdigest()


async def test_a_job_that_cannot_be_stopped_keeps_no_other_periodic_task_from_its_work(shelf: Shelf) -> None:
    running, client = shelf.running, await granted_client(shelf.running)
    job = await shelf.ask(client, a=pages("a"))
    running.clock.advance(JOB_DEADLINE + LEASE)
    await tamper(running.hub.database.dsn, BREAK_STOP)
    await running.worker.periodic.reconcile()
    await tamper(running.hub.database.dsn, "DROP FUNCTION refuse CASCADE")
    assert (await client.ask_about(str(job)))["state"] == "running"
    await running.worker.periodic.reconcile()
    assert (await client.ask_about(str(job)))["state"] == "stopped"
