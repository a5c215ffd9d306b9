"""Run the steps that compute over a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

# Over files up to this many bytes, a step takes a few milliseconds, in which nothing else has to go on.
MAX_COMPUTED_AT_ONCE: Final = 1_000_000
Result = TypeVar("Result")


async def compute(file: bytes, step: Callable[[], Result]) -> Result:
    """Return the result of a step over this file.

    A small file is computed in the calling thread: to wake another one, and to take turns with it, takes longer.
    """
    if len(file) <= MAX_COMPUTED_AT_ONCE:
        return step()
    return await asyncio.to_thread(step)
