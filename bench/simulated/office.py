"""Simulate the school's own system, which requests contracts through the API and repeats each request until it is
answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from bench.simulated.crowd import Crowd
from bench.simulated.people import CHILD, NAME
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Database

SECRET = "api-key-of-the-office"
AGAIN_AFTER, CREATED = 2.0, 201


@dataclass
class Office:
    """The school's system. `refusals`: how often each answer other than the contract came, including no answer."""

    origin: str
    refusals: Counter[str] = field(default_factory=Counter)

    @classmethod
    async def of_school(cls, crowd: Crowd) -> Office:
        database = Database(crowd.server.postgres.dsn("app"), crowd.keys, lambda: datetime.now(UTC))
        try:
            async with database.transaction(EVERYTHING) as tx:
                campuses = await tx.school.list_campuses()
                headquarters = next(each.id for each in campuses if each.parent is None)
                await tx.api_keys.put_api_key("office", SECRET, headquarters, tx.now)
        finally:
            await database.close()
        return cls(crowd.server.origin)

    async def issue(self, http: aiohttp.ClientSession, phone: str) -> None:
        """Request one contract for this guardian until it is issued. The Idempotency-Key makes every attempt the same
        request."""
        headers = {"Authorization": f"Bearer {SECRET}", "Idempotency-Key": f"issue-{phone}"}
        while refusal := await self._asked(http, _contract(phone), headers):
            self.refusals[refusal] += 1
            await asyncio.sleep(AGAIN_AFTER)

    async def _asked(self, http: aiohttp.ClientSession, asked: dict[str, Any], headers: dict[str, str]) -> str:
        try:
            async with http.post(f"{self.origin}/api/v1/contracts", json=asked, headers=headers) as answer:
                await answer.read()
                return "" if answer.status == CREATED else str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__


def _contract(phone: str) -> dict[str, Any]:
    guardian = {
        "role": "guardian",
        "name": NAME,
        "phone": phone,
        "id_type": "passport",
        "id_number": f"E{phone[-8:]}",
        "relation": "父亲",
    }
    student = {"name": CHILD, "id_type": "cn-id", "id_number": "340104201209010016"}
    return {"campus": "hefei", "course": "math-a", "external_id": phone, "student": student, "signers": [guardian]}
