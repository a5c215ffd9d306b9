"""Whoever holds the document that was shown loads only the rest of the prepared file (RFC 9110 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from qianda.holder import SoftwareKey
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.web.signer_visits import verified

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def test_the_rest_of_a_prepared_file_is_sent_alone(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        shown = await client.document()
        await client.key(SoftwareKey())
        made = await client.prepare(await client.contract())
        whole = await client.prepared_file(made)
        size = len(whole)

        async def get(method: str = "GET", **headers: str) -> tuple[int, str | None, bytes]:
            sent = {"Authorization": f"Bearer {client.bearer}", "Accept-Encoding": "gzip"}
            sent |= {name.replace("_", "-"): value for name, value in headers.items()}
            async with running.http.request(method, running.origin + made.prepared, headers=sent) as answer:
                assert answer.headers["Accept-Ranges"] == "bytes" and "Content-Encoding" not in answer.headers
                return answer.status, answer.headers.get("Content-Range"), await answer.read()

        assert shown + made.update == whole
        rest = (206, f"bytes {len(shown)}-{size - 1}/{size}", whole[len(shown) :])
        assert await get(Range=f"bytes={len(shown)}-") == rest
        assert await get(Range=f"Bytes={len(shown)}-") == rest
        assert await get(Range=f"bytes={size - 1}-") == (206, f"bytes {size - 1}-{size - 1}/{size}", whole[-1:])
        for beyond in (size, size + 1, 10**17):
            assert await get(Range=f"bytes={beyond}-") == (416, f"bytes */{size}", b"")
        for other in ("bytes=5-9", "bytes=-5", "bytes=5-,9-", "bytes=x-", "lines=5-", "bytes=" + "9" * 5000 + "-"):
            assert await get(Range=other) == (200, None, whole), other
        assert await get(Range="bytes=5-", If_Range='"a"') == (200, None, whole)
        assert await get("HEAD", Range="bytes=5-") == (200, None, b"")
        for held in (shown, whole, whole + b"more"):
            assert await client.prepared_file(replace(made, shown=held, update=b"")) == whole


async def test_whoever_is_in_no_session_gets_no_part_either(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        await client.key(SoftwareKey())
        made = await client.prepare(await client.contract())
    async with running.http.get(running.origin + made.prepared, headers={"Range": "bytes=5-"}) as answer:
        assert answer.status == 401
