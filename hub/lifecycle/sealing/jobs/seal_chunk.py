"""Seal the files of one lease: fetch them, write a line of the register for each, seal and deliver them.

Before the key signs, each file has its line and its result has a name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from hub.documents.sealing.file_sealer import FileToSeal, SealOrder, all_ended
from hub.documents.sealing.sealed_files import SealedFile
from hub.errors import QiandaError, StoreDenied, Unavailable
from hub.lifecycle.sealing.hub_step import list_revoked
from hub.lifecycle.sealing.jobs.seal_in_hand import collect_seal_evidence, open_seal
from hub.lifecycle.sealing.seals.seal_certificate import check_seal_certificate
from hub.lifecycle.sealing.seals.use_seal import begin_seal_uses
from hub.lifecycle.services import Services
from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_grant import Grantee, GranteeKind, UseRefusal, judge_seal
from hub.model.sealing.seal_job import JOB_DEADLINE, ItemOutcome, SealItem, SealJob, SealLevel, group_files
from hub.model.sealing.seal_use import DocumentToSeal, SealAsk, SealUse
from hub.model.staff.scope import EVERYTHING
from hub.store.sealing.job_files import sha256_of
from hub.store.transaction import Transaction

# A file that was tried more often than this probably kills the worker that tries it.
MAX_TRIES = 5
# The most files that are fetched from an object store, or sent there, at the same time.
MAX_TRANSFERS = 16
# How often an object store may refuse an object (403) before the file fails. It is tried again after each lease,
# because somebody may correct the access rights in the meantime.
MAX_DENIALS = 3
NO_DOCUMENT = "0" * 64  # stands in the register for the hash of a file that could not be read


@dataclass
class Chunk:
    """Files of one lease. `held`: when the lease ends; the same time in the rows shows that this worker holds them.
    `denied`: numbers of the files that the object store refused. `postponed`: numbers of the files for which the grant
    has no use left now, but may get one back from another file. `waits_for_others`: such another file is in another
    lease. `is_lost`: another worker has claimed some of the files; this one begins nothing more."""

    job: SealJob
    seal: Seal
    items: list[SealItem]
    held: datetime
    outcomes: dict[int, ItemOutcome] = field(default_factory=dict)
    denied: set[int] = field(default_factory=set)
    postponed: set[int] = field(default_factory=set)
    waits_for_others: bool = False
    is_lost: bool = False

    def deny(self, item: SealItem) -> None:
        """Postpone a file that its object store refuses; after the last try, let it fail."""
        self.denied.add(item.number)
        if item.tries >= MAX_DENIALS:
            self.fail(item, SealFault.STORE_DENIED)

    def fail(self, item: SealItem, fault: SealFault, detail: str = "") -> None:
        self.outcomes[item.number] = ItemOutcome(item, fault=fault, detail=detail)

    @property
    def open(self) -> list[SealItem]:
        put_off = self.denied | self.postponed
        return [item for item in self.items if item.number not in self.outcomes and item.number not in put_off]


async def seal_chunk(services: Services, chunk: Chunk) -> None:
    """Fill `chunk.outcomes`. Raises Unavailable if a service that all files need is unavailable."""
    for item in chunk.items:
        if item.tries > MAX_TRIES:
            chunk.fail(item, SealFault.GAVE_UP)
    folder = services.seal_files.folder
    await asyncio.to_thread(folder.make_folders, chunk.job.id, [item.number for item in chunk.items])
    await _fetch_all(services, chunk)
    if chunk.is_lost or not (uses := await _begin_uses(services, chunk)):
        return
    try:
        order = await _open(services, chunk)
    except Unavailable:
        raise
    except QiandaError as error:  # the seal would not be accepted, so each file gets the reason
        for item in chunk.open:
            chunk.fail(item, SealFault.SEAL_REFUSED, error.code)
        return
    bench = _ChunkSealer(services, chunk, order)
    await bench.seal_all([item for item in chunk.open if item.number in uses])


async def _open(services: Services, chunk: Chunk) -> SealOrder:
    """Return the order for the files. Raises Unavailable, and other QiandaErrors if the seal would not be accepted."""
    in_hand = await open_seal(services, chunk.seal)
    async with services.database.transaction(EVERYTHING) as tx:
        revoked = await list_revoked(services, tx)
    await check_seal_certificate(services, in_hand.chain, revoked)
    terms = chunk.job.terms
    if terms.level is SealLevel.PLAIN:
        return SealOrder(terms.place, in_hand)
    return SealOrder(terms.place, in_hand, await collect_seal_evidence(services, in_hand.chain))


async def _fetch_all(services: Services, chunk: Chunk) -> None:
    """Download the files from the object store, and hash them. Does nothing for uploaded files.

    If an earlier try has sealed a file, the source that it left on the disk is the sealed one, and is hashed again: the
    object may have changed since.
    """
    if chunk.job.terms.source is None:
        return
    store = services.seal_files.stores.get(chunk.job.terms.source.store)
    waiting = asyncio.Semaphore(MAX_TRANSFERS)
    sealed = await asyncio.to_thread(lambda: {each.number: _find_sealed_source(services, each) for each in chunk.open})

    async def fetch(item: SealItem) -> SealItem:
        path = services.seal_files.folder.source(item.job, item.number)
        if sha256 := sealed[item.number]:
            return replace(item, sha256=sha256)
        async with waiting:
            try:
                if store is None or (sha256 := await store.fetch(item.source, path)) is None:
                    chunk.fail(item, SealFault.SOURCE_MISSING)
                    return item
            except StoreDenied:
                chunk.deny(item)
                return item
        return replace(item, sha256=sha256)

    known = {item.number: item for item in await all_ended(fetch(item) for item in chunk.open)}
    chunk.items = [known.get(item.number, item) for item in chunk.items]


def _find_sealed_source(services: Services, item: SealItem) -> str | None:
    """Return the hash of the source from which an earlier try has made the file's result."""
    folder = services.seal_files.folder
    source = folder.source(item.job, item.number)
    if not source.exists():
        return None
    sha256, _ = sha256_of(source)
    return sha256 if folder.result(replace(item, sha256=sha256)).exists() else None


async def _begin_uses(services: Services, chunk: Chunk) -> set[int]:
    """Write a line of the register for each file. Return the numbers of those that may be signed: none of a job that
    was stopped in the meantime."""
    put_off = chunk.denied - chunk.outcomes.keys()
    documents = {item.use: item for item in chunk.items if item.number not in put_off}
    asked = [DocumentToSeal(use, item.sha256 or NO_DOCUMENT, item.about) for use, item in documents.items()]
    async with services.database.transaction(EVERYTHING) as tx:
        if (await tx.seal_jobs.get(chunk.job.id, hold=True)).ended_at is not None:
            return set()
        ask = await _ask(tx, chunk.job)
        uses = await begin_seal_uses(tx, ask, asked)
        may_sign = {documents[use.id].number for use in uses if use.may_sign}
        if not may_sign and any(use.reason == UseRefusal.EXHAUSTED for use in uses):
            chunk.waits_for_others = await tx.seal_register.has_attempts(ask, tx.now - JOB_DEADLINE)
    for use in uses:
        item = documents[use.id]
        if not use.may_sign and item.number not in chunk.outcomes:
            if (may_sign or chunk.waits_for_others) and use.reason == UseRefusal.EXHAUSTED:
                chunk.postponed.add(item.number)
            else:
                _take_verdict(services, chunk, item, use)
    return may_sign


def _take_verdict(services: Services, chunk: Chunk, item: SealItem, use: SealUse) -> None:
    """Set the outcome of a file that may not be signed: its use was refused, or the file was already sealed."""
    if use.result_sha256 is None:
        chunk.fail(item, SealFault.SEAL_REFUSED, use.reason or "")
        return
    path = services.seal_files.folder.result(item)
    size = path.stat().st_size if path.exists() else None
    chunk.outcomes[item.number] = ItemOutcome(item, use.result_sha256, size)


async def _ask(tx: Transaction, job: SealJob) -> SealAsk:
    """Return the request to use the job's seal. If the client's API key is no longer valid, no grant counts for it."""
    client, keys = job.client, await tx.api_keys.list_all()
    is_live = any(each.key.name == client.name and each.counts_at(tx.now) for each in keys)
    grantees = frozenset({Grantee(GranteeKind.CLIENT, client.name)} if is_live else ())
    return SealAsk(job.terms.seal, grantees, f"api:{client.key}", client.campus)


@dataclass(frozen=True)
class _ChunkSealer:
    """The sealer of the files of a chunk."""

    services: Services
    chunk: Chunk
    order: SealOrder

    async def seal_all(self, items: Sequence[SealItem]) -> None:
        """Seal files, a few together, and deliver them. Raises Unavailable, after which the call can be repeated."""
        finished, sizes = await asyncio.to_thread(self._look, items)
        sealing = asyncio.Semaphore(self.services.seal_files.sealer.children + 2)
        sending = asyncio.Semaphore(MAX_TRANSFERS)
        calls = [self._deliver(item, result, sending) for item, result in finished]
        calls += [self._seal(group, sealing, sending) for group in group_files(sizes)]
        await all_ended(calls)

    def _look(self, items: Sequence[SealItem]) -> tuple[list[tuple[SealItem, SealedFile]], list[tuple[SealItem, int]]]:
        """Return the files that an earlier try has sealed, and the others with their sizes. If a result exists, it is
        complete."""
        finished, sizes = list[tuple[SealItem, SealedFile]](), list[tuple[SealItem, int]]()
        for item in items:
            result, source = self._result(item), self._source(item)
            if result.exists():
                finished.append((item, SealedFile(*sha256_of(result))))
            else:
                sizes.append((item, source.stat().st_size if source.exists() else 0))
        return finished, sizes

    async def _seal(self, items: Sequence[SealItem], sealing: asyncio.Semaphore, sending: asyncio.Semaphore) -> None:
        files = [FileToSeal(self._source(item), self._result(item), item.sha256) for item in items]
        try:
            async with sealing:
                if self.chunk.is_lost or await self._is_refused(items):
                    return
                results = await self.services.seal_files.sealer.seal(self.order, files)
        except Unavailable:
            raise
        except QiandaError as error:
            for item in items:
                self.chunk.fail(item, SealFault.SEAL_REFUSED, error.code)
            return
        sealed = []
        for item, result in zip(items, results, strict=True):
            if isinstance(result, CannotSeal):
                self.chunk.fail(item, result.fault)
            else:
                sealed.append(self._deliver(item, result, sending))
        await all_ended(sealed)

    async def _is_refused(self, items: Sequence[SealItem]) -> bool:
        """Fail these files if somebody has suspended or revoked the seal since their lines were written: a lease with
        large files takes long."""
        async with self.services.database.transaction(EVERYTHING) as tx:
            refusal = judge_seal(await tx.seals.get(self.chunk.seal.id), tx.now)
        for item in items if refusal else ():
            self.chunk.fail(item, SealFault.SEAL_REFUSED, refusal or "")
        return refusal is not None

    async def _deliver(self, item: SealItem, result: SealedFile, sending: asyncio.Semaphore) -> None:
        """Send a result to the object store of the job, if it has one, and set the outcome of the file."""
        if self.chunk.is_lost:
            return
        target = self.chunk.job.terms.target
        if target is not None:
            store = self.services.seal_files.stores.get(target.store)
            if store is None:
                self.chunk.fail(item, SealFault.SEAL_REFUSED, "no-store")
                return
            try:
                async with sending:
                    if self.chunk.is_lost:  # while it waited: another worker sends it
                        return
                    await store.put(target.prefix + item.name, self._result(item))
            except StoreDenied:
                self.chunk.deny(item)
                return
        self.chunk.outcomes[item.number] = ItemOutcome(item, result.sha256, result.size)

    def _source(self, item: SealItem) -> Path:
        return self.services.seal_files.folder.source(item.job, item.number)

    def _result(self, item: SealItem) -> Path:
        return self.services.seal_files.folder.result(item)
