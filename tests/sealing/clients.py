"""Another system that has files sealed: its key, its grant, and its requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_grant import Grantee, GranteeKind, SealGrant
from hub.model.staff.accounts import ApiKey
from hub.model.staff.key_scopes import KeyScope
from hub.model.staff.scope import EVERYTHING
from tests.running import Running, until

_NUMBERS = count()  # each client of a run has a name of its own; `s3_double` lets the first hundred in


@dataclass
class SealClientDouble:
    """A client of the API. `secret`: of its key."""

    running: Running
    name: str
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    async def upload(
        self, files: dict[str, bytes], place: str, *, once: str = "", **fields: str
    ) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData(quote_fields=False)
        for name, value in {"place": place, **fields}.items():
            form.add_field(name, value)
        for name, content in files.items():
            form.add_field("file", content, filename=name)
        headers = self.headers | ({"Idempotency-Key": once} if once else {})
        async with self.running.http.post(self.url, data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def ask(self, **asked: Any) -> tuple[int, dict[str, Any]]:
        async with self.running.http.post(self.url, json=asked, headers=self.headers) as answer:
            return answer.status, await answer.json()

    @property
    def url(self) -> str:
        return f"{self.running.origin}/api/v1/seal-jobs"

    async def get(self, path: str) -> tuple[int, bytes]:
        async with self.running.http.get(f"{self.url}/{path}", headers=self.headers) as answer:
            return answer.status, await answer.read()

    async def ask_about(self, job: str) -> dict[str, Any]:
        async with self.running.http.get(f"{self.url}/{job}", headers=self.headers) as answer:
            return dict(await answer.json())

    async def ended(self, job: str) -> dict[str, Any]:
        """Wait until a job has ended."""

        async def look() -> dict[str, Any] | None:
            found = await self.ask_about(job)
            return found if found["ended_at"] else None

        return await until(look)

    async def items(self, job: str, query: str = "") -> list[dict[str, Any]]:
        async with self.running.http.get(f"{self.url}/{job}/items{query}", headers=self.headers) as answer:
            assert answer.status == 200
            return list((await answer.json())["items"])


async def new_client(running: Running, campus: str = "hefei") -> SealClientDouble:
    name = f"registry-{next(_NUMBERS)}"
    key, secret = ApiKey(uuid4(), name, campus, frozenset({KeyScope.SEAL})), f"secret-{uuid4()}"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.api_keys.add(key, secret, tx.now)
    return SealClientDouble(running, name, secret)


async def configured_seal(running: Running) -> Seal:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await get_configured_seal(running.hub.services, tx)


async def grant(
    client: SealClientDouble, seal: UUID, *, uses: int | None = None, until: datetime | None = None
) -> UUID:
    grantee, now = Grantee(GranteeKind.CLIENT, client.name), client.running.clock()
    given = SealGrant(uuid4(), seal, grantee, "hefei", (), "staff:a", now, expires_at=until, max_uses=uses)
    async with client.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.seals.add_grant(given)
    return given.id


async def granted_client(running: Running, **limits: Any) -> SealClientDouble:
    client = await new_client(running)
    await grant(client, (await configured_seal(running)).id, **limits)
    return client
