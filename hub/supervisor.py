"""Run web and worker as processes under a supervisor: one that dies is started again, and none outlives the supervisor.

Children are spawned, not forked: a PKCS#11 session must not be inherited. Each holds one end of a pipe. When the
supervisor is gone, however it died, the pipe closes and the child ends, so that a new start finds the port free. Each
child uses the embedded database as well: the last of them stops it, even if the supervisor was killed.

The supervisor itself stays small: what a child runs is imported only by that child.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import structlog

from hub.demo.tls import server_context
from hub.errors import QiandaError, TemplateFailed, WrongInstallation
from hub.settings import Settings, configured_by
from hub.store.server.embedded import EmbeddedPostgres

# Seconds before a child that died young is started again.
RESTART_PAUSE = 1.0
# Seconds in which children may finish their work. The database then stops in what is left of twenty seconds.
STOP_TIMEOUT = 14.0
# EX_CONFIG of sysexits.h: starting such a child again would end in the same way.
CANNOT_START = 78
_LOOK_EVERY = 0.5
_SPAWN = multiprocessing.get_context("spawn")
log = structlog.get_logger()


class NotConfigured(ValueError):
    """Something that the configuration names does not exist, or is impossible: only editing it helps."""


@dataclass(frozen=True)
class Job:
    """The work of a child (`web` or `work`); all of it can be sent to another process.

    `certificates`: a folder of `hub.demo.tls`, if the web is to serve HTTPS.
    """

    kind: str
    settings: Settings
    dsn: str
    demo: bool
    certificates: Path | None = None


@dataclass
class _Child:
    job: Job
    process: BaseProcess
    lifeline: Connection
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """The jobs as child processes that are kept running. `tend` is called about twice a second, for other things to
    keep running."""

    def __init__(self, jobs: list[Job], say: Callable[[str], None], tend: Callable[[], None] = lambda: None) -> None:
        self._jobs = jobs
        self._say = say
        self._tend = tend
        self._children: list[_Child] = []
        self._stopping = False

    def run(self) -> None:
        """Run until SIGINT, SIGTERM or the end of the terminal; then ask every child to finish its work."""
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` sets it to ignore
            signal.signal(signal.SIGHUP, self._stop)
        try:
            for job in self._jobs:
                self._children.append(_start(job))
            while not self._stopping:
                wait([child.process.sentinel for child in self._children], timeout=_LOOK_EVERY)
                self._restart_dead()
                if not self._stopping:
                    self._tend()
        finally:
            self._end_children()

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _restart_dead(self) -> None:
        for number, child in enumerate(self._children):
            if child.process.is_alive() or self._stopping:
                continue
            if child.process.exitcode == CANNOT_START:
                raise NotConfigured(f"{child.job.kind} cannot start with this configuration; the reason stands above")
            self._say(f"{child.job.kind} ended ({_ending(child.process.exitcode)}); starting it again")
            child.lifeline.close()
            if time.monotonic() - child.started < RESTART_PAUSE * 5:
                time.sleep(RESTART_PAUSE)
            self._children[number] = _start(child.job)

    def _end_children(self) -> None:
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for child in self._children:
            child.process.join(max(0.1, deadline - time.monotonic()))
            if child.process.is_alive():
                child.process.kill()
                child.process.join()
            child.lifeline.close()


class DatabaseKeeper:
    """The part that starts the embedded database again after it died. `keep` is for a supervisor's `tend`."""

    def __init__(self, server: EmbeddedPostgres, say: Callable[[str], None]) -> None:
        self._server = server
        self._say = say
        self._not_before = 0.0

    def keep(self) -> None:
        if self._server.answers() or time.monotonic() < self._not_before:
            return
        self._say("the database ended; starting it again")
        try:
            self._server.start()
        except QiandaError as error:
            self._not_before = time.monotonic() + 5
            self._say(f"the database does not start: {error}")


class Welcome:
    """The demo's greeting, printed once its pages are served: any earlier, the first click would fail."""

    def __init__(self, settings: Settings, text: str, say: Callable[[str], None]) -> None:
        self._address = (settings.host, settings.port)
        self._text: str | None = text
        self._say = say

    def say_once_served(self) -> None:
        if self._text is None:
            return
        try:
            socket.create_connection(self._address, timeout=1).close()
        except OSError:
            return
        self._say(self._text)
        self._text = None


def embedded_database(settings: Settings) -> EmbeddedPostgres:
    """Return the embedded database of the data folder, not started. Only for settings that name no other database."""
    settings.data.mkdir(parents=True, exist_ok=True)
    return EmbeddedPostgres(settings.data / "database")


def _ending(code: int | None) -> str:
    """Return how a process ended, for people."""
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _start(job: Job) -> _Child:
    theirs, ours = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=run_job, args=(job, theirs), name=f"qianda-{job.kind}")
    with _deaf_to_ctrl_c():
        process.start()
    theirs.close()
    return _Child(job, process, ours)


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for children that are started meanwhile.

    It reaches the whole process group, but the supervisor decides when to stop. Children inherit the blocked signal.
    """
    resource_tracker.ensure_running()  # its first start would unblock the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_job(job: Job, lifeline: Connection) -> None:
    """Run the job in its own process, until told to stop or until the supervisor is gone."""
    quiet_logs()
    try:
        with contextlib.nullcontext() if job.settings.database else embedded_database(job.settings):
            asyncio.run(_run(job, lifeline))
    except NotConfigured as error:
        print(f"qianda: {error}", file=sys.stderr)
        sys.exit(CANNOT_START)
    except (QiandaError, OSError) as error:
        log.error("ended", job=job.kind, error=f"{type(error).__name__}: {error}"[:500])
        sys.exit(1)


async def _run(job: Job, lifeline: Connection) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(lifeline.fileno(), _supervisor_gone, loop, lifeline, stop)
    from hub.wiring import build

    try:
        hub = await build(job.settings, job.dsn, demo=job.demo)
    except WrongInstallation as error:
        raise NotConfigured(str(error)) from error
    except (ValueError, TemplateFailed, FileNotFoundError) as error:
        raise NotConfigured(f"the configuration is wrong ({configured_by()}): {error}") from error
    try:
        if job.kind == "web":
            from hub.web.app import run_web

            tls = server_context(job.certificates) if job.certificates else None
            await run_web(hub, host=job.settings.host, port=job.settings.port, stop=stop, tls=tls)
        else:
            from hub.worker.worker import Worker

            await Worker(hub).run(stop)
    finally:
        await hub.close()


def _supervisor_gone(loop: asyncio.AbstractEventLoop, lifeline: Connection, stop: asyncio.Event) -> None:
    """Stop the job, and end the process after STOP_TIMEOUT at the latest.

    Nothing is ever sent through the pipe: if it is readable, its other end is closed.
    """
    loop.remove_reader(lifeline.fileno())
    stop.set()
    loop.call_later(STOP_TIMEOUT, os._exit, 1)


def quiet_logs() -> None:
    """Log one line of JSON per event on standard error; libraries log only warnings and errors."""
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
