"""The statements that reach a database, for tests that count or name them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from hub.model.staff.accounts import ApiKey
from hub.model.staff.scope import Scope
from hub.store.kernel.connection import PLAN_FOR_VALUES, Connection
from hub.store.kernel.opening import Opening
from hub.store.transaction import Database, Transaction

RUNS = ("execute", "executemany", "fetch", "cursor")


class _WatchedDriver:
    """The driver of one transaction. It passes each statement to `note` before running it, but not PLAN_FOR_VALUES."""

    def __init__(self, driver: Any, note: Callable[[str], None]) -> None:
        self._driver = driver
        self._note = note

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._driver, name)
        if name not in RUNS:
            return found

        def run(sql: str, *values: Any, **options: Any) -> Any:
            if sql != PLAN_FOR_VALUES:
                self._note(sql)
            return found(sql, *values, **options)

        return run


def watch_statements(connection: Connection, note: Callable[[str], None]) -> None:
    """Pass each statement of this transaction to `note` from now on, right before it is run."""
    connection.driver = _WatchedDriver(connection.driver, note)  # type: ignore[assignment]


@contextmanager
def noted_statements(database: Database, note: Callable[[str], None] | None = None) -> Iterator[list[str]]:
    """Note the statements of transactions that begin inside the block, without BEGIN, the scope and COMMIT.

    Yields the list of statements, which stays empty if `note` is given.
    """
    by_scope, by_key, statements = database.transaction, database.transaction_by_key, list[str]()
    add = note or statements.append

    def note_opening(opening: Opening | None) -> None:
        if opening is not None:
            add(opening.statement.sql)

    @asynccontextmanager
    async def transaction(scope: Scope, opening: Opening | None = None) -> AsyncIterator[Transaction]:
        note_opening(opening)
        async with by_scope(scope, opening) as opened:
            watch_statements(opened.connection, add)
            yield opened

    @asynccontextmanager
    async def transaction_by_key(
        secret: str, opening: Opening | None = None
    ) -> AsyncIterator[tuple[Transaction, ApiKey]]:
        note_opening(opening)
        async with by_key(secret, opening) as (opened, key):
            watch_statements(opened.connection, add)
            yield opened, key

    object.__setattr__(database, "transaction", transaction)
    object.__setattr__(database, "transaction_by_key", transaction_by_key)
    try:
        yield statements
    finally:
        object.__setattr__(database, "transaction", by_scope)
        object.__setattr__(database, "transaction_by_key", by_key)
