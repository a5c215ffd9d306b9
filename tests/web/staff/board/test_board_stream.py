"""The board's stream: it tells of changes, ends with the server, and is no use of a session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import pytest

from hub.errors import Unavailable
from hub.lifecycle.contract.end import void
from hub.measures import REGISTRY
from hub.model.staff.scope import EVERYTHING
from hub.web.app import make_app
from hub.web.staff.board.board_stream import CHANGES, BoardChanges, StreamPace
from tests.running import Running
from tests.web.serving import served
from tests.web.staff_visit import COOKIE, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/staff/changes?part=stream"
# A test waits for a line at most so long. A server that is shut down would wait longer for its last answers.
SECONDS = 45.0


@contextlib.asynccontextmanager
async def streaming(running: Running, pace: StreamPace) -> AsyncIterator[aiohttp.ClientResponse]:
    """Serve the hub's pages at another port with this pace, and open the stream there.

    In the end the server is shut down: it waits for no stream, and each ends as a whole.
    """
    console = await console_of(running)
    async with contextlib.AsyncExitStack() as client:
        app = make_app(running.hub)
        app[CHANGES].pace = pace
        async with served(app) as origin:
            # Under any other address than the public one it would redirect there.
            headers = {"Cookie": f"{COOKIE}={console.cookie}", "Host": running.origin.removeprefix("http://")}
            answer = await client.enter_async_context(running.http.get(origin + PATH, headers=headers))
            assert answer.status == 200 and answer.content_type == "text/event-stream"
            assert await answer.content.readline() == b"retry: 3000\n"
            yield answer
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < SECONDS
        await answer.content.read()  # it raises an error where the stream was cut off


async def next_event(answer: aiohttp.ClientResponse) -> str:
    """Return the kind of the next event; empty where the stream ends."""
    async with asyncio.timeout(SECONDS):
        while line := await answer.content.readline():
            if line.startswith(b"event: "):
                return line.decode().removeprefix("event: ").strip()
    return ""


async def test_a_board_is_told_of_a_change_and_the_stream_ends_with_the_server(running: Running) -> None:
    async with streaming(running, StreamPace(look=0.05, tell=0.05)) as answer:
        contract = await running.issue_minor()
        assert await next_event(answer) == "changed"
        await void(running.hub.services, EVERYTHING, contract.id, "test", "test")
        assert await next_event(answer) == "changed"


async def test_a_stream_beats_while_nothing_changes_and_ends_after_its_life(running: Running) -> None:
    labels = {"method": "GET", "route": "/staff/changes"}
    before = REGISTRY.get_sample_value("qianda_http_request_seconds_count", labels)  # of requests that were refused
    async with streaming(running, StreamPace(look=0.05, beat=0.05, life=2.0)) as answer:
        async with asyncio.timeout(SECONDS):
            rest = await answer.content.read()
        assert rest.count(b":\n\n") >= 2 and b"event" not in rest
    assert REGISTRY.get_sample_value("qianda_http_requests_total", labels | {"status": "200"})
    # A stream is no slow request: the alert on those would never end.
    assert REGISTRY.get_sample_value("qianda_http_request_seconds_count", labels) == before


async def test_one_session_holds_five_streams_and_leaves_room_for_others(running: Running) -> None:
    changes = BoardChanges(running.hub.database, StreamPace(look=0.05))
    one, other = uuid4(), uuid4()
    with contextlib.ExitStack() as open_boards:
        for _ in range(5):
            open_boards.enter_context(changes.watching(one))
        with pytest.raises(Unavailable), changes.watching(one):
            pass
        with changes.watching(other):
            pass
    with changes.watching(one):
        pass


async def test_who_is_not_logged_in_gets_no_stream_and_no_redirect(running: Running) -> None:
    async with running.http.get(running.origin + PATH, allow_redirects=False) as answer:
        assert answer.status == 401
