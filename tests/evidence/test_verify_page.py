"""`/verify` and the API take evidence packages: good and bad ones, as a page and as JSON."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.evidence.ended_contracts import ended, package_of
from tests.evidence.forged_packages import items_of, zipped
from tests.running import Running, running_hub


async def upload(running: Running, package: bytes, kind: str) -> tuple[int, Any]:
    form = aiohttp.FormData()
    form.add_field("file", package, filename="evidence.zip", content_type="application/zip")
    headers = {"Accept": kind, "Origin": running.origin}
    async with running.http.post(f"{running.origin}/verify", data=form, headers=headers) as answer:
        return answer.status, await (answer.json() if kind == "application/json" else answer.text())


async def test_a_good_package_and_a_bad_one() -> None:
    async with running_hub(with_worker=False) as running:
        contract = await ended(running, "completed")
        package = await package_of(running, contract)
        status, said = await upload(running, package, "application/json")
        assert (status, said["failed"], said["contract"]["number"]) == (200, False, contract.number)
        assert said["document"]["failed"] is False
        status, text = await upload(running, package, "text/html")
        assert status == 200 and "data-package" in text and contract.number in text
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
        assert contract.number in checked[0]["verdict"][0]["en"]
        assert await check(running, package, key="another") == 401


async def check(running: Running, content: bytes, key: str | None = None) -> Any:
    """Check a file by the API. Return the answer, or the status of a refusal."""
    headers = {"Authorization": f"Bearer {key or running.api_key}", "Content-Type": "application/octet-stream"}
    async with running.http.post(f"{running.origin}/api/v1/verify", data=content, headers=headers) as answer:
        return await answer.json() if answer.status == 200 else answer.status
