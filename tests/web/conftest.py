"""What the tests of the web share: their event loop, and a hub, since making one takes longer than most tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest_asyncio
import uvloop

from tests.lent_hubs import lent_hub
from tests.running import Running, running_hub
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hub_of_clerks() -> AsyncIterator[Running]:
    """Yield a hub without a worker, with the accounts `clerk` of Hefei and `elsewhere` of Beijing.

    Other modules have left rows in it, and may have moved its clock.
    """
    async with running_hub(with_worker=False) as hub:
        await add_staff(hub, "clerk", "hefei")
        await add_staff(hub, "elsewhere", "beijing")
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    """Yield a hub for the module, without a worker, that looks as new."""
    async with lent_hub(with_worker=False) as hub:
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(running: Running) -> ConsoleBrowser:
    """Return the desk of an owner, in the module's hub."""
    return await console_of(running)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests with the event loop of a web process."""
    return {"uvloop": uvloop.new_event_loop}
