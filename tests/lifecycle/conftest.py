"""The event loop of these tests: the one that a worker has, uvloop's, where no pages are served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

# The web server closes sockets in a way that uvloop does not allow: it runs on asyncio's loop in production too.
WITH_PAGES = {"test_erase.py", "test_ofd_contract.py", "test_pause.py", "test_person.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name in WITH_PAGES:
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
