"""Calling a provider that stores the texts itself: what each kind of answer means, and what no answer means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import NotNow, ReplyLost
from channels.json_post import ProviderAnswer, post


async def answer_to(response: web.Response) -> ProviderAnswer:
    """Return what a call means that gets this response."""

    async def handle(request: web.Request) -> web.Response:
        return response

    app = web.Application()
    app.router.add_post("/", handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        return await post(http, server.make_url("/"), {}, b"", 5)


async def test_a_json_object_is_an_answer_whatever_its_status() -> None:
    assert await answer_to(web.json_response({"Code": "OK"})) == ProviderAnswer(200, {"Code": "OK"}, None)
    late = web.json_response({"Code": "Throttling"}, status=503, headers={"Retry-After": "7"})
    assert await answer_to(late) == ProviderAnswer(503, {"Code": "Throttling"}, timedelta(seconds=7))


@pytest.mark.parametrize(
    "response",
    [
        {"status": 502, "text": "<html>Bad Gateway</html>"},
        {"status": 200, "text": ""},
        {"status": 200, "text": "[1]"},
        {"status": 200, "body": b"\xff"},
        {"status": 307, "headers": {"Location": "http://127.0.0.1:9/"}},
    ],
)
async def test_whatever_else_comes_is_no_answer(response: dict[str, object]) -> None:
    with pytest.raises(ReplyLost, match=f"status {response['status']}"):
        await answer_to(web.Response(**response))  # type: ignore[arg-type]


async def test_too_many_requests_were_not_taken_and_may_come_again_later() -> None:
    async def told(value: str | None) -> timedelta | None:
        with pytest.raises(NotNow) as caught:
            await answer_to(web.Response(status=429, headers={"Retry-After": value} if value else {}))
        return caught.value.retry_after

    assert [await told(value) for value in ("5", "-3", "soon", None)] == [timedelta(seconds=5), None, None, None]
    date = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    after = await told(format_datetime(date, usegmt=True))
    assert after and date - datetime.now(UTC) <= after <= timedelta(hours=1)
