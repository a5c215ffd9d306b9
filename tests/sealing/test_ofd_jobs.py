"""OFD files of another system are sealed with SM2: judged by our verifier, whose judges are in tests/ofd."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hub.errors import BadInput, TokenUnavailable
from hub.seal_ofd import KEY, ROOT, load_ofd_seal, make_trial_seal
from qianda.verify import verify_bytes
from qianda.verify.trust import Trust
from tests.ofd.plain import plain_ofd
from tests.running import Running, running_hub
from tests.sealing.clients import granted_client
from tests.sealing.parts import pages
from tests.signing_parts import ORGANISATION, utc_now

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASSPHRASE = "a passphrase of the test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ofd") / "seal"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(folder: Path) -> AsyncIterator[Running]:
    (folder.parent / "passphrase").write_text(f"{PASSPHRASE}\n")
    await make_trial_seal(folder, PASSPHRASE.encode(), ORGANISATION, utc_now)
    ofd = {"ofd": str(folder), "ofd_passphrase_file": str(folder.parent / "passphrase"), "children": 1}
    async with running_hub(configured={"seal_files": ofd}) as hub:
        yield hub


async def test_pdf_and_ofd_in_one_job(running: Running, folder: Path) -> None:
    client = await granted_client(running)
    files = {"a.ofd": plain_ofd(), "b.pdf": pages("a"), "broken.ofd": plain_ofd()[:900]}
    _, job = await client.upload(files, "page:1,150,240", level="lasting")
    ended = await client.ended(job["id"])
    assert (ended["sealed"], ended["failed"]) == (2, 1)
    _, sealed = await client.get(f"{job['id']}/items/1/file")
    trust = Trust.load([folder / ROOT, running.hub.settings.data / "trust"])
    report = verify_bytes(sealed, trust)
    assert not report.failed, report
    _, job = await client.upload({"once more.ofd": sealed, "words.ofd": plain_ofd()}, "page:1,60,60")
    assert (await client.ended(job["id"]))["sealed"] == 2
    _, twice = await client.get(f"{job['id']}/items/1/file")
    assert not verify_bytes(twice, trust).failed
    _, job = await client.upload({"a.ofd": plain_ofd()}, "keyword:Payment")
    await client.ended(job["id"])
    assert [item["fault"] for item in await client.items(job["id"])] == ["not-for-ofd"]


async def test_seal_that_does_not_open(folder: Path, running: Running, tmp_path: Path) -> None:
    with pytest.raises(TokenUnavailable):
        load_ofd_seal(folder, b"another passphrase")
    with pytest.raises(BadInput):
        await make_trial_seal(folder, PASSPHRASE.encode(), ORGANISATION, utc_now)
    with pytest.raises(BadInput):
        await make_trial_seal(tmp_path / "new", b"short", ORGANISATION, utc_now)
    assert PASSPHRASE.encode() not in (folder / KEY).read_bytes()
    assert (folder / KEY).stat().st_mode & 0o77 == 0
