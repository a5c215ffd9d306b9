"""`/verify` and the API take evidence packages: good and bad ones, as a page and as JSON."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.lifecycle.evidence.hold import place_hold
from hub.model.staff.scope import EVERYTHING
from qianda.evidence.package_report import as_json as package_json
from qianda.verify.guard import call_for_package, check_guarded
from tests.evidence.ended_contracts import ended, package_of
from tests.evidence.forged_packages import items_of, zipped
from tests.lifecycle.signer import Person, completed, signed
from tests.running import Running, running_hub


async def upload(running: Running, package: bytes, kind: str, *more: bytes) -> tuple[int, Any]:
    form = aiohttp.FormData()
    for number, each in enumerate((*more, package)):
        form.add_field("file", each, filename=f"{number}.zip", content_type="application/zip")
    headers = {"Accept": kind, "Origin": running.origin}
    async with running.http.post(f"{running.origin}/verify", data=form, headers=headers) as answer:
        return answer.status, await (answer.json() if kind == "application/json" else answer.text())


@pytest.mark.real
async def test_a_good_package_and_a_bad_one() -> None:
    async with running_hub(with_worker=False) as running:
        contract = await ended(running, "completed")
        package = await package_of(running, contract)
        status, said = await upload(running, package, "application/json")
        assert (status, said["failed"], said["contract"]["number"]) == (200, False, contract.number)
        assert said["document"]["failed"] is False
        status, text = await upload(running, package, "text/html")
        assert status == 200 and "data-package" in text and contract.number in text
        assert "合同状态：已完成" in text and text.count("验证时间") == 1
        items = items_of(package)
        bad = zipped({**items, "contract/contract.json": items["contract/contract.json"] + b" "}.items())
        status, said = await upload(running, bad, "application/json")
        assert (status, said["failed"]) == (200, True) and "was changed" in said["fault"]["en"]
        status, text = await upload(running, bad, "text/html")
        assert status == 200 and "note wrong" in text
        final = items["contract/final.pdf"]
        checked = [await check(running, each) for each in (package, bad, final, b"no file of ours")]
        assert [(each["readable"], each["failed"], each["is_package"]) for each in checked] == [
            (True, False, True),
            (True, True, True),
            (True, False, False),
            (False, True, False),
        ]
        assert "验证时间" in (await upload(running, final, "text/html"))[1]
        assert contract.number in checked[0]["verdict"][0]["en"]
        assert await check(running, package, key="another") == 401


@pytest.mark.real
@pytest.mark.parametrize("ending", ["zip", "ASICE"])
async def test_the_page_says_of_a_package_what_the_command_says(tmp_path: Path, ending: str) -> None:
    """Its first item is not its type, so only its name says that it is meant to be a package."""
    file = tmp_path / f"evidence.{ending}"
    file.write_bytes(zipped([("META-INF/x", b"x"), ("mimetype", b"application/vnd.etsi.asic-e+zip")]))
    report = await asyncio.to_thread(check_guarded, call_for_package(file, ()))
    async with running_hub(with_worker=False) as running:
        form = aiohttp.FormData()
        form.add_field("file", file.read_bytes(), filename=file.name, content_type="application/zip")
        headers = {"Accept": "application/json", "Origin": running.origin}
        async with running.http.post(f"{running.origin}/verify", data=form, headers=headers) as answer:
            said = await answer.json()
    assert (said["file"], said["failed"], said["fault"]) == (file.name, True, package_json(report)["fault"])
    assert "mimetype" in said["fault"]["en"]


@pytest.mark.real
async def test_a_package_together_with_its_addendum_or_its_file() -> None:
    async with running_hub(with_worker=False) as running:
        contract = await running.issue_minor()
        signer = await signed(running, contract)
        await completed(running, contract)
        package = await package_of(running, contract)
        done, later = f"/sign/done?id={contract.id}", f"/sign/v1/addendum.zip?id={contract.id}"
        before = await content_of(running, signer, done)
        assert b"/sign/v1/evidence.zip" in before and b"/sign/v1/addendum.zip" not in before
        await place_hold(running.hub.services, EVERYTHING, contract.id, ("court", None), "staff:x")
        assert b"/sign/v1/addendum.zip" in await content_of(running, signer, done)
        addendum = await content_of(running, signer, later)
        assert addendum == await content_of(running, signer, later)
        final = items_of(package)["contract/final.pdf"]
        status, said = await upload(running, package, "application/json", addendum)
        assert (status, said["failed"], said["together_with"]) == (200, False, "0.zip")
        assert [each["kind"] for each in said["addendum"]["entries"]][-1] == "hold-placed"
        status, text = await upload(running, package, "text/html", addendum)
        assert status == 200 and "0.zip" in text and "补充材料 1 由" in text
        status, said = await upload(running, package, "application/json", final)
        assert (status, said["failed"], said["together_with"]) == (200, False, "0.zip")
        status, said = await upload(running, package, "application/json", final + b"\n")
        assert (status, said["failed"], said["document"]["failed"]) == (200, True, True)
        status, said = await upload(running, addendum, "application/json", final)
        assert (status, said["failed"]) == (200, True) and "together with its package" in said["fault"]["en"]
        assert (await upload(running, final, "application/json", final))[0] == 422
        assert (await upload(running, package, "application/json", addendum, final))[0] == 422
        odd = b'--x\r\nContent-Disposition: form-data; name="\x06"; filename="a"\r\n\r\na\r\n--x--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Origin": running.origin}
        async with running.http.post(f"{running.origin}/verify", data=odd, headers=headers) as answer:
            assert answer.status == 422
        form = aiohttp.FormData()
        for name, each in (("package.zip", package), ("later.zip", addendum)):
            form.add_field("file", each, filename=name)
        headers = {"Authorization": f"Bearer {running.api_key}"}
        async with running.http.post(f"{running.origin}/api/v1/verify", data=form, headers=headers) as answer:
            said = await answer.json()
        assert (said["file"], said["failed"], said["report"]["addendum"]["number"]) == ("package.zip", False, 1)


async def content_of(running: Running, signer: Person, path: str) -> bytes:
    headers = {"Authorization": f"Bearer {signer.secret}"}
    async with running.http.get(f"{running.origin}{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


async def check(running: Running, content: bytes, key: str | None = None) -> Any:
    """Check a file by the API. Return the answer, or the status of a refusal."""
    headers = {"Authorization": f"Bearer {key or running.api_key}", "Content-Type": "application/octet-stream"}
    async with running.http.post(f"{running.origin}/api/v1/verify", data=content, headers=headers) as answer:
        return await answer.json() if answer.status == 200 else answer.status
