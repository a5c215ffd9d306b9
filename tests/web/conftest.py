"""A hub that several modules share: making one takes longer than most of their tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.running import Running, running_hub
from tests.web.staff_visit import add_staff


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hub_of_clerks() -> AsyncIterator[Running]:
    """Yield a hub without a worker, with the accounts `clerk` of Hefei and `elsewhere` of Beijing.

    Other modules have left rows in it, and may have moved its clock.
    """
    async with running_hub(with_worker=False) as hub:
        await add_staff(hub, "clerk", "hefei")
        await add_staff(hub, "elsewhere", "beijing")
        yield hub
