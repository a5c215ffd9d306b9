"""Use a calendar of OpenTimestamps, which writes given digests into the Bitcoin chain a few hours later.

    [notaries.calendar]
    kind = "opentimestamps"
    url = "https://alice.btc.calendar.opentimestamps.org"

The first receipt is the calendar's promise; the final one leads to the root of a Bitcoin block. Both are `.ots` files.
The hub has no Bitcoin node, so only `ots verify` with a node can tell whether the block is in the chain. Source:
python-opentimestamps, `calendar.py` (POST /digest, GET /timestamp/COMMITMENT).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from hub.bounded_read import read_limited
from hub.errors import NotaryUnavailable
from hub.notaries import MAX_RECEIPT_BYTES, Notary, NotaryContext, NotaryReceipt
from hub.notaries.ots_proof import BITCOIN, PENDING, AttestedDigest, NotOtsProof, proof_file, read_proof_file
from hub.rest_mapping import read_options

HEADERS: Final = {"Accept": "application/vnd.opentimestamps.v1", "User-Agent": "qianda"}


class CalendarOptions(BaseModel):
    """Options. `deadline`: seconds for one whole call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^?#@\s]+$")
    deadline: float = Field(default=10, gt=0, le=60)


def connect(options: Mapping[str, Any], context: NotaryContext) -> Notary:
    """Return the calendar. Raises ValueError that names the option."""
    return Calendar(read_options(CalendarOptions, options, f"notaries.{context.name}"), context)


class Calendar:
    def __init__(self, options: CalendarOptions, context: NotaryContext) -> None:
        self._options, self._context = options, context

    async def deposit(self, root: bytes) -> NotaryReceipt:
        answer = await self._call("POST", "/digest", root)
        if answer is None:
            raise NotaryUnavailable(f"{self._context.name}: it takes no digests")
        return self._checked(root, proof_file(root, answer))

    async def complete(self, root: bytes, earlier: NotaryReceipt) -> NotaryReceipt | None:
        promised = read_proof_file(root, earlier.receipt)
        more = await self._call("GET", f"/timestamp/{_promise(promised).message.hex()}")
        if more is None:
            return None
        found = self._checked(root, _go_on(earlier.receipt, promised, more))
        return found if found.is_final else None

    def read(self, root: bytes, receipt: bytes) -> NotaryReceipt:
        attested = read_proof_file(root, receipt)
        if blocks := [each.height for each in attested if each.tag == BITCOIN]:
            return NotaryReceipt(f"bitcoin block {min(blocks)}", receipt, is_final=True)
        return NotaryReceipt(_promise(attested).message.hex(), receipt, is_final=False)

    def _checked(self, root: bytes, receipt: bytes) -> NotaryReceipt:
        try:
            return self.read(root, receipt)
        except NotOtsProof as error:
            raise NotaryUnavailable(f"{self._context.name}: its answer cannot be used: {error}") from error

    async def _call(self, method: str, path: str, body: bytes | None = None) -> bytes | None:
        """Return the answer; None if there is none yet (status 404)."""
        try:
            async with (
                asyncio.timeout(self._options.deadline),
                self._context.http.request(
                    method, self._options.url.rstrip("/") + path, data=body, headers=HEADERS, allow_redirects=False
                ) as response,
            ):
                if response.status == 404:
                    return None
                if response.status != 200:
                    raise NotaryUnavailable(f"{self._context.name}: it answered with status {response.status}")
                return await read_limited(response.content, MAX_RECEIPT_BYTES, NotaryUnavailable)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise NotaryUnavailable(f"{self._context.name}: no answer: {type(error).__name__}") from error


def _promise(attested: list[AttestedDigest]) -> AttestedDigest:
    promises = [each for each in attested if each.tag == PENDING]
    if len(attested) != 1 or len(promises) != 1:
        raise NotOtsProof("not one promise of a calendar")
    return promises[0]


def _go_on(receipt: bytes, promised: list[AttestedDigest], more: bytes) -> bytes:
    """Return the proof in which the following steps replace the promise at its end."""
    payload = promised[0].payload
    end = 1 + len(PENDING) + len(_length(len(payload))) + len(payload)
    return receipt[:-end] + more


def _length(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])
