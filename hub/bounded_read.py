"""Answers of others, read up to a limit: nobody fills our memory."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

CHUNK = 64 * 1024


async def read_limited(content: aiohttp.StreamReader, limit: int, error: Callable[[str], Exception]) -> bytes:
    """The whole body. Raises `error("the answer is too long")` when it is longer than `limit` bytes."""
    body = bytearray()
    async for chunk in content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > limit:
            raise error("the answer is too long")
    return bytes(body)
