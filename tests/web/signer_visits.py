"""Sessions of signers for the tests of the protocol: by the client library, and by plain requests to misbehave."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from hub.model.contract.contract import Contract
from qianda.client import SigningClient
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, ONE_TIME_CODE, Running

NAME, TAIL = "陈建国", GUARDIAN_ID[-4:]


async def code_for(running: Running, phone: str = GUARDIAN_PHONE, count: int = 1) -> str:
    found = ONE_TIME_CODE.search(await running.message("code", phone, count))
    assert found
    return found[0]


@contextlib.asynccontextmanager
async def opened(running: Running, contract: Contract, number: int = 0) -> AsyncIterator[SigningClient]:
    """Yield a client whose session has opened the signer's link, and no more."""
    async with SigningClient(running.origin) as client:
        await client.open(await running.ticket(contract, number=number))
        yield client


@contextlib.asynccontextmanager
async def verified(
    running: Running,
    contract: Contract,
    number: int = 0,
    name: str = NAME,
    tail: str = TAIL,
    phone: str = GUARDIAN_PHONE,
    count: int = 1,
) -> AsyncIterator[SigningClient]:
    async with opened(running, contract, number) as client:
        await client.code()
        await client.verify(await code_for(running, phone, count), name, tail)
        yield client


def stands_alone(secret: str, text: str) -> bool:
    """Return whether a text says these digits or letters, other than inside an id, a hash, a port or a time that has
    them by chance."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])", text) is not None


def without_id(body: Any) -> Any:
    """Return problem details without the id of the request, which no two answers share."""
    return {name: value for name, value in body.items() if name != "request_id"} if isinstance(body, dict) else body


async def asked(
    running: Running,
    method: str,
    path: str,
    *,
    body: Any = None,
    bearer: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, Mapping[str, str]]:
    """Make one plain request. Return its status, JSON (or text) and headers."""
    sent = {**({"Authorization": f"Bearer {bearer}"} if bearer else {}), **(headers or {})}
    url = f"{running.origin}{path}"
    async with running.http.request(method, url, json=body, headers=sent, allow_redirects=False) as answer:
        content = await answer.json(content_type=None) if "json" in answer.content_type else await answer.text()
        return answer.status, content, answer.headers
