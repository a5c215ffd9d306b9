"""Seal the files of a job in chunks, with two transactions for each chunk and no file sealed twice.

Before the key signs, each file has a line in the register of seals and its result has a name. When a worker dies, its
lease ends. The worker that claims the files next finds the finished results and continues with the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from hub.errors import QiandaError, SealUseRefused, StoreDenied, Unavailable
from hub.lifecycle.sealing.seal_certificate import check_seal_certificate
from hub.lifecycle.sealing.seal_jobs import list_source
from hub.lifecycle.sealing.use_seal import begin_seal_uses, end_seal_uses
from hub.lifecycle.sealing.work import list_revoked
from hub.lifecycle.services import Services
from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_grant import Grantee, GranteeKind
from hub.model.sealing.seal_job import ItemOutcome, SealItem, SealJob, SealJobState, SealLevel
from hub.model.sealing.seal_use import DocumentToSeal, EndedUse, SealAsk, SealUse
from hub.model.staff.accounts import EVERYTHING
from hub.store.sealing.job_files import sha256_of

if TYPE_CHECKING:
    from hub.documents.sealing.file_sealer import LongTerm, SealInHand

# Files of one lease, with one transaction before they are signed and one after.
FILES_AT_A_TIME = 50
# A file that was begun more often than this probably kills its worker.
MAX_TRIES = 5
# Files that are fetched from an object store at the same time.
MAX_TRANSFERS = 16
# An object that its store has refused (403) so often fails. It is asked for again when its lease has ended, since
# somebody may mend the rights meanwhile.
MAX_DENIALS = 3
# How long a dead worker keeps its files; a live one renews its lease after a third of this time.
LEASE = timedelta(seconds=60)
# A run of the job claims no more files after this time: its next start in the queue continues.
MAX_RUN = timedelta(seconds=20)
# How long files wait before the next try while a service that all of them need is unavailable.
REST = timedelta(seconds=10)
NO_DOCUMENT = "0" * 64  # stands in the register for the hash of a file that could not be read
log = structlog.get_logger()


@dataclass
class Chunk:
    """Files of one lease. `held`: when the lease ends; the same time in the rows shows that this worker holds them.
    `denied`: numbers of the files which the object store refused."""

    job: SealJob
    seal: Seal
    items: list[SealItem]
    held: datetime
    outcomes: dict[int, ItemOutcome] = field(default_factory=dict)
    denied: set[int] = field(default_factory=set)

    def deny(self, item: SealItem) -> None:
        """Leave a file, which its store refuses, to another try, or let it fail after the last one."""
        self.denied.add(item.number)
        if item.tries >= MAX_DENIALS:
            self.fail(item, SealFault.STORE_DENIED)

    def fail(self, item: SealItem, fault: SealFault, detail: str = "") -> None:
        self.outcomes[item.number] = ItemOutcome(item, fault=fault, detail=detail)

    @property
    def open(self) -> list[SealItem]:
        return [item for item in self.items if item.number not in self.outcomes and item.number not in self.denied]


async def run_seal_job(services: Services, job_id: UUID, goes_on: Callable[[], bool]) -> bool:
    """Seal files of a job until none is left or `goes_on` returns False. Return whether files may be left.

    Raises Unavailable; the files that were begun are claimed again after REST.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        job = await tx.seal_jobs.get(job_id)
    if job.state is SealJobState.LISTING:
        await list_source(services, job)
    chunk = await _claim(services, job_id)
    while chunk is not None:
        try:
            await _seal_chunk(services, chunk)
        except Unavailable:
            await _give_back(services, chunk)
            raise
        except Exception:  # store the finished outcomes; the next start of the job seals the other files
            await _end(services, chunk, claims_more=False)
            raise
        chunk = await _end(services, chunk, claims_more=goes_on())
        if chunk is None:
            return not goes_on()
    return False


async def _claim(services: Services, job_id: UUID) -> Chunk | None:
    async with services.database.transaction(EVERYTHING) as tx:
        job = await tx.seal_jobs.get(job_id)
        held = tx.now + LEASE
        items = await tx.seal_jobs.claim(job_id, FILES_AT_A_TIME, tx.now, held)
        return Chunk(job, await tx.seals.get(job.terms.seal), items, held) if items else None


async def _seal_chunk(services: Services, chunk: Chunk) -> None:
    """Fill `chunk.outcomes`. Raises Unavailable if a service that all files need is unavailable."""
    for item in chunk.items:
        if item.tries > MAX_TRIES:
            chunk.fail(item, SealFault.GAVE_UP)
    async with _lease_renewed(services, chunk):
        await _fetch_all(services, chunk)
        uses = await _begin_uses(services, chunk)
        if not uses:
            return
        try:
            in_hand, long_term = await _open(services, chunk)
        except Unavailable:
            raise
        except QiandaError as error:  # nobody would accept this seal, so each file gets the reason
            for item in chunk.open:
                chunk.fail(item, SealFault.SEAL_REFUSED, error.code)
            return
        bench = _Bench(services, chunk, in_hand, long_term)
        waiting = asyncio.Semaphore(services.seal_files.sealer.children + 2)
        results = await asyncio.gather(
            *(bench.seal(item, waiting) for item in chunk.open if item.number in uses), return_exceptions=True
        )
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _open(services: Services, chunk: Chunk) -> tuple[SealInHand, LongTerm | None]:
    from hub.lifecycle.sealing.seal_in_hand import collect_seal_evidence, open_seal

    in_hand = await open_seal(services, chunk.seal)
    async with services.database.transaction(EVERYTHING) as tx:
        revoked = await list_revoked(services, tx)
    await check_seal_certificate(services, in_hand.chain, revoked)
    if chunk.job.terms.level is SealLevel.PLAIN:
        return in_hand, None
    return in_hand, await collect_seal_evidence(services, in_hand.chain)


async def _fetch_all(services: Services, chunk: Chunk) -> None:
    """Download the files from the object store, and hash them. Does nothing for uploaded files."""
    if chunk.job.terms.source is None:
        return
    store = services.seal_files.stores.get(chunk.job.terms.source.store)
    waiting = asyncio.Semaphore(MAX_TRANSFERS)

    async def fetch(item: SealItem) -> SealItem:
        path = services.seal_files.folder.source(item.job, item.number)
        async with waiting:
            try:
                if store is None or not await store.fetch(item.source, path):
                    chunk.fail(item, SealFault.SOURCE_MISSING)
                    return item
            except StoreDenied:
                chunk.deny(item)
                return item
            return replace(item, sha256=(await asyncio.to_thread(sha256_of, path))[0])

    fetched = await asyncio.gather(*(fetch(item) for item in chunk.open), return_exceptions=True)
    known = {}
    for each in fetched:  # raise only after all downloads have ended, so that none writes into a later try's file
        if isinstance(each, BaseException):
            raise each
        known[each.number] = each
    chunk.items = [known.get(item.number, item) for item in chunk.items]


async def _begin_uses(services: Services, chunk: Chunk) -> set[int]:
    """Write a line of the register for each file. Return the numbers of those that may be signed."""
    put_off = chunk.denied - chunk.outcomes.keys()
    documents = {item.use: item for item in chunk.items if item.number not in put_off}
    asked = [DocumentToSeal(use, item.sha256 or NO_DOCUMENT, _about(item)) for use, item in documents.items()]
    async with services.database.transaction(EVERYTHING) as tx:
        client = chunk.job.client.name
        live = any(each.key.name == client and each.counts_at(tx.now) for each in await tx.api_keys.all())
        uses = await begin_seal_uses(tx, _ask(chunk.job, is_live=live), asked)
    for use in uses:
        item = documents[use.id]
        if not use.may_sign and item.number not in chunk.outcomes:
            _take_verdict(services, chunk, item, use)
    return {documents[use.id].number for use in uses if use.may_sign}


def _take_verdict(services: Services, chunk: Chunk, item: SealItem, use: SealUse) -> None:
    """Set the outcome of a file that may not be signed: its use was refused, or the file was already sealed."""
    if use.result_sha256 is None:
        chunk.fail(item, SealFault.SEAL_REFUSED, use.reason or "")
        return
    path = services.seal_files.folder.result(item.job, item.number)
    size = path.stat().st_size if path.exists() else None
    chunk.outcomes[item.number] = ItemOutcome(item, use.result_sha256, size)


def _ask(job: SealJob, *, is_live: bool) -> SealAsk:
    """Return the request to use the job's seal. `is_live`: the client's API key is still valid; if not, no grant counts
    for it."""
    client = job.client
    grantees = frozenset({Grantee(GranteeKind.CLIENT, client.name)} if is_live else ())
    return SealAsk(job.terms.seal, grantees, f"api:{client.key}", client.campus)


def _about(item: SealItem) -> str:
    return f"seal-job:{item.job}/{item.number}"


@dataclass(frozen=True)
class _Bench:
    """The tools with which the files of a chunk are sealed."""

    services: Services
    chunk: Chunk
    in_hand: SealInHand
    long_term: LongTerm | None

    async def seal(self, item: SealItem, waiting: asyncio.Semaphore) -> None:
        """Seal one file. Raises Unavailable, after which the whole call can be repeated."""
        async with waiting:
            try:
                sha256, size = await self._finished(item) or await self._sealed(item)
                await self._deliver(item)
            except CannotSeal as error:
                self.chunk.fail(item, error.fault)
            except StoreDenied:
                self.chunk.deny(item)
            except Unavailable:
                raise
            except QiandaError as error:
                self.chunk.fail(item, SealFault.SEAL_REFUSED, error.code)
            else:
                self.chunk.outcomes[item.number] = ItemOutcome(item, sha256, size)

    async def _finished(self, item: SealItem) -> tuple[str, int] | None:
        """Return hash and size of the result of an earlier try, or None. A result that exists is complete."""
        path = self._result(item)
        return await asyncio.to_thread(sha256_of, path) if path.exists() else None

    async def _sealed(self, item: SealItem) -> tuple[str, int]:
        from hub.documents.sealing.file_sealer import SealOrder

        source = self.services.seal_files.folder.source(item.job, item.number)
        place = self.chunk.job.terms.place
        order = SealOrder(source, self._result(item), place, self.in_hand, self.long_term, item.sha256)
        done = await self.services.seal_files.sealer.seal(order)
        return done.sha256, done.size

    async def _deliver(self, item: SealItem) -> None:
        target = self.chunk.job.terms.target
        if target is not None:
            store = self.services.seal_files.stores.get(target.store)
            if store is None:
                raise SealUseRefused("no-store")
            await store.put(target.prefix + item.name, self._result(item))

    def _result(self, item: SealItem) -> Path:
        return self.services.seal_files.folder.result(item.job, item.number)


async def _end(services: Services, chunk: Chunk, *, claims_more: bool) -> Chunk | None:
    """Write the outcomes of the files, and claim the next ones. Files without an outcome stay as they are."""
    outcomes = list(chunk.outcomes.values())
    async with services.database.transaction(EVERYTHING) as tx:
        ended = await tx.seal_jobs.end_items(chunk.job.id, chunk.held, outcomes, tx.now)
        ours = [outcome for outcome in outcomes if outcome.item.number in ended]
        await end_seal_uses(tx, [_ended_use(outcome) for outcome in ours])
        held = tx.now + LEASE
        items = await tx.seal_jobs.claim(chunk.job.id, FILES_AT_A_TIME, tx.now, held) if claims_more else []
    await asyncio.to_thread(_tidy, services, chunk, ours)
    return Chunk(chunk.job, chunk.seal, items, held) if items else None


async def _give_back(services: Services, chunk: Chunk) -> None:
    """Write the known outcomes, and release the other files for a later start of the job."""
    await _end(services, chunk, claims_more=False)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.seal_jobs.release(chunk.job.id, chunk.held, tx.now + REST)


def _ended_use(outcome: ItemOutcome) -> EndedUse:
    return EndedUse(outcome.item.use, outcome.result_sha256, outcome.fault.value if outcome.fault else None)


def _tidy(services: Services, chunk: Chunk, ended: Sequence[ItemOutcome]) -> None:
    """Delete files that are not needed any more: sources, and results that were sent to an object store."""
    files = services.seal_files.folder
    for outcome in ended:
        files.forget_source(outcome.item.job, outcome.item.number)
        if chunk.job.terms.target is not None:
            files.result(outcome.item.job, outcome.item.number).unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _lease_renewed(services: Services, chunk: Chunk) -> AsyncIterator[None]:
    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with contextlib.suppress(Unavailable):  # the lease lasts long enough for two more tries
                async with services.database.transaction(EVERYTHING) as tx:
                    until = tx.now + LEASE
                    await tx.seal_jobs.renew(chunk.job.id, chunk.held, until)
                chunk.held = until

    renewing = asyncio.ensure_future(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError, Unavailable):
            await renewing
