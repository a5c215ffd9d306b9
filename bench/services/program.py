"""Run a service as a separate program. Its ledger is on the disk before the answer is sent, and outlives every process
of the hub."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.channels.doubles.ledger import Ledger


class Service(Protocol):
    """An outside service. `losing`: the paths whose replies may get lost, after an act that the ledger records."""

    losing: frozenset[str]

    async def started(self, origin: str) -> None:
        """Handle the start of the service, which is reachable at this origin from now on."""
        ...

    def routes(self) -> list[web.RouteDef]: ...


class KeptLedger(Ledger):
    def write(self, what: str, **values: Any) -> None:
        super().write(what, **values)
        if self.file:
            os.fsync(self.file.fileno())


@dataclass(frozen=True)
class ServiceTrouble:
    """Middleware that delays replies and loses a share of them, after the act. The ledger says which."""

    ledger: Ledger
    losing: frozenset[str]
    lose: float
    delay: float
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def middleware(self) -> Middleware:
        @web.middleware
        async def troubled(request: web.Request, handler: Handler) -> web.StreamResponse:
            answer = await handler(request)
            await asyncio.sleep(self.delay)
            if request.path in self.losing and self.chance.random() < self.lose and request.transport:
                self.ledger.write("reply lost", path=request.path)
                request.transport.abort()
            return answer

        return troubled


def run(make: Callable[[argparse.Namespace, Ledger], Service], *options: str) -> None:
    """Serve until SIGINT or SIGTERM. Prints the address on standard output as soon as the service is ready.

    `options`: further command-line options of this service, all required.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--lose", type=float, default=0.0, help="share of replies that are lost after the act")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    for each in options:
        parser.add_argument(f"--{each}", required=True)
    arguments = parser.parse_args()
    asyncio.run(_serve(make, arguments))


async def _serve(make: Callable[[argparse.Namespace, Ledger], Service], arguments: argparse.Namespace) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, ended.set)
    with arguments.ledger.open("a", encoding="utf-8") as file:
        ledger = KeptLedger(file)
        service = make(arguments, ledger)
        trouble = ServiceTrouble(ledger, service.losing, arguments.lose, arguments.delay)
        app = web.Application(middlewares=[trouble.middleware()])
        app.add_routes(service.routes())
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            await service.started(origin)
            print(origin, flush=True)
            await ended.wait()
        finally:
            await runner.cleanup()
