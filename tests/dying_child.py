"""Kill a child process of ours over a question: it has got it and has not answered."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import termios
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from tests.running import until

Result = TypeVar("Result")


async def die_over_question(child: int, asking: Coroutine[object, object, Result]) -> Result:
    """Return the result of the asking. `child`: the process that dies."""
    os.kill(child, signal.SIGSTOP)  # it takes the question and answers nothing
    asked = asyncio.ensure_future(asking)
    await until(lambda: _unread_bytes(child))
    os.kill(child, signal.SIGKILL)
    return await asked


async def _unread_bytes(child: int) -> int:
    """Return how much of a question lies in the pipe of this child."""
    with Path(f"/proc/{child}/fd/0").open("rb", buffering=0) as pipe:
        return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
