"""`qianda seal FILE…` against a running hub."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hub.model.sealing.seal_use import UseOutcome
from hub.model.staff.scope import EVERYTHING
from qianda.seal_client import MAX_FILES, SealOptions, batches, request_key
from tests.commands import run_command
from tests.judges import judge_by_qpdf
from tests.running import Running, running_hub
from tests.sealing.clients import SealClientDouble, configured_seal, granted_client
from tests.sealing.parts import pages
from tests.web.staff_visit import console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_hub(configured={"seal_files": {"children": 1}}) as hub:
        yield hub


async def typed(client: SealClientDouble, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    said = {"QIANDA_SERVER": client.running.origin, "QIANDA_API_KEY": client.secret, "LANG": "C.UTF-8", **more}
    return await asyncio.to_thread(run_command, ["seal", *map(str, words)], os.environ | said)


async def test_seal_files_and_go_on_with_the_same_job(running: Running, tmp_path: Path) -> None:
    client = await granted_client(running, uses=3)
    for name, content in {"a.pdf": pages("seal here"), "b.pdf": pages("x"), "c.pdf": pages("seal here")}.items():
        (tmp_path / name).write_bytes(content)
    files, out = [tmp_path / "a.pdf", tmp_path / "b.pdf", tmp_path / "c.pdf"], tmp_path / "out"
    done = await typed(client, *files, "--keyword", "seal here", "--output", out)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"sealed 2, failed 1: {out}")
    assert f"{files[1]}: The keyword is not in the file." in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["a.pdf", "c.pdf"]
    judge_by_qpdf(out / "a.pdf")
    again = await typed(client, *files, "--keyword", "seal here", "--output", tmp_path / "again", LANG="zh_CN.UTF-8")
    assert again.stdout.splitlines()[-1] == f"已盖章 2，失败 1: {tmp_path / 'again'}"
    assert (tmp_path / "again" / "a.pdf").read_bytes() == (out / "a.pdf").read_bytes()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        grants = await tx.seals.list_grants((await configured_seal(running)).id)
    assert [grant.used for grant in grants if grant.grantee.name == client.name] == [2]
    anew = await typed(client, *files, "--keyword", "seal here", "--output", tmp_path / "anew", "--again")
    assert anew.stdout.splitlines()[-1] == f"sealed 2, failed 1: {tmp_path / 'anew'}"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        lines = await tx.seal_register.list_of_seal((await configured_seal(running)).id)
    about_b = [line for line in lines if line.document_sha256 == hashlib.sha256(files[1].read_bytes()).hexdigest()]
    assert [line.outcome for line in about_b] == [UseOutcome.FAILED, UseOutcome.FAILED]  # and nothing else anew
    assert sum(line.outcome is UseOutcome.SEALED for line in lines if line.asked_by == about_b[0].asked_by) == 2
    seal = f"/staff/seals/{(await configured_seal(running)).id}"
    for page in (seal, f"{seal}/register"):  # the key is named by its name
        shown = await (await console_of(running)).get(page)
        assert f'<td data-label="Asked for by">{client.name}</td>' in shown.text and "api:" not in shown.text


async def test_say_what_is_missing(running: Running, tmp_path: Path) -> None:
    client, file = await granted_client(running), tmp_path / "a.pdf"
    file.write_bytes(pages("a"))
    assert "in one way" in (await typed(client, file)).stderr
    assert "in one way" in (await typed(client, file, "--across", "--field", "x")).stderr
    assert "Name the hub" in (await typed(client, file, "--across", QIANDA_API_KEY="")).stderr
    refused = await typed(client, file, "--across", "--output", tmp_path / "out", QIANDA_API_KEY="no such key")
    assert (refused.returncode, "key" in refused.stderr) == (2, True)
    wrong = await typed(client, file, "--place", "page:0,1,1", "--output", tmp_path / "out")
    assert (wrong.returncode, "place" in wrong.stderr) == (2, True)


async def test_batches_and_keys(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.pdf" for number in range(MAX_FILES + 1)]
    for path in files:
        path.write_bytes(b"x")
    assert [len(some) for some in batches(files)] == [MAX_FILES, 1]
    first, second = SealOptions("across"), SealOptions("across", "lasting")
    assert request_key(files, first) == request_key(files, first) != request_key(files, second)
    assert request_key(files[1:], first) != request_key(files, first)
