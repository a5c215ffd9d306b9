"""Run web and worker as processes under a supervisor. A child that dies is started again; none outlives the supervisor.

Children are spawned, not forked, because a PKCS#11 session must not be inherited. Each holds one end of a pipe. However
the supervisor ends, the pipe then closes and the child ends, so that the next start finds the port free. Each child
also uses the embedded database, and the last child to end stops it, even if the supervisor was killed.

The supervisor itself stays small: the command that has checked everything makes a plan and is replaced by a supervisor
for it (`become_supervisor`). The supervisor imports only the code that starts the database; the code that a child runs
is imported only by the child (`hub.processes.child`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, NoReturn

from hub.errors import QiandaError
from hub.processes.job import CANNOT_START, STOP_TIMEOUT, NotConfigured, ServiceJob
from hub.processes.streams import protect_log
from hub.store.server.embedded import EmbeddedPostgres

# How many seconds to wait before a child that died early is started again.
RESTART_PAUSE = 1.0
# Exit codes of a refused start, and of an interrupted one.
REFUSED, INTERRUPTED = 2, 130
PROGRAM = Path(__file__).with_name("supervisor_program.py")
_LOOK_EVERY = 0.5
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Greeting:
    """What the demo prints once its pages are served at this address (host, port). If it were printed earlier, the
    first click would fail."""

    address: tuple[str, int]
    text: str


@dataclass(frozen=True)
class SupervisorPlan:
    """What a supervisor runs. `data`: the data folder, if it keeps the embedded database in it running."""

    jobs: tuple[ServiceJob, ...]
    data: Path | None = None
    greeting: Greeting | None = None


@dataclass
class _Child:
    job: ServiceJob
    process: BaseProcess
    lifeline: Connection
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """The jobs as child processes, which are restarted when they die. `tend`: called about twice a second, to keep
    other things running."""

    def __init__(self, jobs: tuple[ServiceJob, ...], tend: Callable[[], None]) -> None:
        self._jobs = jobs
        self._tend = tend
        self._children: list[_Child] = []
        self._stopping = False

    def run(self) -> None:
        """Run until SIGINT, SIGTERM or the end of the terminal; then ask every child to finish its work."""
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # it is ignored under `nohup`
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
            _say(f"{child.job.kind} ended ({_ending(child.process.exitcode)}); starting it again")
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
    """The part that restarts the embedded database if it dies. Its `keep` is the supervisor's `tend`."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._not_before = 0.0

    def keep(self) -> None:
        if self._server.answers() or time.monotonic() < self._not_before:
            return
        _say("the database ended; starting it again")
        try:
            self._server.start()
        except QiandaError as error:
            self._not_before = time.monotonic() + 5
            _say(f"the database does not start: {error}")


class Welcome:
    """The part that prints a greeting once the pages are served."""

    def __init__(self, greeting: Greeting) -> None:
        self._address = greeting.address
        self._text: str | None = greeting.text

    def say_once_served(self) -> None:
        if self._text is None:
            return
        try:
            socket.create_connection(self._address, timeout=1).close()
        except OSError:
            return
        _say(self._text)
        self._text = None


# ---- how the command becomes the supervisor


def become_supervisor(plan: SupervisorPlan) -> NoReturn:
    """Replace this process, and everything that it has imported, by a supervisor for this plan. The process id stays.

    The plan contains secrets from the settings, so it is passed in memory, or in a file without a name.
    """
    with _nameless_file() as file:
        pickle.dump(sys.path, file)
        pickle.dump(plan, file)
        file.seek(0)
        os.set_inheritable(file.fileno(), True)
        sys.stdout.flush()
        sys.stderr.flush()
        # -P: do not import from the current folder.
        os.execv(sys.executable, [sys.executable, "-P", str(PROGRAM), str(file.fileno())])  # noqa: S606


def _nameless_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("qianda-plan"), "w+b")
    return tempfile.TemporaryFile()


def supervise(plan: SupervisorPlan) -> int:
    """Run the plan to its end. Return the exit code. Errors are printed as sentences."""
    protect_log()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        with contextlib.ExitStack() as stack:
            tends: list[Callable[[], None]] = []
            if plan.data is not None:
                server = stack.enter_context(EmbeddedPostgres.in_data_folder(plan.data))
                tends.append(DatabaseKeeper(server).keep)
            if plan.greeting is not None:
                tends.append(Welcome(plan.greeting).say_once_served)
            Supervisor(plan.jobs, lambda: _run_all(tends)).run()
    except KeyboardInterrupt:
        print("qianda: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (QiandaError, OSError, ValueError) as error:
        print(f"qianda: {error}", file=sys.stderr)
        return REFUSED
    _say("Stopped.")
    return 0


def _run_all(acts: Sequence[Callable[[], None]]) -> None:
    for act in acts:
        act()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


def _ending(code: int | None) -> str:
    """Return in words how a process ended."""
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


# ---- children


def _start(job: ServiceJob) -> _Child:
    theirs, ours = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_be_child, args=(job, theirs), name=f"qianda-{job.kind}")
    with _ignore_ctrl_c():
        process.start()
    theirs.close()
    return _Child(job, process, ours)


def _be_child(job: ServiceJob, lifeline: Connection) -> None:
    from hub.processes.child import run_job  # loads what only the job needs

    run_job(job, lifeline)


@contextlib.contextmanager
def _ignore_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for children that are started in this context.

    Ctrl-C reaches the whole process group, but the supervisor decides when to stop. Children inherit the blocked
    signal.
    """
    resource_tracker.ensure_running()  # if it started later, it would unblock the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
