"""Seal files: a child prepares a few at once, the seal's key signs, and the result is appended to each original.

No large file is held in memory: it is read in chunks, and the new bytes are appended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.documents.pades.cms import assembled
from hub.documents.sealing.parts_of_body import split_body
from hub.documents.sealing.sealed_files import NOTHING, NewFile, SealedFile, SourceStart, write_files
from hub.documents.signing.signature import Evidence, TimestampSource, filled
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_job import MAX_FILE_BYTES

# The address space has room for a mapped file of 500 MB, and qpdf's view of it.
LIMITS: Final = Limits(memory_bytes=2_500_000_000, cpu_seconds=60, seconds=120)
_CHILD = "hub.documents.sealing.sealing_child"
Result = TypeVar("Result")


class SealSigner(Protocol):
    """What sealing needs from a key; see `hub.tokens`."""

    async def sign(self, message: bytes) -> bytes: ...

    async def sign_all(self, messages: Sequence[bytes]) -> list[bytes]: ...


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
    and the key that signs. `ofd`: the seal for OFD files; if it cannot be used in them, `ofd_fault` says why."""

    picture: bytes
    chain: tuple[bytes, ...]
    key: SealSigner
    ofd: OfdSeal | None = None
    ofd_fault: SealFault = SealFault.NO_OFD_SEAL


@dataclass(frozen=True)
class LongTerm:
    """The sources that keep a seal verifiable (B-LTA): timestamps, and evidence about the certificates."""

    timestamps: TimestampSource
    evidence: Evidence


@dataclass(frozen=True)
class SealOrder:
    """How files are to be sealed. `place`: see `hub.model.sealing.seal_place`; `long_term`: None for a plain seal
    (B-B). In an OFD, only the timestamp of `long_term` is used."""

    place: str
    seal: SealInHand
    long_term: LongTerm | None = None


@dataclass(frozen=True)
class FileToSeal:
    """`target`: a new file; `sha256`: the SHA-256 (hex) that the source has to have, if given."""

    source: Path
    target: Path
    sha256: str = ""


@dataclass(frozen=True)
class _PreparedFile:
    """The child's answer about a file, and the bytes to append to it. `number`: its place in the question."""

    number: int
    file: FileToSeal
    facts: dict[str, Any]
    appended: bytes

    @property
    def to_be_signed(self) -> bytes:
        return b64decode(self.facts["to_be_signed"])

    def signed(self, content: bytes) -> bytes:
        return filled(self.appended, self.facts["gap"], content)


class FileSealer:
    """A sealer with several children, each of which works on a few files. `clock`: for the claimed signing times."""

    def __init__(self, clock: Callable[[], datetime], children: int = 2, limits: Limits = LIMITS) -> None:
        self._clock = clock
        self._all = [LimitedChild(_CHILD, limits) for _ in range(children)]
        self._idle: asyncio.Queue[LimitedChild] | None = None

    @property
    def children(self) -> int:
        """How many groups of files can be sealed at the same time."""
        return len(self._all)

    async def seal(self, order: SealOrder, files: Sequence[FileToSeal]) -> list[SealedFile | CannotSeal]:
        """Seal files, and return the result of each. A target appears only when it is complete and flushed to the disk.

        One child prepares all of them at once; if it fails, each is tried once more, alone. Raises TokenUnavailable,
        TimestampUnavailable. The call can then be repeated: a target that was written already stays, and is the result.
        """
        faults = await asyncio.to_thread(_size_faults, files)
        open_files = [file for file in files if file.target not in faults]
        sealed = await self._seal(order, open_files) if open_files else []
        results = faults | {file.target: result for file, result in zip(open_files, sealed, strict=True)}
        return [results[file.target] for file in files]

    def close(self) -> None:
        """End the children. The next file starts new ones."""
        for child in self._all:
            child.close()

    async def _seal(self, order: SealOrder, files: Sequence[FileToSeal]) -> list[SealedFile | CannotSeal]:
        try:
            return await self._seal_together(order, files)
        except ChildFailed:  # because of one of them, or because the child that had prepared them was replaced
            return [await self._seal_alone(order, file) for file in files]

    async def _seal_alone(self, order: SealOrder, file: FileToSeal) -> SealedFile | CannotSeal:
        try:
            (result,) = await self._seal_together(order, [file])
        except ChildFailed as error:
            return CannotSeal(SealFault.UNSUITABLE if error.refused else SealFault.HOSTILE)
        return result

    async def _seal_together(self, order: SealOrder, files: Sequence[FileToSeal]) -> list[SealedFile | CannotSeal]:
        """Raises ChildFailed."""
        async with self._taken() as child:
            faults, made = await self._make(child, order, files)
        written = await asyncio.to_thread(write_files, list(made.values()))
        results = faults | dict(zip(made, written, strict=True))
        return [results[number] for number in range(len(files))]

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[LimitedChild]:
        if self._idle is None:
            self._idle = asyncio.Queue()
            for child in self._all:
                self._idle.put_nowait(child)
        child = await self._idle.get()
        try:
            yield child
        finally:
            self._idle.put_nowait(child)

    async def _make(
        self, child: LimitedChild, order: SealOrder, files: Sequence[FileToSeal]
    ) -> tuple[dict[int, SealedFile | CannotSeal], dict[int, NewFile]]:
        """Return, by number, the files that cannot be sealed, and the new files for the others. Raises ChildFailed."""
        said, bodies = await _ask(child, _question(order, files, self._clock()), order.seal.picture)
        faults: dict[int, SealedFile | CannotSeal] = {}
        prepared: dict[str, list[_PreparedFile]] = {"pdf": [], "ofd": []}
        for number, (file, facts, appended) in enumerate(zip(files, said["files"], bodies, strict=True)):
            if "fault" in facts:
                faults[number] = CannotSeal(SealFault(facts["fault"]))
            elif file.sha256 not in {"", facts["sha256"]}:
                faults[number] = CannotSeal(SealFault.SOURCE_CHANGED)
            else:
                prepared[facts["kind"]].append(_PreparedFile(number, file, facts, appended))
        made = dict[int, NewFile]()
        for one, added in zip(prepared["pdf"], await self._finish_pdfs(child, order, prepared["pdf"]), strict=True):
            original = SourceStart(one.facts["length"], one.facts["sha256"])
            made[one.number] = NewFile(one.file.source, one.file.target, original, added)
        for one, whole in zip(prepared["ofd"], await self._finish_ofds(child, order, prepared["ofd"]), strict=True):
            made[one.number] = NewFile(one.file.source, one.file.target, NOTHING, whole)
        return faults, made

    async def _finish_pdfs(self, child: LimitedChild, order: SealOrder, files: list[_PreparedFile]) -> list[bytes]:
        """Return the bytes to append to each file, with its signature."""
        if not files:
            return []
        chain, long_term = order.seal.chain, order.long_term
        signatures = await order.seal.key.sign_all([file.to_be_signed for file in files])
        pairs = list(zip(files, signatures, strict=True))
        if long_term is None:
            return [file.signed(assembled(file.to_be_signed, signature, chain, None)) for file, signature in pairs]
        tokens = await all_ended(long_term.timestamps.timestamp(hashlib.sha256(each).digest()) for each in signatures)
        contents = [
            assembled(file.to_be_signed, signature, chain, token)
            for (file, signature), token in zip(pairs, tokens, strict=True)
        ]
        evidence = {
            "certificates": _texts(long_term.evidence.certificates),
            "crls": _texts(long_term.evidence.crls),
            "answers": _texts(long_term.evidence.answers),
        }
        said, bodies = await _ask(child, {"do": "close"} | _of(files, contents) | evidence, b"".join(contents))
        closed = said["files"]
        stamps = await all_ended(long_term.timestamps.timestamp(bytes.fromhex(each["digest"])) for each in closed)
        return [
            both[: each["first"]] + filled(both[each["first"] :], each["gap"], stamp)
            for each, both, stamp in zip(closed, bodies, stamps, strict=True)
        ]

    async def _finish_ofds(self, child: LimitedChild, order: SealOrder, files: list[_PreparedFile]) -> list[bytes]:
        """Return the sealed files."""
        if not files:
            return []
        assert order.seal.ofd is not None
        key, stamps = order.seal.ofd.key, list[bytes]()
        signatures = await key.sign_all([file.to_be_signed for file in files])
        if order.long_term is not None:
            source = order.long_term.timestamps
            stamps = await all_ended(source.timestamp(hashlib.sha256(each).digest()) for each in signatures)
        asked = {"do": "finish", "timestamps": _texts(stamps)} | _of(files, signatures)
        return (await _ask(child, asked, b"".join(signatures)))[1]


async def all_ended(calls: Iterable[Awaitable[Result]]) -> list[Result]:
    """Return the results after every call has ended, so that none can write into a later attempt's file. Raises the
    first error."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _ask(child: LimitedChild, asked: dict[str, Any], body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return the head of the child's answer, and the part of its body for each file. Raises ChildFailed."""
    answer = await asyncio.to_thread(child.ask, json.dumps(asked).encode() + b"\n" + body)
    head, _, rest = answer.partition(b"\n")
    said = json.loads(head)
    return said, split_body(rest, said["sizes"])


def _of(files: Sequence[_PreparedFile], parts: Sequence[bytes]) -> dict[str, Any]:
    return {"numbers": [file.number for file in files], "sizes": [len(part) for part in parts]}


def _question(order: SealOrder, files: Sequence[FileToSeal], at: datetime) -> dict[str, Any]:
    ofd = order.seal.ofd
    return {
        "do": "prepare",
        "paths": [str(file.source.absolute()) for file in files],
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


def _size_faults(files: Sequence[FileToSeal]) -> dict[Path, SealedFile | CannotSeal]:
    """Return, by target, the files that can be refused without being read."""
    faults: dict[Path, SealedFile | CannotSeal] = {}
    for file in files:
        try:
            size = file.source.stat().st_size
        except FileNotFoundError:
            faults[file.target] = CannotSeal(SealFault.SOURCE_MISSING)
            continue
        if not 0 < size <= MAX_FILE_BYTES:
            faults[file.target] = CannotSeal(SealFault.TOO_LARGE if size else SealFault.NOT_A_DOCUMENT)
    return faults
