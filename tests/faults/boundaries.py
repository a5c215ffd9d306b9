"""Watch a hub at its boundaries (commits and outside calls), and kill its own process at one of them.

A boundary's name says what crosses it: `commit DRAFT→ISSUED …`, `call timestamp`. Its number counts how often that name
came up in this process and chapter. Every crossing is first written to a ledger file, so that the entry outlives the
process.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from channels import Channel
from hub.documents.evidence.container import SIGNING_TIME
from hub.lifecycle.services import Services
from hub.model.contract.contract import ContractState
from hub.model.messaging.delivery import Delivery
from hub.model.staff.accounts import ApiKey
from hub.model.staff.scope import Scope
from hub.store.kernel.opening import Opening
from hub.store.transaction import Database, Transaction
from tests.statements import watch_statements

# The chapters of a story: up to the accepted signature, and everything that the hub does by itself after it.
SIGNING, CLOSING = "signing", "closing"
ENDS_SIGNING = "signature-accepted"
HAS_WRITTEN = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
WRITES = re.compile(
    r"(?:(?:^\s*|write_\d+ AS \(\s*|\) )(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?|FROM (?=note_pages\())(\w+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Boundary:
    """A boundary. `side`: `before`, the process dies before the act; or `after`, it dies before anybody learns of the
    act."""

    name: str
    number: int
    side: str
    chapter: str = SIGNING

    def __str__(self) -> str:
        return f"{self.side} {self.chapter} {self.name} #{self.number}"

    @classmethod
    def parse(cls, line: str) -> Boundary:
        side, chapter, rest = line.split(" ", 2)
        name, _, number = rest.rpartition(" #")
        return cls(name, int(number), side, chapter)


class Watch:
    def __init__(self, ledger: Path, kill_at: Boundary | None) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._kill_at = kill_at
        self._seen: Counter[str] = Counter()
        self._chapter = SIGNING

    def before(self, name: str) -> Boundary:
        self._seen[name] += 1
        return self._reach(Boundary(name, self._seen[name], "before", self._chapter))

    def after(self, boundary: Boundary) -> None:
        self._reach(replace(boundary, side="after"))
        if ENDS_SIGNING in boundary.name:
            self._chapter = CLOSING
            self._seen.clear()

    def _reach(self, boundary: Boundary) -> Boundary:
        os.write(self._ledger, f"{boundary}\n".encode())
        if boundary == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return boundary

    def calls(self, thing: object, method: str, name: Callable[..., str]) -> None:
        """Watch one method of one object; `name` makes the boundary's name from the method's arguments."""
        original: Callable[..., Awaitable[Any]] = getattr(thing, method)

        async def watched(*words: Any, **named: Any) -> Any:
            boundary = self.before(name(*words, **named))
            result = await original(*words, **named)
            self.after(boundary)
            return result

        object.__setattr__(thing, method, watched)  # also works on a frozen dataclass

    def commits(self, database: Database) -> None:
        """Watch every transaction of this database that wrote something."""
        by_scope, by_key = database.transaction, database.transaction_by_key

        @asynccontextmanager
        async def watched(opening: Opening | None, entering: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
            labels: list[str] = []
            boundary = None
            is_all = opening is not None and opening.is_all
            if opening is not None and is_all:
                texts = (opening.statement.sql, *opening.following)
                if tables := {table for each in texts for table in WRITES.findall(each)}:  # it commits by itself
                    boundary = self.before(f"commit {' + '.join(sorted(tables))}")
            async with entering as entered:
                opened = entered[0] if isinstance(entered, tuple) else entered
                statements: list[str] = []
                watch_statements(opened.connection, statements.append)
                _label(opened, labels)
                yield entered
                if not is_all:
                    await opened.connection.flush()  # so that what waits for the commit is seen
                if not is_all and await opened.connection.scalar(HAS_WRITTEN):
                    tables = {table for each in statements for table in WRITES.findall(each)}
                    words = labels or sorted(tables) or ["locks only"]
                    boundary = self.before(f"commit {' + '.join(words)}")
            if boundary:
                self.after(boundary)

        def transaction(scope: Scope, opening: Opening | None = None) -> AbstractAsyncContextManager[Transaction]:
            return watched(opening, by_scope(scope, opening))

        def transaction_by_key(
            secret: str, opening: Opening | None = None
        ) -> AbstractAsyncContextManager[tuple[Transaction, ApiKey]]:
            return watched(opening, by_key(secret, opening))

        object.__setattr__(database, "transaction", transaction)
        object.__setattr__(database, "transaction_by_key", transaction_by_key)


def watch(services: Services, channels: dict[str, Channel], boundaries: Watch, seal_ledger: Path) -> None:
    """Watch all boundaries of a hub. The SHA-256 of every contract that the seal key signs is written to `seal_ledger`,
    one use per line."""
    boundaries.commits(services.database)
    boundaries.calls(services.sealing.authority, "enrol", lambda *_: "call certificate")
    boundaries.calls(services.sealing.timestamps, "timestamp", lambda *_: "call timestamp")
    boundaries.calls(services.files, "put", lambda *_: "call file")
    boundaries.calls(services.sealing.seal.key, "sign", lambda *_: "call seal")
    _write_down(services.sealing.seal.key, seal_ledger)
    for channel in channels.values():
        boundaries.calls(channel, "send", lambda message: f"call send {message.purpose}")


def _write_down(key: Any, ledger: Path) -> None:
    sign = key.sign

    async def logged(message: bytes) -> bytes:
        if SIGNING_TIME not in message:  # not an evidence package, but a contract
            with ledger.open("a") as lines:
                lines.write(hashlib.sha256(message).hexdigest() + "\n")
        return bytes(await sign(message))

    object.__setattr__(key, "sign", logged)


def _label(tx: Transaction, labels: list[str]) -> None:
    """Collect what a transaction does, in the terms of the design."""
    _overhear(tx.record, "append_many", labels, lambda entries: [entry.kind for entry in entries])
    _overhear(tx.contracts, "add", labels, lambda contract, _: [f"{ContractState.DRAFT}→{contract.state}"])
    _overhear(tx.contracts, "move", labels, lambda contract, state, **_: [f"{contract.state}→{state}"])
    _overhear(tx.signatures, "begin_attempt", labels, lambda kind, *_: [f"attempt {kind}"])
    for added in ("add_many", "add_new"):
        _overhear(tx.deliveries, added, labels, _added)
    _overhear(tx.deliveries, "write_call", labels, lambda delivery: [f"called {delivery.provider}"])
    _overhear(tx.deliveries, "report", labels, lambda _delivery, report, *_, **__: [f"delivery is {report.state}"])


def _added(deliveries: Sequence[tuple[Delivery, str | None]]) -> list[str]:
    """Return the labels of new deliveries. Attempts of due steps name their provider from the start."""
    added = [delivery for delivery, _ in deliveries]
    called = [f"called {delivery.provider}" for delivery in added if delivery.provider]
    return [f"delivery {delivery.purpose}" for delivery in added] + called


def _overhear(store: object, method: str, labels: list[str], say: Callable[..., list[str]]) -> None:
    original: Callable[..., Awaitable[Any]] = getattr(store, method)

    async def heard(*words: Any, **named: Any) -> Any:
        labels.extend(say(*words, **named))
        return await original(*words, **named)

    setattr(store, method, heard)
