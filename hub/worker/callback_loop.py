"""Process the callbacks of providers that the web process has stored: receipts and inbound messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hub.lifecycle.inbound.process_callbacks import process_callback, process_callback_batch
from hub.store.inbound.callback_writer import CALLS_CAME
from hub.wiring import Hub
from hub.worker.loops import check_listener, listening, log_errors, sleep_or_stop, wait_for_either

# Seconds between two rounds of callbacks. Receipts are many, small and never urgent, so they share a transaction.
GATHER_CALLS = 0.1


class CallbackLoop:
    """The loop that processes stored callbacks, woken by NOTIFY. `rest`: seconds after which it looks for callbacks
    without a NOTIFY. `beat`: called in each turn with the longest time that the loop will sleep, in seconds."""

    def __init__(self, hub: Hub, rest: float, beat: Callable[[float], None]) -> None:
        self._beat = beat
        self._hub = hub
        self._services = hub.services
        self._rest = rest
        self._calls_came = asyncio.Event()

    async def listen_for_callbacks(self, stop: asyncio.Event) -> None:
        async with listening(self._hub.database, CALLS_CAME, self._calls_came) as listener:
            while not stop.is_set():
                self._calls_came.clear()
                number = await self.process_callbacks()
                self._beat(self._rest)
                if number:
                    await sleep_or_stop(stop, GATHER_CALLS)
                else:
                    await wait_for_either(self._calls_came, stop, self._rest)
                check_listener(listener)

    async def process_callbacks(self) -> int:
        """Process due callbacks, as many as fit into one transaction. Return their number."""
        number, left = await process_callback_batch(self._services)
        await asyncio.gather(*(log_errors(process_callback(self._services, each)) for each in left))
        return number
