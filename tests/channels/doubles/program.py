"""A double as a program of its own, so that its ledger survives whatever happens to the hub."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from tests.channels.doubles.ledger import Ledger


class Server(Protocol):
    url: str

    def serving(self, port: int) -> AbstractAsyncContextManager[None]:
        """Listen on this port of 127.0.0.1 (0: a free one) until the end."""


def run(double: Callable[..., Server]) -> None:
    """Serve until SIGINT or SIGTERM. Prints the address on standard output as soon as it is open."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--lose", type=float, default=0.0, help="share of replies that are lost after acceptance")
    parser.add_argument("--seed", type=int, default=0)
    known = inspect.signature(double).parameters
    if "delay" in known:
        parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    if "lag" in known:
        parser.add_argument("--lag", type=float, default=0.0, help="seconds before a list shows what is new")
    if "callbacks" in known:
        parser.add_argument("--callbacks", default="", help="origin that gets the calls, whatever they are for")
    if "deliver" in known:
        parser.add_argument("--deliver", action="store_true", help="report each accepted message as delivered")
    asyncio.run(_serve(double, vars(parser.parse_args())))


async def _serve(double: Callable[..., Server], arguments: dict[str, Any]) -> None:
    port, ledger = arguments.pop("port"), Ledger.at(arguments.pop("ledger"))
    server = double(ledger=ledger, **arguments)
    ended = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    async with server.serving(port):
        print(server.url, flush=True)
        await ended.wait()
