"""Count the transactions and statements of a contract in the database's log.

Polling is subtracted: the queries of idle workers, and those of the simulated people who check whether something has
arrived. Writes of the demo's pretend phone are counted separately, because a real provider would write them in its own
database.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.simulated.people import People, phone_of
from hub.store.server.embedded import EmbeddedPostgres

# A column whose name shows that a join reads whole rows of the table.
READ = {"contract": "contract.data_sealed", "signer": "signer.phone_sealed"}
IDLE_SECONDS = 20.0
# Number of looks over which the cost of one is averaged.
LOOKS = 10
SETTINGS = "log_statement = all\nlog_line_prefix = '%p '\n"
EXECUTED = re.compile(r"^(\d+) LOG:  (?:execute [^:]*|statement): *(.*)$")
# Every transaction of the hub begins with this; one of a single statement has no BEGIN and COMMIT. Workers poll the job
# queue without it, so a poll counts as a statement, not as a transaction.
SCOPE = re.compile(r"set_config\('qianda\.scope'|enter_by_key\(")
# The table of the demo's pretend phone. Statements of the product never name it.
PHONE = "outbox_message"
# Statements that only frame others, and those that the pool executes when a connection is returned.
FRAME = re.compile(r"BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET |RESET|UNLISTEN|CLOSE|SELECT pg_advisory_unlock_all|$")


@dataclass
class Counted:
    """The counts of the product. `reads`: how often rows of a table were read, alone or in a join. `phone_…`: the work
    of the demo's pretend phone, which no other count includes."""

    transactions: int = 0
    statements: int = 0
    reads: Counter[str] = field(default_factory=Counter)
    phone_transactions: int = 0
    phone_statements: int = 0


class StatementLog:
    """The log of the embedded server of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder / "database")

    @contextlib.asynccontextmanager
    async def counting(self) -> AsyncIterator[Counted]:
        """Count what is executed inside the block."""
        self._server.start()
        extra = self._server.data / "postgresql.auto.conf"
        before = extra.read_text()
        counted = Counted()
        try:
            extra.write_text(before + SETTINGS)
            await self._reload()
            places = {path: path.stat().st_size for path in self._files()}
            yield counted
            extra.write_text(before)
            await self._reload()
            self._read(places, counted)
        finally:
            extra.write_text(before)
            self._server.stop()

    async def _reload(self) -> None:
        """Have the server read its settings again, and wait until its log confirms it."""
        known = self._reloads()
        os.kill(self._server.server_pid(), signal.SIGHUP)
        while self._reloads() == known:
            await asyncio.sleep(0.05)

    def _reloads(self) -> int:
        return sum(path.read_text(errors="replace").count("received SIGHUP") for path in self._files())

    def _files(self) -> Iterator[Path]:
        yield from (self._server.data / "log").glob("*.log")

    def _read(self, places: dict[Path, int], counted: Counted) -> None:
        for path in self._files():
            with path.open(encoding="utf-8", errors="replace") as log:
                log.seek(places.get(path, 0))
                count_entries(log, counted)


def count_entries(log: Iterable[str], counted: Counted) -> None:
    """Count the statements in the lines of a log."""
    begun: dict[str, list[str]] = {}
    for entry in _entries(log):
        if not (found := EXECUTED.match(entry)):
            continue
        process, statement = found.groups()
        if statement.startswith("BEGIN"):
            begun[process] = []
        elif statement.startswith("COMMIT"):
            _count_transaction(begun.pop(process, []), counted)
        elif statement.startswith("ROLLBACK"):
            begun.pop(process, None)
        elif not FRAME.match(statement):
            _count_statement(statement, counted)
            if process in begun:
                begun[process].append(statement)
            elif SCOPE.search(statement):
                _count_transaction([statement], counted)


def _count_transaction(statements: Sequence[str], counted: Counted) -> None:
    """Count a transaction. It belongs to the phone if all of its statements do."""
    if statements and all(PHONE in statement for statement in statements):
        counted.phone_transactions += 1
    else:
        counted.transactions += 1


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """Yield each entry of the log on one line, without the spaces at its end. The server writes a statement as it is,
    with a tab before each line except the first, which may be empty."""
    entry = ""
    for line in lines:
        if line.startswith("\t"):
            entry = f"{entry.rstrip()} {line.strip()}"
            continue
        yield entry
        entry = line.rstrip()
    yield entry


async def count_statements(folder: Path, people: People, numbers: Sequence[int]) -> dict[str, float]:
    """Count the statements of these contracts, which are handled one after the other, each from another system's
    request to COMPLETED."""
    log = StatementLog(folder)
    async with log.counting() as idle:
        await asyncio.sleep(IDLE_SECONDS)
    started, looks_before = time.monotonic(), people.looks.copy()
    async with log.counting() as busy:
        stories = [await people.whole_contract(number) for number in numbers]
    rounds = (time.monotonic() - started) / IDLE_SECONDS
    looks = people.looks - looks_before
    async with log.counting() as phone:
        for _ in range(LOOKS):
            await people.messages(phone_of(numbers[0]))
    async with log.counting() as state:
        for _ in range(LOOKS):
            await people.state(stories[0].contract)

    def per_contract(count: Callable[[Counted], int]) -> float:
        polled = count(idle) * rounds + (count(phone) * looks["phone"] + count(state) * looks["state"]) / LOOKS
        return (count(busy) - polled) / len(stories)

    return {
        "transactions_per_contract": per_contract(lambda counted: counted.transactions),
        "statements_per_contract": per_contract(lambda counted: counted.statements),
        "contract_reads_per_contract": per_contract(lambda counted: counted.reads["contract"]),
        "signer_reads_per_contract": per_contract(lambda counted: counted.reads["signer"]),
        "phone_transactions_per_contract": per_contract(lambda counted: counted.phone_transactions),
        "phone_statements_per_contract": per_contract(lambda counted: counted.phone_statements),
    }


def _count_statement(statement: str, counted: Counted) -> None:
    if PHONE in statement:
        counted.phone_statements += 1
        return
    counted.statements += 1
    for table, column in READ.items():
        if statement.startswith(f"SELECT {table}.") or (statement.startswith("SELECT ") and column in statement):
            counted.reads[table] += 1
