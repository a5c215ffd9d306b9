"""Run computations over a file without blocking the event loop for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

# A step over a file of at most this many bytes takes a few milliseconds, so it may block the event loop.
MAX_COMPUTED_AT_ONCE: Final = 1_000_000
Result = TypeVar("Result")


async def compute(file: bytes, step: Callable[[], Result]) -> Result:
    """Return the result of a step over this file.

    For a small file, the step runs in the calling thread, because handing it to another thread takes longer.
    """
    if len(file) <= MAX_COMPUTED_AT_ONCE:
        return step()
    return await asyncio.to_thread(step)
