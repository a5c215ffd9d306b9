"""The examples of docs/integration.md, run as they stand there."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio

from bench.programs.ports import free_port
from hub.lifecycle.sealing.jobs.end_seal_jobs import call_due_webhooks
from hub.lifecycle.sealing.jobs.run_seal_job import run_seal_job
from hub.model.sealing.webhook import WebhookAddress, notice_headers
from tests.checkout import ROOT
from tests.judges import program
from tests.lent_hubs import lent_hub
from tests.running import API_KEY, Running, until
from tests.sealing.clients import granted_client
from tests.sealing.parts import pages
from tests.web.signer_visits import NAME, TAIL, code_for

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGE = (ROOT / "docs" / "integration.md").read_text("utf-8")
KEY = b"k" * 32


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


@asynccontextmanager
async def started(folder: Path, hub: str, *words: str) -> AsyncIterator[Process]:
    """Run a program of the page, or its shell commands, in this folder. It is killed at the end, if it still runs."""
    if words[0] == "sh":
        (commands,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        command = [program("bash"), "-euo", "pipefail", "-c", commands]
    else:
        (code,) = re.findall(rf"```python\n(# {re.escape(words[0])}: .*?)```", PAGE, re.DOTALL)
        (folder / words[0]).write_text(code, "utf-8")
        command = [sys.executable, *words]
    known = os.environ | {"HUB": hub, "KEY": API_KEY, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=known, stdin=PIPE, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def printed(folder: Path, hub: str, *words: str) -> str:
    async with started(folder, hub, *words) as process:
        said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


@pytest.mark.real
async def test_a_contract_is_issued_once_listed_signed_and_listed_as_completed(
    running: Running, tmp_path: Path
) -> None:
    issued = re.findall(r'"id":"([^"]*)","number":"([^"]*)"', await printed(tmp_path, running.origin, "sh"))
    assert len(issued) == 2 and len(set(issued)) == 1
    contract, number = issued[0]
    others = [await running.issue_minor() for _ in range(2)]
    listed = await printed(tmp_path, running.origin, "contracts.py", "ISSUED", "1")
    assert re.findall(r"QD-\d{4}-\d{6}", listed) == [*(each.number for each in reversed(others)), number]
    (ticket,) = set(re.findall(r"/s/([0-9A-Z]{13})", await running.message("invitation"), re.IGNORECASE))
    async with started(tmp_path, running.origin, "sign.py", ticket, NAME, TAIL) as signing:
        said, _ = await signing.communicate(f"{await code_for(running)}\nyes\nno\nno\n".encode())
    assert signing.returncode == 0 and re.findall(r"(\S+) SIGNED", said.decode()) == [contract]
    assert (tmp_path / f"{contract}.pdf").read_bytes().startswith(b"%PDF")

    async def completed() -> str:
        return await printed(tmp_path, running.origin, "contracts.py", "COMPLETED", "50")

    assert (await until(completed)).startswith(f"{number} CRM-4711 ")
    await check_files(running, tmp_path, contract, others[0].number)


async def check_files(running: Running, folder: Path, contract: str, another: str) -> None:
    """Run the page's program on the finished files. Compare exit codes and members of reports with the page."""

    async def is_made() -> bool:
        url = f"{running.origin}/api/v1/contracts/{contract}/evidence.zip"
        async with running.http.get(url, headers={"Authorization": f"Bearer {API_KEY}"}) as answer:
            return answer.status == 200

    await until(is_made)
    names, trust = ["final.pdf", "evidence.zip"], running.hub.settings.data / "trust"
    said = await printed(folder, running.origin, "check.py", contract, str(trust))
    assert [line.split()[:3] for line in said.splitlines()] == [[name, "nothing", "failed"] for name in names]
    table = PAGE.partition("| member | is |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line]
    members = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    seen = set[str]()
    for name in names:
        status, report = await verified(folder / name, trust, "--require", "declared")
        assert status == 1 and not report["failed"] and report["lacking"]
        seen |= set(report)
        inner = {*report["contract"], *report.get("elements", ()), *report.get("parties", [{}])[0]}
        assert inner <= set(re.findall(r"`([\w ]+)`", table))
    assert members - seen == {"together_with", "addendum"} and seen <= members
    mistaken = folder / "contract.json"
    mistaken.write_text(json.dumps(json.loads(mistaken.read_bytes()) | {"number": another}))
    assert (await verified(folder / "final.pdf", trust, "--manifest", str(mistaken)))[0] == 1
    status, report = await verified(mistaken, trust)
    assert status == 2 and set(report) == {"file", "readable", "failed", "reason"} and not report["readable"]


async def verified(file: Path, trust: Path, *options: str) -> tuple[int | None, dict[str, Any]]:
    command = [sys.executable, "-m", "qianda", "verify", str(file), "--json", "--trust", str(trust), *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)
    said, _ = await process.communicate()
    return process.returncode, json.loads(said)


async def test_a_webhook_is_taken_once_and_only_if_the_hub_signed_it(tmp_path: Path) -> None:
    secret, port = tmp_path / "registry.whsec", free_port()
    former = base64.b64encode(b"f" * 32).decode()
    secret.write_text(f"whsec_{base64.b64encode(KEY).decode()}\nwhsec_{former}\n")
    address = WebhookAddress("registry", f"http://127.0.0.1:{port}/ended", KEY)
    hook = {"registry": {"url": address.url, "secret_file": str(secret)}}
    seal_files = {"seal_files": {"webhooks": hook, "children": 1}}
    async with (
        lent_hub(with_worker=False, configured=seal_files) as running,
        started(tmp_path, running.origin, "webhook.py", str(port), str(secret)) as receiver,
    ):
        client, services = await granted_client(running), running.hub.services
        _, job = await client.upload({"a.pdf": pages("a")}, "page:1,60,60", webhook="registry")
        await run_seal_job(services, UUID(job["id"]), lambda: True)

        async def post(body: bytes, headers: dict[str, str]) -> int | None:
            try:
                async with running.http.post(address.url, data=body, headers=headers) as answer:
                    return answer.status
            except aiohttp.ClientConnectionError:
                return None

        genuine = notice_headers(address, "another", running.clock(), b'{"data": 1}')
        assert await until(lambda: post(b'{"data": 2}', genuine)) == 401  # waits until the receiver listens
        assert await post(b'{"data": 1}', genuine | {"webhook-timestamp": "1"}) == 401
        assert await post(b'{"data": 1}', {}) == 401
        await call_due_webhooks(services)
        assert [await post(b'{"data": 1}', genuine) for _ in range(2)] == [204, 204]
        by_former = replace(address, key=b"f" * 32)
        assert await post(b"{}", notice_headers(replace(address, key=b"x" * 32), "no", running.clock(), b"{}")) == 401
        assert await post(b'{"data": 2}', notice_headers(by_former, "2", running.clock(), b'{"data": 2}')) == 204
        last = notice_headers(address, "last", running.clock(), b'{"data": 3}')
        assert await post(b'{"data": 3}', last) == 204
        assert receiver.stdout
        lines = [(await receiver.stdout.readline()).decode() for _ in range(4)]
    assert job["id"] in lines[0] and lines[1:] == ["1\n", "2\n", "3\n"]
