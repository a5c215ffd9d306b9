"""A new channel takes one file and one entry in the configuration, as CONTRIBUTING says. Tested in a copy of the
project."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.store.server.installation import mark
from hub.wiring import utc_now
from tests.checkout import ROOT
from tests.database import Dsns
from tests.running import token_settings

pytestmark = pytest.mark.real

PARTS = ("hub", "channels", "chats", "qianda")
PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from hub.initialise import initialise
from hub.lifecycle.school.import_roster import load_school
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED, Settings
from hub.settings.sections import TokenSettings
from hub.wiring import build
from hub.worker.worker import Worker

async def main():
    assert PACKED == Path.cwd() / "hub", PACKED
    given = json.loads(sys.argv[1])
    token = TokenSettings(**given["token"])
    settings = Settings.load(data=Path("data"), origin="https://sign.example.org", token=token)
    await initialise(settings, given["owner"])
    hub = await build(settings, given["dsn"], demo=False)
    await load_school(hub.database, PACKED / "demo" / "seeds")
    guardian = NewSigner(Role.GUARDIAN, "陈建国", "+8619000000101", "340104198501010019", relation="父亲")
    student = NewStudent("陈小满", "cn-id", "340104201209010016")
    wanted = NewContract("hefei", student, (guardian,), course="math-a")
    contract = await issue(hub.services, EVERYTHING, wanted, "test")
    await Worker(hub).due_steps.sweep()
    async with hub.database.transaction(EVERYTHING) as tx:
        (delivery,) = await tx.deliveries.list_of_contract(contract.id)
        print(json.dumps([delivery.channel, delivery.provider, delivery.state, delivery.provider_reference]))
    await hub.close()

asyncio.run(main())
"""


@dataclass
class PigeonHouse:
    """The provider of the example, with its ledger."""

    letters: list[dict[str, str]] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.add_routes([web.post("/letters", self._take)])
        async with TestServer(app) as server:
            yield f"http://127.0.0.1:{server.port}"

    async def _take(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Grain wheat"
        self.letters.append(await request.json())
        return web.json_response({"ring": f"ring-{len(self.letters)}", "home": False}, status=201)


def block(kind: str, holding: str) -> str:
    """Return the one code block of this kind in CONTRIBUTING that contains `holding`."""
    blocks = re.findall(rf"```{kind}\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    (found,) = [each for each in blocks if holding in each]
    return str(found)


async def test_a_new_channel_is_one_file_and_one_entry(database: Dsns, tmp_path: Path) -> None:
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    house = PigeonHouse()
    async with house.serving() as address:
        (tmp_path / "channels" / "sms_pigeon.py").write_text(block("python", "class Pigeon"), "utf-8")
        entry = block("toml", "[channels.sms_pigeon]").replace("http://127.0.0.1:8081", address)
        (tmp_path / "own.toml").write_text(entry, "utf-8")
        assert await _run(tmp_path, database) == ["sms", "sms_pigeon", "sent", "ring-1"]
    (letter,) = house.letters
    assert letter["to"] == "+8619000000101" and "https://sign.example.org/s/" in letter["text"]


def test_the_example_keeps_the_rules_for_every_channel(tmp_path: Path) -> None:
    for part in (*PARTS, "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "channels" / "sms_pigeon.py").write_text(block("python", "class Pigeon"), "utf-8")
    shutil.copy(Path(__file__).with_name("pigeon_double.py"), tmp_path / "tests/channels/doubles/sms_pigeon.py")
    files = ("tests/channels/test_conformance.py", "tests/channels/test_odd_answers.py")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "sms_pigeon", *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    passed = re.search(r"(\d+) passed", done.stdout)
    assert done.returncode == 0 and passed and int(passed[1]) > 20, done.stdout


async def _run(folder: Path, database: Dsns) -> list[str]:
    await mark(database.owner, "production", utc_now())
    given = {"token": token_settings().model_dump(mode="json"), "dsn": database.app, "owner": database.owner}
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps(given),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        env={
            "PYTHONPATH": str(folder),
            "QIANDA_CONFIG": str(folder / "own.toml"),
            "PATH": "/usr/bin:/bin",
            **_softhsm(),
        },
    )
    output, _ = await asyncio.wait_for(program.communicate(), 60)
    assert program.returncode == 0
    answer: list[str] = json.loads(output.decode().splitlines()[-1])
    return answer


def _softhsm() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("SOFTHSM2")}
