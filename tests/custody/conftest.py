"""What these tests share: hubs that are lent to one test after another, and phones whose platforms a hub trusts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.custody.app import Phones, Platforms
from tests.lent_hubs import lent_hub


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Platforms:
    return Platforms.in_folder(tmp_path_factory.mktemp("platforms"))


@pytest_asyncio.fixture(loop_scope="module")
async def phones(platforms: Platforms) -> AsyncIterator[Phones]:
    """Yield a hub that looks as new. The test runs in the event loop that modules share."""
    async with lent_hub(configured=platforms.trusted) as running:
        yield Phones(running, platforms)
