"""Run a warm child process for one kind of risky work, with limits on memory, CPU and time.

Staff templates, uploaded files and PDF pages are processed in such a child. If the child crashes, the hub is not
affected, and the next question gets a new child. Frames in both directions: one status byte, four bytes of length, the
body.
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TypeVar

DONE, REFUSED, OUT_OF_MEMORY, UNEXPECTED = 0, 1, 2, 3
# The reasons that staff read if a file or a template could not be processed.
CRASHED = "it took too much time or memory, or the content crashed the reader"
NOT_PROCESSED = "its content cannot be processed"
NO_MEMORY = "it asked for too much memory"
_HEAD = struct.Struct(">BI")
# glibc keeps memory that a child has used, instead of giving it back after each question: a page's bitmap alone costs
# a thousand page faults. RLIMIT_AS still limits it. Bytes; 32 MiB is the most that glibc takes (mallopt(3)).
_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "33554432"}
Result = TypeVar("Result")


class ChildFailed(Exception):
    """The child gave no result. `refused`: the child said why, and the message may be shown."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class _ChildLost(ChildFailed):
    """The child had answered before and died now, perhaps not because of this question."""


@dataclass(frozen=True)
class Limits:
    """What one question may use. `memory_bytes`: the address space of the whole child; `seconds`: how long the parent
    waits."""

    memory_bytes: int
    cpu_seconds: int
    seconds: float


class LimitedChild:
    """A child that runs `python -I -m MODULE`. It starts with the first question and is kept; threads take turns."""

    def __init__(self, module: str, limits: Limits) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._module, self._limits = module, limits
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, module)  # the thread itself starts with the first step

    def ask(self, question: bytes) -> bytes:
        """Return the child's answer. Raises ChildFailed if the child refused, exceeded a limit or died.

        If a child that had answered before is dead or dies now, perhaps because the machine was short of memory, a new
        child is asked once more.
        """
        with self._lock:
            try:
                return self._ask_once(question)
            except _ChildLost:
                return self._ask_once(question)

    def _ask_once(self, question: bytes) -> bytes:
        failed = ChildFailed if self._process is None else _ChildLost
        process = self._process = self._process or self._start()
        began = time.monotonic()
        try:
            status, body = _exchange(process, question, self._limits.seconds)
        except (OSError, EOFError) as error:
            self._stop()
            ended = process.returncode
            self._note("child lost", exit=ended, seconds=round(time.monotonic() - began, 1), question=len(question))
            took_long = isinstance(error, TimeoutError) or ended == -signal.SIGXCPU
            raise (ChildFailed if took_long else failed)(CRASHED) from None
        if status == OUT_OF_MEMORY:
            self._stop()
            self._note("child out of memory", question=len(question))
            raise failed(body.decode())
        if status == UNEXPECTED:
            self._note("content not processed", error=body.decode("utf-8", "replace"))
            raise ChildFailed(NOT_PROCESSED, refused=True)
        if status == REFUSED:
            raise ChildFailed(body.decode("utf-8", "replace"), refused=True)
        return body

    def _note(self, event: str, **facts: str | float | None) -> None:
        import structlog  # here, because it loads `rich`, which would take each child 40 ms

        structlog.get_logger().warning(event, child=self._module, **facts)

    async def in_turn(self, step: Callable[[], Result]) -> Result:
        """Return the result of a step that asks this child.

        The steps of a child share one thread of their own: while a stranger's file takes long, those who wait for this
        child hold no thread in which others check a password or sign.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, step)

    def close(self) -> None:
        """End the child. The next question starts a new one."""
        with self._lock:
            self._stop()

    def __del__(self) -> None:
        """End the child when its owner is gone, even if nobody called `close`."""
        self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        words = [str(self._limits.memory_bytes), str(self._limits.cpu_seconds)]
        command = [sys.executable, "-I", "-m", self._module, *words]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        environment = {"LC_ALL": "C.UTF-8", **_KEPT_MEMORY}
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, env=environment, bufsize=0)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def serve(answer: Callable[[bytes], bytes], refusals: tuple[type[Exception], ...]) -> None:
    """Answer questions in the child until its input ends.

    An exception of a class in `refusals` is reported to the parent with its message. Of any other one, the parent logs
    the class name.
    """
    memory, cpu_seconds = (int(word) for word in sys.argv[1:3])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (frame := _read_frame(source)) is not None:
        _allow_cpu(cpu_seconds)
        try:
            status, body = DONE, answer(frame[1])
        except refusals as error:
            said = str(error)
            status, body = (REFUSED, said.encode()) if said else (UNEXPECTED, type(error).__name__.encode())
        except MemoryError:
            status, body = OUT_OF_MEMORY, NO_MEMORY.encode()
        except Exception as error:  # the message may hold personal data, so only the class name is reported
            status, body = UNEXPECTED, type(error).__name__.encode()
        _write_frame(sink, status, body)


def _allow_cpu(seconds: int) -> None:
    """Allow this many more seconds of CPU time.

    RLIMIT_CPU counts over the whole life of a process, so it is raised before every question.
    """
    used = os.times()
    soft = int(used.user + used.system) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _exchange(process: subprocess.Popen[bytes], question: bytes, seconds: float) -> tuple[int, bytes]:
    """Send a question and return the status and the body of the answer. Raises EOFError or OSError (TimeoutError after
    `seconds`).

    The pipes never block, so the waiting thread checks the deadline itself; no timer thread is needed.
    """
    if process.stdin is None or process.stdout is None:
        raise EOFError
    deadline = time.monotonic() + seconds
    _send(process.stdin.fileno(), _HEAD.pack(DONE, len(question)), deadline)
    _send(process.stdin.fileno(), question, deadline)
    status, length = _HEAD.unpack(_receive(process.stdout.fileno(), _HEAD.size, deadline))
    return status, _receive(process.stdout.fileno(), length, deadline)


def _send(pipe: int, content: bytes, deadline: float) -> None:
    left = memoryview(content)
    while left:
        _wait(pipe, select.POLLOUT, deadline)
        left = left[os.write(pipe, left) :]


def _receive(pipe: int, size: int, deadline: float) -> bytes:
    received = bytearray()
    while len(received) < size:
        _wait(pipe, select.POLLIN, deadline)
        if not (piece := os.read(pipe, size - len(received))):
            raise EOFError
        received += piece
    return bytes(received)


def _wait(pipe: int, event: int, deadline: float) -> None:
    """Wait until the pipe is ready. Raises TimeoutError at the deadline."""
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError


def _write_frame(sink: IO[bytes], status: int, body: bytes) -> None:
    sink.write(_HEAD.pack(status, len(body)))
    sink.write(body)
    sink.flush()


def _read_frame(source: IO[bytes]) -> tuple[int, bytes] | None:
    head = source.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    status, length = _HEAD.unpack(head)
    body = source.read(length)
    if len(body) < length:
        raise EOFError
    return status, body
