"""`qianda doctor --records --files`: check that every entry of every record, and every stored file, is unchanged.

All contracts are read, a few at a time, so that memory does not grow with their number. The hub may keep running.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.doctor import DoctorFinding, examine
from hub.doctor.trees import count_faults, examine_trees
from hub.errors import FilesUnavailable, UnreadableFile
from hub.model.evidence.inspection import InspectedContract, RecordInspection
from hub.model.staff.scope import EVERYTHING
from hub.store.evidence.inspection import Inspection, NamedFile
from hub.store.files.content_addressed import FilePart
from hub.store.transaction import Transaction
from hub.wiring import Hub

CONTRACTS_AT_ONCE = 100
FILES_AT_ONCE = 4
PROGRESS_INTERVAL = 2.0
BEFORE_ALL = UUID(int=0)
Progress = Callable[[str], None]


async def examine_all(hub: Hub, records: bool, files: bool, say: Progress) -> bool:
    """Check every part, and records and files if asked for. Report each finding at once. Return whether all is well."""
    progress = _now_and_then()
    well = True
    for finding in await examine(hub):
        say(str(finding))
        well &= finding.well
    for look in [examine_records] * records + [examine_files] * files:
        async for finding in look(hub, progress):
            say(str(finding))
            well &= finding.well
    return well


def _now_and_then() -> Progress:
    """Return a function that prints the progress to standard error, at most every PROGRESS_INTERVAL seconds."""
    last = time.monotonic()

    def show(text: str) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_INTERVAL:
            last = time.monotonic()
            print(f"qianda: {text}", file=sys.stderr, flush=True)

    return show


async def examine_records(
    hub: Hub, progress: Progress, at_once: int = CONTRACTS_AT_ONCE
) -> AsyncIterator[DoctorFinding]:
    """Yield each fault in a record as it is found, and at the end how many were checked."""
    seen = _Seen()
    async for batch in _batches(hub, at_once):
        async with hub.database.transaction(EVERYTHING) as tx:
            async for fault in _inspect(tx, batch, seen):
                seen.faults += 1
                yield fault
        progress(f"records: {seen.contracts} contracts, {seen.entries} entries, {seen.faults} faults")
    yield count_faults("records", f"{seen.entries} entries of {seen.contracts} contracts", seen.faults)
    yield await _numbers(hub)
    async for finding in examine_trees(hub):
        yield finding


@dataclass
class _Seen:
    """The numbers of what was examined so far, and of the faults."""

    contracts: int = 0
    entries: int = 0
    faults: int = 0


async def _inspect(tx: Transaction, batch: Sequence[UUID], seen: _Seen) -> AsyncIterator[DoctorFinding]:
    """Yield each fault in the records of these contracts. Count contracts and entries in `seen`."""
    inspected: RecordInspection | None = None
    async for contract, entry in Inspection(tx.connection).list_records(batch):
        if inspected is None or inspected.contract.id != contract.id:
            for fault in _end(inspected):
                yield fault
            inspected = RecordInspection(contract)
            seen.contracts += not contract.is_school
        if entry is not None:
            seen.entries += 1
            for words in inspected.add(entry):
                yield _fault(contract, words)
    for fault in _end(inspected):
        yield fault


def _end(inspected: RecordInspection | None) -> list[DoctorFinding]:
    return [_fault(inspected.contract, words) for words in inspected.end()] if inspected else []


def _fault(contract: InspectedContract, words: str) -> DoctorFinding:
    return DoctorFinding(f"record of {contract.name}", False, words)


async def _numbers(hub: Hub) -> DoctorFinding:
    """Report contract numbers without a contract.

    This is the only sign that a contract was deleted from all tables, with its record and its head. It is not proof,
    because an issue that failed half-way also leaves a number without a contract.
    """
    async with hub.database.transaction(EVERYTHING) as tx:
        counted = await Inspection(tx.connection).list_numbers()
    lacking = [f"{given - there} of {given} of {year}" for year, given, there in counted if given != there]
    if not lacking:
        return DoctorFinding("numbers", True, "every contract number that was given out has its contract")
    why = "each of an issue that failed half-way, or of a contract that was deleted whole, which nothing else shows"
    return DoctorFinding("numbers", True, f"without a contract: {', '.join(lacking)}; {why}")


async def examine_files(hub: Hub, progress: Progress) -> AsyncIterator[DoctorFinding]:
    """Yield a fault for each file that a row names and that is missing, or has the wrong hash or length.

    A version that is the beginning of another file is looked up there.
    """
    files = faults = 0
    async for batch in _batches(hub):
        async with hub.database.transaction(EVERYTHING) as tx:
            named = await Inspection(tx.connection).list_files(batch)
        for start in range(0, len(named), FILES_AT_ONCE):
            some = named[start : start + FILES_AT_ONCE]
            looked_at = await asyncio.gather(*(_look_at_named(hub, batch, file) for file in some))
            for file, words in zip(some, looked_at, strict=True):
                files += 1
                if words:
                    faults += 1
                    yield DoctorFinding(f"file of {file.number}", False, f"{words} ({file.what})")
        progress(f"files: {files}, {faults} faults")
    yield count_faults("files", f"{files} stored files", faults)


async def _look_at_named(hub: Hub, batch: list[UUID], file: NamedFile) -> str:
    """Return what is wrong with the file; empty if nothing is, or if no row names this file any more."""
    words = await _look(hub, file)
    if not words:
        return ""
    async with hub.database.transaction(EVERYTHING) as tx:
        now = await Inspection(tx.connection).list_files(batch, file.sha256)
    if not now:  # it was a prepared file that nobody could sign any more, and was deleted
        return ""
    return words if now[0].file == file.file else await _look(hub, now[0])  # it became part of another file


async def _look(hub: Hub, file: NamedFile) -> str:
    """Return what is wrong with the file; empty if nothing is."""
    try:
        if file.size is not None and file.file != file.sha256:
            await hub.services.files.get_part(FilePart(file.sha256, file.size, file.file))
            return ""
        content = await hub.services.files.get(file.sha256)
    except UnreadableFile as error:
        return str(error)
    except FilesUnavailable as error:
        return f"the stored file {file.file} cannot be read: {type(error.__cause__).__name__}"
    if file.size is not None and len(content) != file.size:
        return f"the stored file {file.sha256} has {len(content)} bytes, its row says {file.size}"
    return ""


async def _batches(hub: Hub, at_once: int = CONTRACTS_AT_ONCE) -> AsyncIterator[list[UUID]]:
    last = BEFORE_ALL
    while True:
        async with hub.database.transaction(EVERYTHING) as tx:
            batch = await Inspection(tx.connection).list_next_contracts(last, at_once)
        if not batch:
            return
        yield batch
        last = batch[-1]
