"""A worker is killed while it seals: the next one goes on, each file is sealed once, and each use counted once."""

from __future__ import annotations

import asyncio
import errno
import pickle
import sys
import time
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from hub.errors import DiskFull
from hub.lifecycle.sealing.jobs.end_seal_jobs import stop_overdue_jobs
from hub.lifecycle.sealing.jobs.run_seal_job import LEASE, REST, run_seal_job
from hub.lifecycle.sealing.jobs.seal_chunk import MAX_TRIES, Chunk, seal_chunk
from hub.lifecycle.sealing.seals.use_seal import begin_seal_uses, end_seal_uses
from hub.model.sealing.seal_grant import Grantee, GranteeKind
from hub.model.sealing.seal_job import JOB_DEADLINE, PROGRESS_WINDOW, ItemOutcome, SealItemState
from hub.model.sealing.seal_use import DocumentToSeal, EndedUse, SealAsk, UseOutcome
from hub.model.staff.scope import EVERYTHING
from hub.store.sealing.job_files import SealJobFiles
from tests.changed_services import change_services
from tests.checkout import ROOT
from tests.running import Running, running_hub
from tests.sealing.clients import configured_seal, granted_client
from tests.sealing.parts import pages
from tests.store.power_cut import forgetful_disk

pytestmark = pytest.mark.asyncio(loop_scope="module")
FILES = 45
WORKER = """
import asyncio, pickle, sys
from hub.lifecycle.sealing.jobs.run_seal_job import run_seal_job
from hub.wiring import build

async def main():
    settings, dsn, job = pickle.loads(bytes.fromhex(sys.argv[1]))
    hub = await build(settings, dsn, demo=True)
    await run_seal_job(hub.services, job, lambda: True)

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_hub(with_worker=False, configured={"seal_files": {"children": 1}}) as hub:
        yield hub


@pytest.mark.real
async def test_a_worker_is_killed_in_the_middle(running: Running) -> None:
    """The first worker is a process of its own, which is killed as soon as some results lie there."""
    client = await granted_client(running, uses=FILES)
    _, job = await client.upload({f"{number}.pdf": pages("a") for number in range(FILES)}, "page:1,60,60")
    files = running.hub.services.seal_files.folder
    known = pickle.dumps((running.hub.settings, running.hub.database.dsn, UUID(job["id"])))
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, known.hex(), cwd=ROOT)

    def results() -> list[Path]:
        return list(files.folder.glob(f"{job['id']}/out/*/[0-9]*"))

    def kill_in_the_middle() -> None:
        while len(results()) < 3 and killed.returncode is None:
            time.sleep(0.001)
        killed.kill()

    await asyncio.to_thread(kill_in_the_middle)
    await killed.wait()
    before = {path: path.read_bytes() for path in results()}
    assert len(before) < FILES
    for path in before:  # so that nobody can seal it again
        files.forget_source(UUID(job["id"]), int(path.name))
    assert (await client.ask_about(job["id"]))["left"] == FILES
    running.clock.advance(timedelta(minutes=2))  # its lease ends
    assert not await run_seal_job(running.hub.services, UUID(job["id"]), lambda: True)
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (FILES, 0)
    assert {path: path.read_bytes() for path in before} == before
    async with running.hub.database.transaction(EVERYTHING) as tx:
        seal = (await configured_seal(running)).id
        register = await tx.seal_register.list_of_seal(seal)
        lines = [line for line in register if line.about.startswith(f"seal-job:{job['id']}/")]
        grants = [grant for grant in await tx.seals.list_grants(seal) if grant.grantee.name == client.name]
    assert [line.outcome for line in lines] == [UseOutcome.SEALED] * FILES
    assert [grant.used for grant in grants] == [FILES]


class FullAtTheSync(SealJobFiles):
    """Files on a file system that says at the first fsync that nothing fits, and at the next one nothing, as Linux
    does."""

    syncs = 0

    def sync_results(self, job: UUID, numbers: Iterable[int]) -> None:
        self.syncs += 1
        if self.syncs == 1:
            raise OSError(errno.ENOSPC, f"no space for {list(numbers)} of {job}")


async def test_a_disk_that_is_full_when_results_are_synced_counts_as_no_try(running: Running) -> None:
    client = await granted_client(running)
    _, asked = await client.upload({"a.pdf": pages("a")}, "page:1,60,60")
    services, job = running.hub.services, UUID(asked["id"])
    for _ in range(MAX_TRIES + 1):
        full = change_services(services, "seal_files", folder=FullAtTheSync(services.seal_files.folder.folder))
        with pytest.raises(DiskFull):
            await run_seal_job(full, job, lambda: True)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert not await tx.seal_jobs.claim(job, 1, tx.now, tx.now + LEASE)
        running.clock.advance(REST)
    assert not await run_seal_job(services, job, lambda: True)
    assert [item["state"] for item in await client.items(str(job))] == ["sealed"]


async def test_a_job_that_does_not_end_in_a_day_is_stopped(running: Running) -> None:
    """It no longer counts among the open ones of its client, and gives back the use that it has begun."""
    client = await granted_client(running, uses=2)
    _, asked = await client.upload({"a.pdf": pages("a"), "b.pdf": pages("b")}, "page:1,60,60")
    services, job = running.hub.services, UUID(asked["id"])
    seal = (await configured_seal(running)).id
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (item,) = await tx.seal_jobs.claim(job, 1, tx.now, tx.now + LEASE)
        ask = SealAsk(seal, frozenset({Grantee(GranteeKind.CLIENT, client.name)}), "api:x", "hefei")
        await begin_seal_uses(tx, ask, [DocumentToSeal(item.use, item.sha256, "seal-job")])
    running.clock.advance(JOB_DEADLINE - timedelta(minutes=1))
    await stop_overdue_jobs(services)
    assert (await client.ask_about(asked["id"]))["state"] == "running"
    running.clock.advance(timedelta(minutes=2))
    await stop_overdue_jobs(services)
    ended = await client.ask_about(asked["id"])
    assert (ended["state"], ended["reason"], ended["left"]) == ("stopped", "not-ended-in-a-day", 2)
    assert not await run_seal_job(services, job, lambda: True)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (grant,) = [each for each in await tx.seals.list_grants(seal) if each.grantee.name == client.name]
        (line,) = (await tx.seal_register.get_known([item.use])).values()
        assert (grant.used, line.outcome, line.reason) == (0, UseOutcome.FAILED, "job-stopped")
        assert all(each.state is SealItemState.WAITING for each in await tx.seal_jobs.list_items(job, None, 0, 9))


async def test_what_a_row_names_survives_a_power_cut(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploaded files once the job is there, and results once they count as sealed."""
    client = await granted_client(running)
    source = pages("a")  # drawn once: its /ID holds the time
    with forgetful_disk(running.hub.services.seal_files.folder.folder, monkeypatch) as disk:
        _, asked = await client.upload({"a.pdf": source}, "page:1,60,60")
        assert disk.after_power_cut()[f"{asked['id']}/in/0000/1"] == source
        await run_seal_job(running.hub.services, UUID(asked["id"]), lambda: True)
        assert (await client.ended(asked["id"]))["sealed"] == 1
        left = disk.after_power_cut()[f"{asked['id']}/out/0000/1"]
    assert left == (await client.get(f"{asked['id']}/items/1/file"))[1]


async def test_a_job_in_work_is_not_stopped_and_nothing_is_sealed_afterwards(running: Running) -> None:
    """A worker with a live lease keeps its job. One whose lease ended before the stop neither begins nor ends a use."""
    client = await granted_client(running, uses=2)
    _, asked = await client.upload({"a.pdf": pages("a"), "b.pdf": pages("b")}, "page:1,60,60")
    services, job = running.hub.services, UUID(asked["id"])
    running.clock.advance(JOB_DEADLINE + timedelta(minutes=1))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        held = tx.now + LEASE
        items = await tx.seal_jobs.claim(job, 2, tx.now, held)
        late = Chunk(await tx.seal_jobs.get(job), await configured_seal(running), items, held)
    await stop_overdue_jobs(services)
    assert (await client.ask_about(asked["id"]))["state"] == "running"
    running.clock.advance(LEASE)
    await stop_overdue_jobs(services)
    assert (await client.ask_about(asked["id"]))["state"] == "stopped"
    await seal_chunk(services, late)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.seal_register.get_known([item.use for item in items]) == {}
        assert not late.outcomes and not services.seal_files.folder.result(items[0]).exists()
        outcomes = [ItemOutcome(item, "0" * 64, 1) for item in items]
        assert await tx.seal_jobs.end_items(job, held, outcomes, tx.now) == set()
        assert await tx.seal_jobs.claim(job, 2, tx.now, tx.now + LEASE) == []


async def test_a_job_that_is_only_slow_is_not_stopped(running: Running) -> None:
    """As long as one of its files was sealed within the last hour."""
    client = await granted_client(running)
    _, asked = await client.upload({"a.pdf": pages("a"), "b.pdf": pages("b")}, "page:1,60,60")
    services, job = running.hub.services, UUID(asked["id"])
    running.clock.advance(JOB_DEADLINE)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        held = tx.now + LEASE
        items = await tx.seal_jobs.claim(job, 1, tx.now, held)
        chunk = Chunk(await tx.seal_jobs.get(job), await configured_seal(running), items, held)
    await seal_chunk(services, chunk)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.seal_jobs.end_items(job, held, list(chunk.outcomes.values()), tx.now)
        await end_seal_uses(tx, [EndedUse(items[0].use, chunk.outcomes[1].result_sha256)])
    running.clock.advance(PROGRESS_WINDOW - timedelta(minutes=1))
    await stop_overdue_jobs(services)
    assert (await client.ask_about(asked["id"]))["state"] == "running"
    running.clock.advance(timedelta(minutes=1))
    await stop_overdue_jobs(services)
    ended = await client.ask_about(asked["id"])
    assert (ended["state"], ended["sealed"], ended["left"]) == ("stopped", 1, 1)


async def test_whoever_lost_the_lease_writes_nothing(running: Running) -> None:
    client = await granted_client(running)
    _, asked = await client.upload({"a.pdf": pages("a"), "b.pdf": pages("b")}, "page:1,60,60")
    job, held = UUID(asked["id"]), running.clock() + LEASE
    async with running.hub.database.transaction(EVERYTHING) as tx:
        mine = await tx.seal_jobs.claim(job, 10, tx.now, held)
        assert [item.number for item in mine] == [1, 2]
        assert await tx.seal_jobs.claim(job, 10, tx.now, held) == []
        await tx.seal_jobs.renew(job, held, held + LEASE)
        assert await tx.seal_jobs.claim(job, 10, held, held + 3 * LEASE) == []
        theirs = await tx.seal_jobs.claim(job, 1, held + LEASE, held + 2 * LEASE)
        outcomes = [ItemOutcome(item, "0" * 64, 1) for item in mine]
        assert await tx.seal_jobs.end_items(job, held + LEASE, outcomes, tx.now) == {2}
        assert await tx.seal_jobs.end_items(job, held + LEASE, outcomes, tx.now) == set()
        await tx.seal_jobs.release(job, held + 2 * LEASE, tx.now)
        (again,) = await tx.seal_jobs.claim(job, 10, tx.now, held)
        assert (again.number, again.tries, theirs[0].tries) == (1, 2, 2)
        assert (await tx.seal_jobs.get(job)).left == 1
