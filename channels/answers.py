"""Read the answers of providers up to a limit, so that a long or compressed one cannot fill our memory."""

from __future__ import annotations

import aiohttp

# A page of Twilio's list, its longest answer, has up to a thousand messages.
MAX_ANSWER_BYTES = 8 << 20
CHUNK = 64 * 1024


async def read_answer(answer: aiohttp.ClientResponse) -> bytes:
    """Return the whole body. Raises ClientPayloadError if it is longer than MAX_ANSWER_BYTES."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(body)
