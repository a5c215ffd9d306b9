"""Files that the database names are still there after a power cut: a file and its name are forced to disk before the
transaction that names it commits."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.errors import DiskFull, UnreadableFile
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.files.content_addressed import Files
from hub.store.kernel.opening import Opening
from hub.store.transaction import Transaction
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.signer import completed, signed
from tests.running import Running
from tests.store.power_cut import ForgetfulDisk, forgetful_disk, put_back

NAMED = text("""
SELECT document FROM contract WHERE document IS NOT NULL
UNION SELECT file FROM document_version WHERE file IS NOT NULL
UNION SELECT prepared FROM signature_request WHERE state IN ('PREPARED', 'ACCEPTED')
""")
CALLS = "openat,write,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat"
PUT = """
import asyncio, os, sys
from pathlib import Path
from hub.store.files.content_addressed import Files
files = Files.at(sys.argv[1])
name = asyncio.run(files.put(b"content"))
os.write(1, b"COMMIT")
"""


async def test_at_every_commit_each_file_that_a_row_names_would_survive_a_power_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with quiet_hub() as running:
        with forgetful_disk(running.hub.settings.data / "files", monkeypatch) as disk:
            seen = _cut_at_every_commit(running, disk)
            contract = await running.issue_minor()
            await signed(running, contract)
            final = await completed(running, contract)
            left = disk.after_power_cut()
        assert len(seen) > 5
        assert [each for each in seen if each] == []
        put_back(tmp_path, left)
        after = Files.at(str(tmp_path))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            row = await tx.contracts.get(contract.id)
        assert row.state == "COMPLETED" and await after.get(str(row.document)) == final


def _cut_at_every_commit(running: Running, disk: ForgetfulDisk) -> list[set[str]]:
    """Return a list that grows: the files that would be missing or wrong if the power failed right after each
    commit."""
    database, missing = running.hub.database, list[set[str]]()
    original = database.transaction

    @asynccontextmanager
    async def transaction(scope: Scope, opening: Opening | None = None) -> AsyncIterator[Transaction]:
        async with original(scope, opening) as opened:
            yield opened
            if opening is not None and opening.is_all:
                return  # it only reads
            named = set(await opened.connection.scalars(NAMED))
            left = {hashlib.sha256(content).hexdigest() for content in disk.after_power_cut().values()}
            missing.append(named - left)

    object.__setattr__(database, "transaction", transaction)
    return missing


async def test_a_folder_that_a_file_is_the_first_in_survives_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with forgetful_disk(tmp_path, monkeypatch) as disk:
        name = await Files.at(str(tmp_path / "new" / "files")).put(b"content")
        assert disk.after_power_cut() == {f"new/files/{name[:2]}/{name}": b"content"}


async def test_a_folder_that_another_process_has_just_made_is_not_taken_for_durable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = hashlib.sha256(b"content").hexdigest()
    (tmp_path / name[:2]).mkdir()
    with forgetful_disk(tmp_path, monkeypatch) as disk:
        await Files.at(str(tmp_path)).put(b"content")
        assert disk.after_power_cut() == {f"{name[:2]}/{name}": b"content"}


async def test_an_empty_file_that_a_power_cut_left_is_written_anew(tmp_path: Path) -> None:
    files = Files.at(f"file://{tmp_path}/files")
    name = await files.put(b"content")
    (tmp_path / "files" / name[:2] / name).write_bytes(b"")
    with pytest.raises(UnreadableFile):
        await files.get(name)
    assert await files.put(b"content") == name
    assert await files.get(name) == b"content"


async def test_nothing_is_left_of_a_write_that_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = Files.at(str(tmp_path))
    monkeypatch.setattr(Path, "replace", _full)
    with pytest.raises(DiskFull):
        await files.put(b"content")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def _full(*_: object) -> None:
    raise OSError(28, "no space left on device")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_system_is_asked_in_this_order(tmp_path: Path) -> None:
    """First the content is forced, then its name, then the folder's name; only after that anything else happens."""
    trace = tmp_path / "trace"
    asked = [sys.executable, "-c", PUT, str(tmp_path / "files")]
    subprocess.run(["strace", "-f", "-y", "-e", f"trace={CALLS}", "-o", str(trace), *asked], check=True, timeout=120)
    name = hashlib.sha256(b"content").hexdigest()
    folder = re.escape(f"{tmp_path}/files/{name[:2]}")
    order = [
        rf'mkdir\w*\(.*"{re.escape(str(tmp_path))}/files"',
        rf"fsync\(\d+<{re.escape(str(tmp_path))}>\)",
        rf'mkdir\w*\(.*"{folder}"',
        rf"fsync\(\d+<{re.escape(str(tmp_path))}/files>\)",
        rf'write\(\d+<{folder}/\.{name}\.\w+>, "content"',
        rf"fsync\(\d+<{folder}/\.{name}\.\w+>\)",
        rf'rename\w*\(.*"{folder}/\.{name}\.\w+".*"{folder}/{name}"',
        rf"fsync\(\d+<{folder}>\)",
        r'write\(1<.*"COMMIT"',
    ]
    lines = trace.read_text().splitlines()
    found = [next((place for place, line in enumerate(lines) if re.search(each, line)), -1) for each in order]
    assert -1 not in found, (order[found.index(-1)], lines[-40:])
    assert found == sorted(found)
