"""Seal one file after another: a child prepares, the seal's key signs, and the result is appended to the original.

No file is held in memory: the operating system copies it, and the new bytes are appended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.documents.pades.cms import assembled
from hub.documents.signature import Evidence, TimestampSource, filled
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_job import MAX_FILE_BYTES

# The address space has room for a mapped file of 500 MB, and qpdf's view of it.
LIMITS: Final = Limits(memory_bytes=2_500_000_000, cpu_seconds=60, seconds=120)
COPY_BYTES: Final = 1 << 20
_CHILD = "hub.documents.sealing.sealing_child"


class SealSigner(Protocol):
    """What sealing needs from a key; see `hub.tokens`."""

    async def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True)
class OfdSeal:
    """A seal as an OFD needs it: the SESeal (DER), the certificate of its SM2 key, and its size in mm."""

    seal: bytes
    certificate: bytes
    key: SealSigner
    size: tuple[float, float]


@dataclass(frozen=True)
class SealInHand:
    """A seal that may be used: its picture (a PDF page of the seal's size), its chain (DER, its own certificate first),
    and the key that signs. `ofd`: what is needed to use it in an OFD; if it cannot be used there, `ofd_fault` says
    why."""

    picture: bytes
    chain: tuple[bytes, ...]
    key: SealSigner
    ofd: OfdSeal | None = None
    ofd_fault: SealFault = SealFault.NO_OFD_SEAL


@dataclass(frozen=True)
class LongTerm:
    """What keeps a seal verifiable (B-LTA): timestamps, and evidence about the certificates."""

    timestamps: TimestampSource
    evidence: Evidence


@dataclass(frozen=True)
class SealOrder:
    """One file to be sealed. `place`: see `hub.model.sealing.seal_place`; `target`: a new file; `long_term`: None for a
    plain seal (B-B). In an OFD, only the timestamp of `long_term` is used. `sha256`: the SHA-256 (hex) that the source
    has to have, if given."""

    source: Path
    target: Path
    place: str
    seal: SealInHand
    long_term: LongTerm | None = None
    sha256: str = ""


@dataclass(frozen=True)
class _Original:
    """The part of the source with which the result begins."""

    size: int
    sha256: str


_NOTHING: Final = _Original(0, hashlib.sha256().hexdigest())


@dataclass(frozen=True)
class SealedFile:
    """`sha256` of the result (hex) and its size in bytes."""

    sha256: str
    size: int


class FileSealer:
    """A sealer with several children, each of which works on one file at a time. `clock`: for the time that a file
    claims."""

    def __init__(self, clock: Callable[[], datetime], children: int = 2, limits: Limits = LIMITS) -> None:
        self._clock = clock
        self._all = [LimitedChild(_CHILD, limits) for _ in range(children)]
        self._idle: asyncio.Queue[LimitedChild] | None = None

    @property
    def children(self) -> int:
        """How many files can be sealed at the same time."""
        return len(self._all)

    async def seal(self, order: SealOrder) -> SealedFile:
        """Seal a file. The target appears only when it is complete and flushed to the disk.

        Raises CannotSeal, TokenUnavailable, TimestampUnavailable.
        """
        size = await asyncio.to_thread(_size, order.source)
        if not 0 < size <= MAX_FILE_BYTES:
            raise CannotSeal(SealFault.TOO_LARGE if size else SealFault.NOT_A_DOCUMENT)
        async with AsyncExitStack() as stack:
            child = await self._take(stack)
            facts, added = await self._ask(child, _question(order, self._clock()), order.seal.picture)
            if order.sha256 not in {"", facts["sha256"]}:
                raise CannotSeal(SealFault.SOURCE_CHANGED)
            if facts["kind"] == "ofd":
                return await self._finish_ofd(child, order, b64decode(facts["to_be_signed"]))
            added = await self._finish_pdf(child, order, facts, added)
        original = _Original(facts["length"], facts["sha256"])
        return await asyncio.to_thread(_write, order, original, added)

    def close(self) -> None:
        """End the children. The next file starts new ones."""
        for child in self._all:
            child.close()

    async def _take(self, stack: AsyncExitStack) -> LimitedChild:
        if self._idle is None:
            self._idle = asyncio.Queue()
            for child in self._all:
                self._idle.put_nowait(child)
        child = await self._idle.get()
        stack.callback(self._idle.put_nowait, child)
        return child

    async def _ask(self, child: LimitedChild, asked: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        head, _, rest = (await _answer(child, asked, body)).partition(b"\n")
        return json.loads(head), rest

    async def _finish_pdf(self, child: LimitedChild, order: SealOrder, facts: dict[str, Any], added: bytes) -> bytes:
        to_be_signed, chain, long_term = b64decode(facts["to_be_signed"]), order.seal.chain, order.long_term
        signature = await order.seal.key.sign(to_be_signed)
        if long_term is None:
            return filled(added, facts["gap"], assembled(to_be_signed, signature, chain, None))
        token = await long_term.timestamps.timestamp(hashlib.sha256(signature).digest())
        content = assembled(to_be_signed, signature, chain, token)
        evidence = {
            "certificates": _texts(long_term.evidence.certificates),
            "crls": _texts(long_term.evidence.crls),
            "answers": _texts(long_term.evidence.answers),
        }
        closed, both = await self._ask(child, {"do": "close"} | evidence, content)
        stamp = await long_term.timestamps.timestamp(bytes.fromhex(closed["digest"]))
        first = closed["first"]
        return both[:first] + filled(both[first:], closed["gap"], stamp)

    async def _finish_ofd(self, child: LimitedChild, order: SealOrder, to_be_signed: bytes) -> SealedFile:
        assert order.seal.ofd is not None
        signature = await order.seal.ofd.key.sign(to_be_signed)
        stamp = ""
        if order.long_term is not None:
            token = await order.long_term.timestamps.timestamp(hashlib.sha256(signature).digest())
            stamp = b64encode(token).decode()
        file = await _answer(child, {"do": "finish", "timestamp": stamp}, signature)
        return await asyncio.to_thread(_write, order, _NOTHING, file)


async def _answer(child: LimitedChild, asked: dict[str, Any], body: bytes) -> bytes:
    try:
        return await asyncio.to_thread(child.ask, json.dumps(asked).encode() + b"\n" + body)
    except ChildFailed as error:
        if error.refused and str(error) in set(SealFault):
            raise CannotSeal(SealFault(str(error))) from error
        raise CannotSeal(SealFault.UNSUITABLE if error.refused else SealFault.HOSTILE) from error


def _question(order: SealOrder, at: datetime) -> dict[str, Any]:
    ofd = order.seal.ofd
    return {
        "do": "prepare",
        "path": str(order.source.absolute()),
        "place": order.place,
        "chain": _texts(order.seal.chain),
        "at": at.isoformat(),
        "ofd_fault": order.seal.ofd_fault.value,
        "ofd": ofd
        and {
            "seal": b64encode(ofd.seal).decode(),
            "certificate": b64encode(ofd.certificate).decode(),
            "width": ofd.size[0],
            "height": ofd.size[1],
        },
    }


def _texts(values: Sequence[bytes]) -> list[str]:
    return [b64encode(value).decode() for value in values]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise CannotSeal(SealFault.SOURCE_MISSING) from error


def _write(order: SealOrder, original: _Original, added: bytes) -> SealedFile:
    """Write the original and the new bytes, first under a temporary name. Raises CannotSeal if the original is not the
    file that was hashed for the signature."""
    fresh, hashed, left = order.target.with_name(f".{order.target.name}.part"), hashlib.sha256(), original.size
    with fresh.open("wb") as target, order.source.open("rb") as source:
        while left and (chunk := source.read(min(COPY_BYTES, left))):
            hashed.update(chunk)
            target.write(chunk)
            left -= len(chunk)
        if hashed.hexdigest() != original.sha256:
            raise CannotSeal(SealFault.SOURCE_CHANGED)
        hashed.update(added)
        target.write(added)
        target.flush()
        os.fsync(target.fileno())
    fresh.replace(order.target)
    return SealedFile(hashed.hexdigest(), original.size + len(added))
