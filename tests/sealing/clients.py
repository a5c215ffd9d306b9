"""Another system that has files sealed: its key, its grant, and its requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from hub.model.sealing.seal import KeyPlace, Seal, SealKind, SealState
from hub.model.sealing.seal_grant import Grantee, GranteeKind, SealGrant
from hub.model.staff.accounts import EVERYTHING, ApiKey
from hub.model.staff.key_scopes import KeyScope
from tests.running import Running, until


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
        form = aiohttp.FormData()
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

    async def ended(self, job: str) -> dict[str, Any]:
        """Wait until a job has ended."""

        async def look() -> dict[str, Any] | None:
            async with self.running.http.get(f"{self.url}/{job}", headers=self.headers) as answer:
                found: dict[str, Any] = await answer.json()
            return found if found["ended_at"] else None

        return await until(look)

    async def items(self, job: str, query: str = "") -> list[dict[str, Any]]:
        async with self.running.http.get(f"{self.url}/{job}/items{query}", headers=self.headers) as answer:
            assert answer.status == 200
            return list((await answer.json())["items"])


async def new_client(running: Running, campus: str = "hefei") -> SealClientDouble:
    name = f"registry-{uuid4()}"
    key, secret = ApiKey(uuid4(), name, campus, frozenset({KeyScope.SEAL})), f"secret-{uuid4()}"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.api_keys.add(key, secret, tx.now)
    return SealClientDouble(running, name, secret)


async def configured_seal(running: Running) -> Seal:
    """Return the seal that the configuration names, as it is added when it is first looked at."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        known = await tx.seals.get_configured()
        if known is not None:
            return known
        headquarters = await tx.school.headquarters()
        assert headquarters is not None
        own = running.hub.services.sealing.seal
        seal = Seal(
            id=uuid4(),
            name="合同专用章",
            kind=SealKind.CONTRACT,
            campus=headquarters.id,
            registered_name=own.organisation,
            registered_code="",
            inscription="合同专用章",
            state=SealState.ACTIVE,
            created_at=tx.now,
            changed_at=tx.now,
            key_place=KeyPlace.CONFIGURED,
            chain=own.chain,
        )
        assert await tx.seals.add(seal)
        return seal


async def grant(
    client: SealClientDouble, seal: UUID, *, uses: int | None = None, until: datetime | None = None
) -> UUID:
    given = SealGrant(
        uuid4(),
        seal,
        Grantee(GranteeKind.CLIENT, client.name),
        "hefei",
        (),
        "staff:a",
        client.running.clock(),
        expires_at=until,
        max_uses=uses,
    )
    async with client.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.seals.add_grant(given)
    return given.id


async def granted_client(running: Running, **limits: Any) -> SealClientDouble:
    client = await new_client(running)
    await grant(client, (await configured_seal(running)).id, **limits)
    return client
