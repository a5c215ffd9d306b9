"""Call a provider by POST, and read its answer in JSON. Not a channel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from channels import NotNow, ReplyLost
from channels.answers import read_answer


@dataclass(frozen=True)
class ProviderAnswer:
    """An answer of the provider."""

    status: int
    data: Mapping[str, Any]
    retry_after: timedelta | None


async def post(
    http: aiohttp.ClientSession, url: str | URL, headers: Mapping[str, str], body: bytes, deadline: float
) -> ProviderAnswer:
    """Make one POST. Raises NotNow if the request cannot have arrived, ReplyLost if no readable answer comes."""
    # Half of the time is for connecting, where a failure is certain not to have sent anything.
    timeout = aiohttp.ClientTimeout(total=deadline, sock_connect=deadline / 2)
    try:
        async with http.post(
            url,
            headers=headers,
            data=body or None,
            skip_auto_headers=("Content-Type",),
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            status, retry_after = response.status, _retry_after(response.headers.get("Retry-After"))
            text = await read_answer(response)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NotNow(f"no connection: {type(error).__name__}") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        # The text of these errors may contain the URL, and thus the phone number, so only the error's name is kept.
        raise ReplyLost(f"no answer: {type(error).__name__}") from None
    if status == 429:
        raise NotNow("too many requests", retry_after)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ReplyLost(f"status {status} with an unreadable answer")
    return ProviderAnswer(status, data, retry_after)


def _retry_after(value: str | None) -> timedelta | None:
    """Return the time to wait: seconds, or until a date (RFC 9110, 10.2.3). None if it is missing or unreadable."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value[:6]))
    try:
        return max(parsedate_to_datetime(value) - datetime.now(UTC), timedelta())
    except (ValueError, TypeError, OverflowError):
        return None
