"""Count the transactions and statements of a contract in the database's log.

Polling is left out: whatever the hub also executes while nobody signs, and the looks of the simulated people who check
whether something has arrived. Writes of the demo's pretend phone are counted separately, because a real provider would
write them in its own database.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.simulated.people import People, phone_of
from hub.store.server.embedded import EmbeddedPostgres

# A column whose name shows that a join reads whole rows of the table.
READ = {"contract": "contract.data_sealed", "signer": "signer.phone_sealed"}
# Longer than any pause between two polls of an idle worker.
IDLE_SECONDS = 20.0
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


@dataclass(frozen=True)
class Executed:
    """The statements of one transaction; or one statement outside the hub's transactions, with `asks_queue`: a worker
    polls the job queue."""

    statements: tuple[str, ...]
    asks_queue: bool = False


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
    async def reading(self) -> AsyncIterator[list[Executed]]:
        """Yield a list that gets, at the end of the block, what was executed inside it."""
        self._server.start()
        extra = self._server.data / "postgresql.auto.conf"
        before = extra.read_text()
        executed: list[Executed] = []
        try:
            extra.write_text(before + SETTINGS)
            await self._reload()
            places = {path: path.stat().st_size for path in self._files()}
            yield executed
            extra.write_text(before)
            await self._reload()
            executed += self._read(places)
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

    def _read(self, places: dict[Path, int]) -> Iterator[Executed]:
        for path in self._files():
            with path.open(encoding="utf-8", errors="replace") as log:
                log.seek(places.get(path, 0))
                yield from read_entries(log)


def read_entries(log: Iterable[str]) -> Iterator[Executed]:
    """Yield what the lines of a log say was executed, without what was rolled back."""
    begun: dict[str, list[str]] = {}
    for entry in _entries(log):
        if not (found := EXECUTED.match(entry)):
            continue
        process, statement = found.groups()
        if statement.startswith("BEGIN"):
            begun[process] = []
        elif statement.startswith("COMMIT"):
            yield Executed(tuple(begun.pop(process, ())))
        elif statement.startswith("ROLLBACK"):
            begun.pop(process, None)
        elif not FRAME.match(statement):
            if process in begun:
                begun[process].append(statement)
            else:
                yield Executed((statement,), asks_queue=not SCOPE.search(statement))


def count(executed: Iterable[Executed]) -> Counted:
    """Count transactions and statements. A transaction belongs to the phone if all of its statements do."""
    counted = Counted()
    for each in executed:
        for statement in each.statements:
            _count_statement(statement, counted)
        if each.asks_queue:
            continue
        if each.statements and all(PHONE in statement for statement in each.statements):
            counted.phone_transactions += 1
        else:
            counted.transactions += 1
    return counted


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
    async with log.reading() as busy:
        stories = [await people.whole_contract(number) for number in numbers]
    async with log.reading() as polls:
        for _ in range(LOOKS):
            await people.messages(phone_of(numbers[0]))
            await people.state(stories[0].contract)
        await asyncio.sleep(IDLE_SECONDS)
    polled = {each for each in polls if not each.asks_queue}
    counted = count(each for each in busy if each not in polled)
    figures = {
        "transactions": counted.transactions,
        "statements": counted.statements,
        "contract_reads": counted.reads["contract"],
        "signer_reads": counted.reads["signer"],
        "phone_transactions": counted.phone_transactions,
        "phone_statements": counted.phone_statements,
    }
    return {f"{name}_per_contract": number / len(stories) for name, number in figures.items()}


def _count_statement(statement: str, counted: Counted) -> None:
    if PHONE in statement:
        counted.phone_statements += 1
        return
    counted.statements += 1
    for table, column in READ.items():
        if statement.startswith(f"SELECT {table}.") or (statement.startswith("SELECT ") and column in statement):
            counted.reads[table] += 1
