"""The machine burns down: one file brings the hub up elsewhere, nobody hears from it twice, and it goes on."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import aiohttp
import pytest

from bench.programs.ports import free_port
from hub.documents.toml_text import write_toml
from hub.store.server.embedded import EmbeddedPostgres
from qianda.client import SigningClient
from tests.channels.doubles.sms_twilio import Double
from tests.database import scratch_folder
from tests.processes import programs
from tests.processes.programs import Program
from tests.running import ONE_TIME_CODE, until
from tests.school_toml import SCHOOL
from tests.server_postgres import server_postgres

pytestmark = pytest.mark.real
# Seconds in which two processes start on a busy machine.
READY_TIMEOUT = 180
PASSPHRASE = "an owl in the belfry"
PHONES = [f"+8525100010{number}" for number in range(4)]


@dataclass
class Hub:
    """A hub as an operator has it: a data folder, settings, and the provider of SMS."""

    data: Path
    port: int
    sms: Double
    http: aiohttp.ClientSession
    variables: Mapping[str, str] = field(default_factory=dict)
    owner: Mapping[str, str] = field(default_factory=dict)
    key: str = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self, *words: str, passphrase: str = PASSPHRASE) -> CompletedProcess[str]:
        more = {"QIANDA_PORT": str(self.port), "QIANDA_BACKUP_PASSPHRASE": passphrase, **self.variables, **self.owner}
        return await asyncio.to_thread(programs.run, self.data, *words, **more)

    async def said(self, *words: str) -> str:
        done = await self.run(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        variables = {"QIANDA_PORT": str(self.port), **self.variables}
        started = [Program(self.data, command, variables=variables) for command in ("serve", "work")]
        try:
            await until(self._is_ready, READY_TIMEOUT)
            yield
        finally:
            for each in started:
                await asyncio.to_thread(each.clear)

    async def _is_ready(self) -> bool:
        try:
            async with self.http.get(f"{self.origin}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectorError:
            return False

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.origin}/api/v1{path}"
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json() if "json" in answer.content_type else await answer.read()

    async def issue(self, phone: str) -> str:
        """Issue a contract, and wait until its guardian, another person for each phone, was invited. Return its id."""
        guardian = {"role": "guardian", "name": "陈建国", "phone": phone, "id_type": "passport"}
        guardian["id_number"] = f"E{phone[-8:]}"
        student = {"name": "陈小满", "id_type": "cn-id", "id_number": "340104201209010016"}
        wanted = {
            "campus": "east",
            "course": "drawing",
            "student": student,
            "signers": [guardian | {"relation": "父亲"}],
        }
        contract = str((await self.api("POST", "/contracts", wanted))["id"])
        await self.message(phone, r"/s/([0-9A-Z]{13})")
        return contract

    async def message(self, phone: str, pattern: str) -> str:
        """Return what matches in the newest message to this phone, waited for."""

        async def look() -> str | None:
            found = [re.search(pattern, each.text) for each in self.sms.accepted if each.to == phone]
            return next((match[1] for match in reversed(found) if match), None)

        return await until(look)

    async def sign(self, phone: str, contract: str) -> None:
        """Sign with the link that was sent, and wait for the completed file."""
        ticket = await self.message(phone, r"/s/([0-9A-Z]{13})")
        codes = len(self.codes(phone))
        async with SigningClient(self.origin) as client:
            await client.open(ticket)
            await client.code()

            async def arrived() -> str | None:
                return self.codes(phone)[-1] if len(self.codes(phone)) > codes else None

            await client.verify(await until(arrived), "陈建国", phone[-4:])
            await client.sign()

        async def completed() -> bool:
            return bool((await self.api("GET", f"/contracts/{contract}"))["state"] == "COMPLETED")

        await until(completed)

    def codes(self, phone: str) -> list[str]:
        found = [ONE_TIME_CODE.search(each.text) for each in self.sms.accepted if each.to == phone]
        return [match[1] for match in found if match]

    def others(self, phone: str) -> list[str]:
        """Return the messages to this phone that carry no code."""
        return [each.text for each in self.sms.accepted if each.to == phone and not ONE_TIME_CODE.search(each.text)]


async def set_up(hub: Hub, folder: Path) -> None:
    configuration = {"channels": {"sms_twilio": dict(hub.sms.options())}, "budgets": {"countries": ["+852"]}}
    head = f'origin = "{hub.origin}"\n{SCHOOL}\n'
    staff = {"login": "office", "name": "周示范"}
    file = folder / "school.toml"
    file.write_text(head + write_toml({"staff": staff, "configuration": configuration}), "utf-8")
    await hub.said("init", "--from", str(file))
    hub.key = (await hub.said("key", "add", "crm")).splitlines()[-1]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def hub(stack: AsyncExitStack) -> Hub:
    folder = Path(tempfile.mkdtemp(prefix="qianda-burns-", dir=scratch_folder()))
    folder.chmod(0o755)
    stack.callback(shutil.rmtree, folder)
    sms = Double(deliver=True)
    await stack.enter_async_context(sms.serving())
    http = await stack.enter_async_context(aiohttp.ClientSession())
    return Hub(folder / "first" / "data", free_port(), sms, http)


def burn(data: Path) -> None:
    EmbeddedPostgres(data / "database").start().stop(remove=True)
    shutil.rmtree(data)


@pytest.mark.parametrize("where", ["embedded", "server"])
async def test_after_a_fire_the_hub_goes_on_elsewhere(hub: Hub, stack: AsyncExitStack, where: str) -> None:
    folder = hub.data.parents[1]
    backup = folder / "qianda.backup"
    await set_up(hub, folder)
    finished_phone, waiting_phone, voided_phone, new_phone = PHONES
    async with hub.at_work():
        finished, waiting, voided = [await hub.issue(phone) for phone in PHONES[:3]]
        await hub.sign(finished_phone, finished)
        await hub.api("POST", f"/contracts/{voided}/void", {"reason": "moved away"})
        said = await hub.said("backup", str(backup))
        assert "Backed up" in said and backup.stat().st_mode & 0o777 == 0o600
        again = await hub.run("backup", str(backup))
        assert again.returncode == 2 and "exists already" in again.stderr
        final = await hub.api("GET", f"/contracts/{finished}/final.pdf")
    burn(hub.data)
    before = {phone: hub.others(phone) for phone in PHONES}

    hub.data = folder / "second" / "data"
    if where == "server":
        server = await stack.enter_async_context(server_postgres())
        hub.variables = server.variables(as_owner=False)
        hub.owner = server.variables(as_owner=True)
    wrong = await hub.run("restore", str(backup), passphrase="an owl in the chimney")
    assert wrong.returncode == 2 and "wrong passphrase" in wrong.stderr and not hub.data.exists()
    assert "Sending is paused" in await hub.said("restore", str(backup))
    if where == "embedded":
        stack.callback(burn, hub.data)
    refused = await hub.run("restore", str(backup))
    assert refused.returncode == 2 and "not empty" in refused.stderr
    hub.owner = {}
    checked = await hub.said("doctor", "--records", "--files")
    assert "PAUSED since" in checked and "BAD" not in checked

    async with hub.at_work():
        assert await hub.api("GET", f"/contracts/{finished}/final.pdf") == final
        assert (await hub.api("GET", f"/contracts/{voided}"))["state"] == "VOIDED"
        await hub.sign(waiting_phone, waiting)
        assert {phone: hub.others(phone) for phone in PHONES} == before
        await hub.said("resume")
        fresh = await hub.issue(new_phone)
        await hub.sign(new_phone, fresh)

        async def told() -> bool:
            return len(hub.others(new_phone)) == len(hub.others(waiting_phone)) == len(hub.others(finished_phone)) == 2

        await until(told, 120)  # news that waited for the end of the pause is looked at once a minute
    assert hub.others(finished_phone) == before[finished_phone] and hub.others(voided_phone) == before[voided_phone]
    keys = [each.key for each in hub.sms.accepted if each.key]
    assert len(keys) == len(set(keys))
    assert "restored from a backup, sending paused" in await hub.said("school", "record")
