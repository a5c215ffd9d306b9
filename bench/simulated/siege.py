"""Make all attacks on a web server at once, as a separate program that records their outcome.

python -m bench.simulated.siege ORIGIN GENUINE.pdf --ledger LEDGER      # until it is told to end
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from bench.simulated.attackers import Stalled, Target, drip, drop_seconds, page_bomb

DRIPS, BOMBERS, READERS, HALF_OPEN = 10, 3, 200, 100
# Seconds until the same client tries again. The rate limit allows 30 checks per minute and address.
PAUSE, VISITOR_PAUSE = 1.0, 3.0
MAX_DROP_TIME = 60.0
DRIPPING, VISITOR = "203.0.113.1", "203.0.113.250"


class Siege:
    def __init__(self, origin: str, genuine: bytes, ledger: Path, http: aiohttp.ClientSession) -> None:
        self._origin, self._target, self._genuine, self._http = origin, Target.at(origin), genuine, http
        self._ledger = ledger.open("a", buffering=1)

    async def lay(self) -> None:
        bomb = page_bomb()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(DRIPS):
                tasks.create_task(self._again(lambda: self._timed("drip", drip(self._target, DRIPPING)), PAUSE))
            for number in range(BOMBERS):
                tasks.create_task(self._again(self._poster("bomb", bomb, f"203.0.113.{10 + number}"), PAUSE))
            tasks.create_task(self._again(self._poster("visitor", self._genuine, VISITOR), VISITOR_PAUSE))
            tasks.create_task(self._again(self._stall, PAUSE))

    async def _again(self, act: Callable[[], Awaitable[object]], pause: float) -> None:
        while True:
            try:
                await act()
            except (OSError, aiohttp.ClientError) as error:
                self._write("broken", error=type(error).__name__)
            await asyncio.sleep(pause)

    def _poster(self, what: str, file: bytes, address: str) -> Callable[[], Awaitable[object]]:
        return lambda: self._timed(what, self._post(file, address))

    async def _post(self, file: bytes, address: str) -> int:
        headers = {"Content-Type": "application/pdf", "X-Forwarded-For": address}
        async with self._http.post(f"{self._origin}/verify", data=BytesIO(file), headers=headers) as answer:
            await answer.read()
            return answer.status

    async def _timed(self, what: str, act: Awaitable[int | None]) -> None:
        begun = time.perf_counter()
        status = await act
        self._write(what, status=status, wall_s=time.perf_counter() - begun)

    async def _stall(self) -> None:
        static = self._target.head("GET /static/signer/update.js")
        kinds = (static * 500, self._target.head("GET /verify", Accept="text/html") * 100, static)
        stalled = [Stalled(self._target, kinds[number % len(kinds)]) for number in range(READERS)]
        stalled += [Stalled(self._target, (b"", static[:30])[number % 2]) for number in range(HALF_OPEN)]
        for seconds in await drop_seconds(self._target, stalled, MAX_DROP_TIME):
            self._write("stalled", wall_s=seconds)
        for reader in stalled:
            reader.close()

    def _write(self, what: str, **more: Any) -> None:
        self._ledger.write(json.dumps({"work": what, **more}) + "\n")


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("origin")
    parser.add_argument("genuine", type=Path)
    parser.add_argument("--ledger", type=Path, required=True)
    given = parser.parse_args()
    async with aiohttp.ClientSession() as http:
        siege = asyncio.ensure_future(Siege(given.origin, given.genuine.read_bytes(), given.ledger, http).lay())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, siege.cancel)
        await asyncio.wait([siege])


if __name__ == "__main__":
    asyncio.run(_main())
