"""Web and worker as processes under a supervisor: one that dies is started again, and none outlives the supervisor.

Children are spawned, not forked: a PKCS#11 session must not be inherited. Each holds one end of a pipe; when the supervisor is
gone, however it died, the pipe closes and the child ends, so that a new start finds the port free.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import structlog

from hub.settings import Settings
from hub.web.app import run_web
from hub.wiring import build
from hub.worker import Worker

RESTART_PAUSE = 1.0
STOP_SECONDS = 20.0
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Job:
    """What a child does; everything in it can be sent to another process."""

    kind: str
    settings: Settings
    dsn: str
    demo: bool


@dataclass
class _Child:
    job: Job
    process: BaseProcess
    lifeline: Connection
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    def __init__(self, jobs: list[Job], say: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._say = say
        self._children: list[_Child] = []
        self._stopping = False

    def run(self) -> None:
        """Until SIGINT or SIGTERM; then every child is asked to finish what it holds."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        self._children = [_start(job) for job in self._jobs]
        try:
            while not self._stopping:
                wait([child.process.sentinel for child in self._children], timeout=0.5)
                self._restart_dead()
        finally:
            self._end_children()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _restart_dead(self) -> None:
        for number, child in enumerate(self._children):
            if child.process.is_alive() or self._stopping:
                continue
            self._say(f"{child.job.kind} ended with {child.process.exitcode}; starting it again")
            child.lifeline.close()
            if time.monotonic() - child.started < RESTART_PAUSE * 5:
                time.sleep(RESTART_PAUSE)
            self._children[number] = _start(child.job)

    def _end_children(self) -> None:
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            child.process.join(max(0.1, deadline - time.monotonic()))
            if child.process.is_alive():
                child.process.kill()
                child.process.join()
            child.lifeline.close()


def _start(job: Job) -> _Child:
    theirs, ours = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=run_job, args=(job, theirs), name=f"qianda-{job.kind}")
    process.start()
    theirs.close()
    return _Child(job, process, ours)


def run_job(job: Job, lifeline: Connection | None = None) -> None:
    """In a process of its own: serve or work until told to stop, or until the supervisor is gone."""
    quiet_logs()
    asyncio.run(_run(job, lifeline))


async def _run(job: Job, lifeline: Connection | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C reaches the whole group: under a supervisor it is the supervisor who says when.
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if lifeline else stop.set)
    if lifeline is not None:
        loop.add_reader(lifeline.fileno(), _supervisor_gone, loop, lifeline, stop)
    hub = await build(job.settings, job.dsn, demo=job.demo)
    try:
        if job.kind == "web":
            await run_web(hub, host=job.settings.host, port=job.settings.port, stop=stop)
        else:
            await Worker(hub).run(stop)
    finally:
        await hub.close()


def _supervisor_gone(loop: asyncio.AbstractEventLoop, lifeline: Connection, stop: asyncio.Event) -> None:
    """Nothing is ever sent through the pipe: being readable means that its other end is closed."""
    loop.remove_reader(lifeline.fileno())
    stop.set()
    loop.call_later(STOP_SECONDS, os._exit, 1)


def quiet_logs() -> None:
    """One line of JSON per event on standard error; libraries speak up from warnings on."""
    logging.basicConfig(level=logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
