"""The end of a job is told to its webhook, again until it is taken, and signed as Standard Webhooks say."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.lifecycle.sealing.jobs.end_seal_jobs import TRIES_BEFORE_ALERT, call_due_webhooks, delete_old_seal_files
from hub.lifecycle.sealing.jobs.run_seal_job import run_seal_job
from hub.model.sealing.seal_job import JOB_RETENTION, RESULT_RETENTION
from hub.model.sealing.webhook import RETRIES, next_try, read_webhook_key
from hub.model.staff.scope import EVERYTHING
from tests.changed_services import change_services
from tests.running import Running, running_hub
from tests.sealing.clients import granted_client
from tests.sealing.parts import pages

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = b"k" * 32


@dataclass
class Receiver:
    """A server of the other system. `answers`: the statuses of the next calls; then 204. `led`: calls of the address to
    which all its answers lead."""

    url: str = ""
    led: int = 0
    answers: list[int] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        said = {name: request.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")}
        signed = hmac.digest(KEY, f"{said['id']}.{said['timestamp']}.".encode() + body, "sha256")
        assert said["signature"] == f"v1,{base64.b64encode(signed).decode()}"
        self.calls.append(said | {"body": body.decode()})
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async def lead(self, request: web.Request) -> web.Response:
        self.led += 1
        return web.Response(status=204)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/ended", found.handle)
    app.router.add_route("*", "/elsewhere", found.lead)
    async with TestServer(app) as server:
        found.url = f"http://127.0.0.1:{server.port}/ended"
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    secret = tmp_path_factory.mktemp("secret") / "webhook"
    secret.write_text(f"whsec_{base64.b64encode(KEY).decode()}\n")
    hook = {"registry": {"url": receiver.url, "secret_file": str(secret)}}
    async with running_hub(with_worker=False, configured={"seal_files": {"webhooks": hook, "children": 1}}) as hub:
        yield hub


async def test_told_until_it_is_taken(running: Running, receiver: Receiver) -> None:
    client, services = await granted_client(running), running.hub.services
    receiver.answers = [500, 302]
    _, job = await client.upload({"a.pdf": pages("a")}, "page:1,60,60", webhook="registry")
    await call_due_webhooks(services)
    assert receiver.calls == []  # it has not ended
    await run_seal_job(services, UUID(job["id"]), lambda: True)
    second = timedelta(seconds=1)
    for calls, pause in ((1, 0 * second), (1, second), (2, RETRIES[0]), (3, RETRIES[1]), (3, RETRIES[2])):
        running.clock.advance(pause)
        await call_due_webhooks(services)
        assert len(receiver.calls) == calls
    assert len({call["id"] for call in receiver.calls}) == 1 and receiver.led == 0
    told = json.loads(receiver.calls[-1]["body"])
    assert told["type"] == "seal-job.ended"
    assert (told["data"]["job"], told["data"]["sealed"], told["data"]["state"]) == (job["id"], 1, "done")


async def test_a_webhook_that_was_taken_out_of_the_configuration_is_given_up(
    running: Running, receiver: Receiver
) -> None:
    client, services = await granted_client(running), running.hub.services
    _, job = await client.upload({"a.pdf": pages("a")}, "page:1,60,60", webhook="registry")
    await run_seal_job(services, UUID(job["id"]), lambda: True)
    before = len(receiver.calls)
    await call_due_webhooks(change_services(services, "seal_files", webhooks={}))
    running.clock.advance(max(RETRIES))
    await call_due_webhooks(services)
    assert len(receiver.calls) == before


async def test_staff_are_alerted_once_a_receiver_is_away_for_long(running: Running, receiver: Receiver) -> None:
    async def alerts() -> list[str]:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            return [each.kind for each in await tx.alerts.list_recent(EVERYTHING, tx.now)]

    client, services = await granted_client(running), running.hub.services
    receiver.answers, started = [503] * (len(RETRIES) + 1), running.clock.offset
    _, job = await client.upload({"a.pdf": pages("a")}, "page:1,60,60", webhook="registry")
    await run_seal_job(services, UUID(job["id"]), lambda: True)
    for pause in (timedelta(), *RETRIES[: TRIES_BEFORE_ALERT - 1]):
        running.clock.advance(pause)
        await call_due_webhooks(services)
    assert "webhook-away" not in await alerts()
    for pause in RETRIES[TRIES_BEFORE_ALERT - 1 :]:
        running.clock.advance(pause)
        await call_due_webhooks(services)
        assert "webhook-away" in await alerts()
    assert receiver.answers == []
    before = len(receiver.calls)
    running.clock.advance(timedelta(days=3))
    await call_due_webhooks(services)
    assert len(receiver.calls) == before  # it was given up: the other system asks for the job
    assert json.loads((await client.get(job["id"]))[1])["state"] == "done"
    running.clock.offset = started


async def test_upkeep_waits_for_no_receiver(running: Running, receiver: Receiver) -> None:
    client, periodic = await granted_client(running), running.worker.periodic
    _, job = await client.upload({"a.pdf": pages("a")}, "page:1,60,60", webhook="registry")
    await run_seal_job(running.hub.services, UUID(job["id"]), lambda: True)
    before = len(receiver.calls)
    await periodic.upkeep()
    assert len(receiver.calls) == before
    await periodic.call_webhooks()
    assert len(receiver.calls) == before + 1


async def test_files_are_deleted_after_their_time(running: Running) -> None:
    client, services = await granted_client(running), running.hub.services
    _, job = await client.upload({"a.pdf": pages("a")}, "page:1,60,60")
    await run_seal_job(services, UUID(job["id"]), lambda: True)
    abandoned: Path = services.seal_files.folder.new_upload(UUID(int=1))
    # A process that is killed after it took the files over, before its commit, leaves a folder without a job.
    services.seal_files.folder.take_over(UUID(int=2), services.seal_files.folder.new_upload(UUID(int=3)))
    uncommitted = services.seal_files.folder.folder / str(UUID(int=2))
    await delete_old_seal_files(services)
    assert (await client.get(f"{job['id']}/items/1/file"))[0] == 200 and uncommitted.exists()
    running.clock.advance(RESULT_RETENTION + timedelta(minutes=1))
    await delete_old_seal_files(services)
    assert (await client.get(f"{job['id']}/items/1/file"))[0] == 409
    assert not (services.seal_files.folder.folder / job["id"]).exists()
    assert not abandoned.exists() and not uncommitted.exists()
    (item,) = await client.items(job["id"])
    assert item["sha256"]
    running.clock.advance(JOB_RETENTION)
    await delete_old_seal_files(services)
    assert (await client.get(job["id"]))[0] == 404


async def test_keys_and_retries(running: Running) -> None:
    now = running.clock()
    assert [next_try(number, now) for number in (1, len(RETRIES) + 1)] == [now + RETRIES[0], None]
    for text in ("", "abc", "whsec_$$", "whsec_" + base64.b64encode(b"short").decode()):
        with pytest.raises(ValueError, match=r"seal_files\.webhooks"):
            read_webhook_key(text)
