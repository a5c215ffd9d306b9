"""The school's own system: it asks for contracts through the API, again and again until it is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from bench.crowd import Crowd
from bench.people import CHILD, NAME
from hub.model.staff import EVERYTHING
from hub.store.unit import Database

SECRET = "api-key-of-the-office"
AGAIN_AFTER = 2.0
WAIT = (409, 429)
"""An answer that it is being worked on, or too soon."""


@dataclass
class Office:
    """`interrupted`: how often no answer came."""

    origin: str
    interrupted: int = 0

    @classmethod
    async def of_school(cls, crowd: Crowd) -> Office:
        database = Database(crowd.server.postgres.dsn("app"), crowd.keys, lambda: datetime.now(UTC))
        try:
            async with database.unit(EVERYTHING) as unit:
                campuses = await unit.school.campuses()
                headquarters = next(each.id for each in campuses if each.parent is None)
                await unit.desk.put_api_key("office", SECRET, headquarters, unit.now)
        finally:
            await database.close()
        return cls(crowd.server.origin)

    async def issue(self, http: aiohttp.ClientSession, phone: str) -> None:
        """One contract for this guardian, whatever is killed meanwhile: the key says that it is the same request."""
        headers = {"Authorization": f"Bearer {SECRET}", "Idempotency-Key": f"issue-{phone}"}
        while not await self._answered(http, _asked(phone), headers):
            self.interrupted += 1
            await asyncio.sleep(AGAIN_AFTER)

    async def _answered(self, http: aiohttp.ClientSession, asked: dict[str, Any], headers: dict[str, str]) -> bool:
        try:
            async with http.post(f"{self.origin}/api/v1/contracts", json=asked, headers=headers) as answer:
                if answer.status in WAIT or answer.status >= 500:
                    return False
                answer.raise_for_status()
                return True
        except aiohttp.ClientResponseError:
            raise
        except (aiohttp.ClientError, TimeoutError):
            return False


def _asked(phone: str) -> dict[str, Any]:
    guardian = {
        "role": "guardian", "name": NAME, "phone": phone, "id_type": "passport", "id_number": f"E{phone[-8:]}",
        "relation": "父亲",
    }  # fmt: skip
    student = {"name": CHILD, "id_type": "cn-id", "id_number": "340104201209010016"}
    return {"campus": "hefei", "course": "math-a", "external_id": phone, "student": student, "signers": [guardian]}
