"""What these tests share: the event loop of the product, uvloop's, and a hub for a module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio
import uvloop

from tests.lifecycle.clockwork import quiet_hub
from tests.running import Running


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    """Yield a hub for the module, in which nothing happens by itself."""
    async with quiet_hub() as hub:
        yield hub
