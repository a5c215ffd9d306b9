"""Simulate guardians who sign or decline while the hub is being killed. They read messages in the provider's ledger."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aiohttp

from bench.simulated.people import NAME, STROKES
from qianda.client import SigningClient
from qianda.wire import BadAnswer, ProtocolProblem

TICKET = re.compile(r"/s/([0-9A-Z]{13})", re.IGNORECASE)
CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
LOOK_EVERY, MESSAGE_TIMEOUT = 0.5, 90.0
AGAIN_AFTER = 15.0
# Seconds that guardians who have signed or declined wait for the contract to end before they open the link again.
MAX_WAIT = 300.0
CODE_APART = 61.0


class Messages:
    """The messages that the provider accepted, by phone number. Each read of the ledger begins where the last one
    ended."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._read = 0
        self._by_phone: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)

    def of(self, phone: str) -> list[tuple[str, str]]:
        """Return the keys and texts of this number's messages, oldest first."""
        with self._ledger.open(encoding="utf-8") as file:
            file.seek(self._read)
            while (line := file.readline()).endswith("\n"):
                self._read = file.tell()
                each = json.loads(line)
                if each["what"] == "accepted":
                    self._by_phone[each["to"]].append((each["key"], each["text"]))
        return self._by_phone[phone]


@dataclass
class Guardian:
    """A guardian with a phone. `tail`: the last four characters of their document number. `interrupted`: how often each
    reason interrupted them."""

    origin: str
    messages: Messages
    phone: str
    tail: str
    wish: Literal["sign", "decline"]
    interrupted: Counter[str] = field(default_factory=Counter)
    _asked_at: float = -CODE_APART

    async def live(self, http: aiohttp.ClientSession, gate: asyncio.Semaphore, ended: asyncio.Event) -> None:
        """Open the link and act, and start again after each interruption, as a person would, until the contract has
        ended.

        `gate` limits how many guardians act at once.
        """
        while not ended.is_set():
            pause = MAX_WAIT
            async with gate:
                try:
                    await self._visit(http)
                except Exception as error:  # a person would try again after any error; the reason is kept in the rows
                    self.interrupted[_reason(error)] += 1
                    pause = max(AGAIN_AFTER, self._asked_at + CODE_APART - time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), pause)

    async def _visit(self, http: aiohttp.ClientSession) -> None:
        ticket = await self._read(TICKET, lambda key: key.startswith("step-"))
        client = SigningClient(self.origin, http=http)
        await client.open(ticket)
        seen = len([key for key, _ in self.messages.of(self.phone) if key.startswith("code-")])
        self._asked_at = time.monotonic()
        await client.code()
        code = await self._read(CODE, lambda key: key.startswith("code-"), seen)
        await client.verify(code, NAME, self.tail)
        if self.wish == "decline":
            await client.decline("the bench does not want it")
        else:
            await client.sign(strokes=STROKES, shown=await client.document())

    async def _read(self, pattern: re.Pattern[str], wanted: Callable[[str], bool], more_than: int = 0) -> str:
        """Return the match of `pattern` in the newest message whose key is `wanted`, once there are more than
        `more_than` such messages.

        Raises TimeoutError if no message comes, BadAnswer if the pattern does not match.
        """
        deadline = time.monotonic() + MESSAGE_TIMEOUT
        while len(found := [text for key, text in self.messages.of(self.phone) if wanted(key)]) <= more_than:
            if time.monotonic() > deadline:
                raise TimeoutError("no message came")
            await asyncio.sleep(LOOK_EVERY)
        match = pattern.search(found[-1])
        if match is None:
            raise BadAnswer("the message does not say what it should")
        return match[match.lastindex or 0]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {error.code}" if isinstance(error, ProtocolProblem) else type(error).__name__
