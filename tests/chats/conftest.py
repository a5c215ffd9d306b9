"""The context of a chat: a clock at a fixed moment and an HTTP session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest_asyncio

from chats import ChatContext

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


@pytest_asyncio.fixture
async def place() -> AsyncIterator[ChatContext]:
    async with aiohttp.ClientSession() as http:
        yield ChatContext("desk", http, lambda: NOW)
