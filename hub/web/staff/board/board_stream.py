"""The board's stream: it tells a board that something has changed, and the board then asks for its content.

One loop in each process looks for changes, however many boards are open, and none while no board is. A stream ends
after STREAM_LIFE. The browser then opens a new one, for which the session is checked again, so an ended session gets no
news for long. A stream does not count as use of the session: a person who has left is logged out as usual.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from aiohttp import web

from hub.errors import DatabaseUnavailable, NotFound, Unavailable
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Database
from hub.web.http.access_log import EVENT_STREAM
from hub.web.http.app_keys import HUB
from hub.web.staff.staff.access import StaffVisit

# Seconds between two looks for changes.
LOOK_INTERVAL = 2.0
# Minimum number of seconds between two notices to a board, since it then requests its whole content.
TELL_INTERVAL = 5.0
# Seconds between two empty lines, which keep proxies from closing the stream, and reveal clients that have left.
BEAT_INTERVAL = 15.0
STREAM_LIFE = 60.0
MAX_STREAMS = 500
# The most streams of one session. A hidden page has none.
MAX_STREAMS_OF_SESSION = 5
log = structlog.get_logger()


@dataclass(frozen=True)
class StreamPace:
    """Seconds: see the constants."""

    look: float = LOOK_INTERVAL
    tell: float = TELL_INTERVAL
    beat: float = BEAT_INTERVAL
    life: float = STREAM_LIFE


@dataclass
class BoardChanges:
    """The streams that wait for changes of the board in this process. `over`: set when the server shuts down."""

    database: Database
    pace: StreamPace = field(default_factory=StreamPace)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: dict[asyncio.Event, UUID] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def watching(self, session: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set at each change. Raises Unavailable if too many are watching, of this session or
        at all."""
        of_session = sum(1 for each in self._waiting.values() if each == session)
        if len(self._waiting) >= MAX_STREAMS or of_session >= MAX_STREAMS_OF_SESSION:
            raise Unavailable("too many boards are open")
        changed = asyncio.Event()
        self._waiting[changed] = session
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_for_changes())
        try:
            yield changed
        finally:
            del self._waiting[changed]

    async def _look_for_changes(self) -> None:
        """Look again and again, as long as somebody is watching."""
        seen, is_settled = await self._mark(), True
        while self._waiting and not await waited_for(self.over, self.pace.look):
            mark = await self._mark()
            if mark != seen or not is_settled:
                for each in self._waiting:
                    each.set()
            # Another transaction may have taken its number earlier and commit a moment later: one more look follows.
            seen, is_settled = mark, mark == seen

    async def _mark(self) -> tuple[int, int] | None:
        try:
            async with self.database.transaction(EVERYTHING) as tx:
                return await tx.board.get_change_mark()
        except DatabaseUnavailable as error:
            log.warning("board stream", reason=str(error))
            return None

    async def close(self, _app: web.Application) -> None:
        """End all streams: a shutdown does not wait for them."""
        self.over.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


CHANGES = web.AppKey("board_changes", BoardChanges)


async def stream(visit: StaffVisit) -> web.StreamResponse:
    """Send `changed` whenever something that boards show has changed (server-sent events, HTML 9.2).

    Raises NotFound without `part=stream`, which marks a request by a page that perhaps nobody is looking at.
    """
    if visit.request.query.get("part") != "stream":
        raise NotFound
    changes = visit.request.app[CHANGES]
    with changes.watching(visit.session.id) as changed:
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = EVENT_STREAM
        await response.prepare(visit.request)
        await response.write(b"retry: 3000\n\n")
        async for line in _lines(changes, changed):
            await response.write(line)
    return response


async def _lines(changes: BoardChanges, changed: asyncio.Event) -> AsyncIterator[bytes]:
    pace, loop = changes.pace, asyncio.get_running_loop()
    ends = loop.time() + pace.life
    while loop.time() < ends and not changes.over.is_set():
        if not await waited_for(changed, pace.beat, changes.over):
            yield b":\n\n"
            continue
        changed.clear()
        if not changes.over.is_set():
            yield b"event: changed\ndata: board\n\n"
            await waited_for(changes.over, pace.tell)


async def waited_for(event: asyncio.Event, seconds: float, or_else: asyncio.Event | None = None) -> bool:
    """Wait until one of these events is set, at most `seconds`. Return whether one is set."""
    tasks = [asyncio.create_task(each.wait()) for each in (event, or_else) if each is not None]
    done, left = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    return bool(done)


def add_board_stream(app: web.Application) -> None:
    """Add what the board's stream needs to an application that has its hub."""
    app[CHANGES] = BoardChanges(app[HUB].database)
    app.on_shutdown.append(app[CHANGES].close)
