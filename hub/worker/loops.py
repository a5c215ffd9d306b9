"""Functions that the loops of a worker share: sleep until an event, listen for NOTIFY, handle errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias, TypeVar

import asyncpg
import structlog

from hub.errors import Unavailable
from hub.measures import LOOP_RESTARTS
from hub.store.kernel.connection import ARRAY_TYPES
from hub.store.transaction import Database

Listener: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Loop = Callable[[asyncio.Event], Awaitable[None]]
Result = TypeVar("Result")
log = structlog.get_logger()
# The pauses before a loop that has failed starts again, in seconds.
MIN_PAUSE, MAX_PAUSE = 0.5, 15.0


async def keep_running(loop: Loop, stop: asyncio.Event) -> None:
    """Run a loop until `stop` is set. After any error, start it again: the database may be back in a second."""
    pause = 0.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            await loop(stop)
        except Exception as error:
            log.warning("worker loop restarts", loop=loop.__name__, error=repr(error)[:300])
            LOOP_RESTARTS.labels(loop.__name__).inc()
            pause = choose_pause(pause, time.monotonic() - began)
            await sleep_or_stop(stop, pause)


def choose_pause(last: float, ran_for: float) -> float:
    """Return the pause before a loop that has failed starts again. `last`: the pause before that one. All in seconds.

    Pauses grow only while the loop keeps failing right after its start: one that has run for days starts again quickly.
    """
    if ran_for >= MAX_PAUSE:
        return MIN_PAUSE
    return min(max(last * 2, MIN_PAUSE), MAX_PAUSE)


async def log_errors(work: Awaitable[Result]) -> Result | None:
    """Return the result of the work. After an error, log it and return None: the work becomes due again by itself."""
    try:
        return await work
    except Unavailable as error:
        log.warning("maintenance postponed", reason=str(error))
    except Exception:
        log.exception("maintenance failed")
    return None


@asynccontextmanager
async def listening(database: Database, channel: str, heard: asyncio.Event) -> AsyncIterator[Listener]:
    """Set `heard` at each NOTIFY on this channel, and when the connection ends, so that the loop notices the end.

    A commit on this connection does not wait for the disk, because nobody relies on a report of the queue. A power cut
    can only undo it together with everything that was committed after it.
    """
    listener = await asyncpg.connect(database.dsn, timeout=10)
    listener.get_settings().register_data_types(ARRAY_TYPES)
    try:
        await listener.execute("SET synchronous_commit = off")
        await listener.add_listener(channel, lambda *_: heard.set())
        listener.add_termination_listener(lambda *_: heard.set())
        yield listener
    finally:
        with suppress(Exception):
            await listener.close(timeout=1)


def check_listener(listener: Listener) -> None:
    """Raise ConnectionError if the listening connection is closed."""
    if listener.is_closed():
        raise ConnectionError("the listening connection is gone")


async def sleep_or_stop(stop: asyncio.Event, seconds: float) -> None:
    """Sleep for `seconds`, or until `stop` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def wait_for_either(event: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Wait until one of the two is set, at most `seconds`."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
