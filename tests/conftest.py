"""What every test may ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.database import Dsns, fresh_database, leave_shared_server


@pytest.fixture
async def database() -> AsyncIterator[Dsns]:
    """A migrated database of the test's own."""
    async with fresh_database() as dsns:
        yield dsns


def pytest_sessionfinish() -> None:
    leave_shared_server()
