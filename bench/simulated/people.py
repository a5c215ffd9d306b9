"""Simulate guardians with phones, who sign contracts over HTTP with the product's own client library."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, Literal

import aiohttp

from bench.programs.demo import API_KEY
from qianda.client import SigningClient

NAME, CHILD = "陈建国", "陈小满"
STROKES = [[[0.1, 0.2], [0.5, 0.8], [0.9, 0.3]], [[0.2, 0.7], [0.8, 0.7]]]
# Seconds before each look at the phone or the contract. Looks are rare, because the hub spends time on each.
FIRST_LOOK, SLOWER_BY, LAST_LOOK = 0.2, 1.5, 2.0
PATIENCE = 180.0
AT_ONCE = 8
Look = Literal["phone", "state"]
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHANGING = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}|/\d+(?=\.png)|(?<=^/s)/[^/]+", re.IGNORECASE)


@dataclass
class Story:
    """One contract: the seconds from its request until it was issued, signed by the guardian, and seen as completed."""

    number: int
    issued_s: float = 0.0
    signed_s: float = 0.0
    completed_s: float = 0.0
    pages: int = 0
    contract: str = ""


@dataclass
class Stopwatch:
    """A stopwatch for every HTTP call of a session, from its first byte out to the answer's head, by method and
    path."""

    calls: list[tuple[str, float]] = field(default_factory=list)

    def trace(self) -> aiohttp.TraceConfig:
        config: aiohttp.TraceConfig = aiohttp.TraceConfig()
        config.on_request_start.append(self._begin)
        config.on_request_end.append(self._end)
        return config

    async def _begin(self, session: aiohttp.ClientSession, context: SimpleNamespace, started: Any) -> None:
        context.at = time.perf_counter()

    async def _end(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, ended: aiohttp.TraceRequestEndParams
    ) -> None:
        path = _CHANGING.sub("/_", ended.url.path)
        self.calls.append((f"{ended.method} {path}", time.perf_counter() - context.at))


class People:
    """The guardians and the school's system.

    `http`: the session of the guardians, which the caller may time. `aside`: the session of the school's system and of
    all looks at a phone or a state.
    """

    def __init__(self, origin: str, http: aiohttp.ClientSession, aside: aiohttp.ClientSession) -> None:
        self._origin, self._http, self._aside = origin, http, aside
        # How often a person looked at their phone, and the school's system at the state of a contract.
        self.looks = Counter[Look]()

    async def whole_contract(self, number: int) -> Story:
        """Take one contract from the request of another system through invitation by SMS, identification, reading and
        signature to COMPLETED."""
        story, started = Story(number), time.perf_counter()
        phone, guardian = phone_of(number), person_number(date(1985, 1, 1), number)
        story.contract = contract = await self._issue(number, phone, guardian)
        story.issued_s = time.perf_counter() - started
        ticket = await self._sms(phone, "invitation", r"/s/([0-9A-Z]{13})")
        await self._sign(story, phone, guardian, ticket)
        story.signed_s = time.perf_counter() - started
        await self._until_completed(contract)
        story.completed_s = time.perf_counter() - started
        return story

    async def whole_contracts(self, numbers: Sequence[int]) -> list[Story]:
        """Complete these contracts, AT_ONCE at a time. When one is done, the next one begins."""
        waiting, stories = iter(numbers), list[Story]()

        async def one_after_another() -> None:
            for number in waiting:
                stories.append(await self.whole_contract(number))

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
        return stories

    async def invited(self, number: int) -> str:
        """Issue a contract. Return the ticket of the guardian's invitation, as their phone shows it."""
        phone = phone_of(number)
        await self._issue(number, phone, person_number(date(1985, 1, 1), number))
        return await self._sms(phone, "invitation", r"/s/([0-9A-Z]{13})")

    async def _issue(self, number: int, phone: str, guardian: str) -> str:
        asked = {
            "campus": "hefei",
            "course": "math-a",
            "student": {"name": CHILD, "id_type": "cn-id", "id_number": person_number(date(2012, 1, 1), number)},
            "signers": [
                {
                    "role": "guardian",
                    "name": NAME,
                    "phone": phone,
                    "id_type": "cn-id",
                    "id_number": guardian,
                    "relation": "父亲",
                }
            ],
        }
        async with self._aside.post("/api/v1/contracts", json=asked, headers=_authorised()) as answer:
            answer.raise_for_status()
            return str((await answer.json())["id"])

    async def _sign(self, story: Story, phone: str, guardian: str, ticket: str) -> None:
        async with self._http.get(f"{self._origin}/s/{ticket}") as page:
            page.raise_for_status()
            await page.read()
        client = SigningClient(self._origin, http=self._http)
        await client.open(ticket)
        await client.code()
        await client.verify(await self._sms(phone, "code", r"(?<!\d)(\d{6})(?!\d)"), NAME, guardian[-4:])
        contract, shown = await client.contract(), await client.document()
        story.pages = int(contract.pages)
        await asyncio.gather(*(client.page(number) for number in range(1, story.pages + 1)))  # as a browser does
        await client.sign(strokes=STROKES, shown=shown, contract=contract)

    async def messages(self, phone: str) -> list[dict[str, str]]:
        """Return the messages that the demo's pretend phone shows, oldest first."""
        self.looks["phone"] += 1
        async with self._aside.get("/demo/phone.json", params={"phone": phone}) as answer:
            found: list[dict[str, str]] = await answer.json()
            return found

    async def _sms(self, phone: str, purpose: str, pattern: str) -> str:
        """Wait until the demo's pretend phone shows a message of this purpose. Return what `pattern` finds in it."""

        async def look() -> str | None:
            texts = [each["text"] for each in await self.messages(phone) if each["purpose"] == purpose]
            found = re.search(pattern, texts[-1], re.IGNORECASE) if texts else None
            return found[1] if found else None

        return str(await self._until(look, f"the message {purpose}"))

    async def _until_completed(self, contract: str) -> None:
        async def look() -> bool:
            return await self.state(contract) == "COMPLETED"

        await self._until(look, "completion")

    async def state(self, contract: str) -> str:
        """Return the state of a contract from the API."""
        self.looks["state"] += 1
        async with self._aside.get(f"/api/v1/contracts/{contract}", headers=_authorised()) as answer:
            return str((await answer.json())["state"])

    async def _until(self, look: Callable[[], Any], what: str) -> Any:
        deadline, pause = time.perf_counter() + PATIENCE, FIRST_LOOK
        while time.perf_counter() < deadline:
            await asyncio.sleep(pause)
            if found := await look():
                return found
            pause = min(pause * SLOWER_BY, LAST_LOOK)
        raise TimeoutError(f"{what} did not come within {PATIENCE:.0f} s")


def _authorised() -> dict[str, str]:
    return {"Authorization": f"Bearer {API_KEY}"}


def phone_of(number: int) -> str:
    return f"+8619{number:09}"


def person_number(born_from: date, number: int) -> str:
    """Return an invented but well-formed identity number (GB 11643): a birthday from `born_from` on, a serial, the
    check digit."""
    day, serial = divmod(number, 1000)
    digits = f"340104{born_from + timedelta(days=day):%Y%m%d}{serial:03}"
    weighed = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return digits + "10X98765432"[weighed % 11]
