"""Read what others send, requests and answers, up to a limit, so that a long body cannot fill our memory."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

CHUNK = 64 * 1024


async def read_limited(content: aiohttp.StreamReader, limit: int, error: Callable[[str], Exception]) -> bytes:
    """Return the whole body. Raises `error("the answer is too long")` if it is longer than `limit` bytes."""
    body = bytearray()
    async for chunk in content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > limit:
            raise error("the answer is too long")
    return bytes(body)
