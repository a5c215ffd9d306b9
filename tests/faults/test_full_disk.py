"""No space is left for files: every answer says so, nothing is lost or half, and it goes on once there is space."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.doctor import examine
from hub.errors import DiskFull
from hub.lifecycle.messaging.service_alerts import LowDiskAlerts
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.sealing.jobs.run_seal_job import LEASE, run_seal_job
from hub.lifecycle.sealing.jobs.seal_chunk import MAX_TRIES
from hub.measures import REGISTRY
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.sealing.job_files import SealJobFiles
from hub.store.transaction import Database
from tests.changed_services import change_services
from tests.database import Dsns
from tests.lifecycle.clockwork import StandingClock
from tests.lifecycle.signer import completed, contract_now, ready_to_sign
from tests.running import Running, running_hub
from tests.sealing.clients import granted_client
from tests.sealing.parts import pages
from tests.sealing.test_uses_and_leases import Shelf
from tests.web.api.test_api_contracts import asked

pytestmark = pytest.mark.real
SIZE = 8 << 20
# Bytes: the file fits before it is sealed, and not once more with its seal.
ROOM_FOR_SOURCE = 16 << 10


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Yield a folder with a file system of its own, 8 MB large."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-small-"))
    options = f"size={SIZE},mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"this account may mount nothing: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def fill(disk: Path) -> Path:
    """Fill the disk. Return the file that fills it."""
    ballast = disk / "ballast"
    full = pytest.raises(OSError, match="No space left")
    with Path("/dev/zero").open("rb") as zeros, ballast.open("wb", buffering=0) as file, full:
        shutil.copyfileobj(zeros, file, 4096)
    return ballast


async def test_a_full_disk_loses_nothing_and_says_what_it_is(small_disk: Path) -> None:
    clock = StandingClock()
    async with running_hub(clock=clock, with_worker=False, configured={"files": str(small_disk)}) as running:
        contract = await running.issue_minor()
        signer = await ready_to_sign(running, contract)
        request = await signer.prepare()
        ballast = fill(small_disk)

        (found,) = [each for each in await examine(running.hub) if each.part == "disk"]
        assert not found.well and f"GB ({small_disk}): make space" in found.words
        await signer.accept(request)  # the signature itself is in the database
        await advance(running.hub.services, contract.id)
        assert (await contract_now(running, contract)).stuck_reason == "disk-full"
        status, problem = await issue_as_another_system(running)
        assert (status, problem["code"], problem["retry"]) == (503, "disk-full", True)
        assert not list(small_disk.glob("*/.*"))  # nothing half-written

        ballast.unlink()
        assert await completed(running, contract)
        assert (await issue_as_another_system(running))[0] == 201


async def test_files_of_a_seal_job_wait_for_space(small_disk: Path, tmp_path: Path) -> None:
    stores = {"shelf": {"url": tmp_path.as_uri(), "clients": [f"registry-{number}" for number in range(100)]}}
    configured = {"seal_files": {"stores": stores, "children": 1}}
    clock = StandingClock()
    async with running_hub(clock=clock, with_worker=False, configured=configured) as running:
        shelf, client = Shelf(running, tmp_path), await granted_client(running)
        job = await shelf.ask(client, a=pages("a"))
        services = change_services(running.hub.services, "seal_files", folder=SealJobFiles(small_disk))
        ballast = fill(small_disk)
        os.truncate(ballast, ballast.stat().st_size - ROOM_FOR_SOURCE)
        for _ in range(MAX_TRIES + 1):
            with pytest.raises(DiskFull):
                await run_seal_job(services, job, lambda: True)
            clock.advance(LEASE)
        ballast.unlink()
        assert not await run_seal_job(services, job, lambda: True)
        assert [item["state"] for item in await client.items(str(job))] == ["sealed"]


async def test_staff_hear_of_it_once_until_it_is_over(small_disk: Path, database: Dsns) -> None:
    clock = StandingClock()
    store = Database(database.app, Keys.derived_from(bytes(32)), clock)
    alerts = LowDiskAlerts(store, [small_disk])

    async def told_an_hour_later() -> int:
        clock.advance(timedelta(hours=1))
        await alerts.look()
        async with store.transaction(EVERYTHING) as tx:
            return [each.kind for each in await tx.alerts.list_recent(EVERYTHING, tx.now)].count("disk-low")

    assert await told_an_hour_later() == 0
    ballast = fill(small_disk)
    assert [await told_an_hour_later() for _ in range(3)] == [1, 1, 1]
    trouble = {"kind": "disk-low", "service": f"{socket.gethostname()}:{small_disk}"}
    assert REGISTRY.get_sample_value("qianda_service_trouble_total", trouble) == 3  # deploy/monitoring/rules.yaml
    ballast.unlink()
    assert await told_an_hour_later() == 1
    fill(small_disk)
    assert await told_an_hour_later() == 2
    await store.close()


async def issue_as_another_system(running: Running) -> tuple[int, dict[str, Any]]:
    url, key = f"{running.origin}/api/v1/contracts", {"Authorization": f"Bearer {running.api_key}"}
    async with running.http.post(url, json=asked("+8619000000107"), headers=key) as answer:
        return answer.status, await answer.json(content_type=None)
