"""The connection of one transaction, which runs statements by asyncpg."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import asyncpg
from sqlalchemy import Executable

from hub.store.kernel.statement import SqlStatement
from hub.store.kernel.waiting_writes import WaitingWrites

# As many are kept prepared on each connection; one that was not used for the longest time is dropped.
MAX_PREPARED = 300
_Result = TypeVar("_Result")
_NOTHING: Mapping[str, Any] = {}


class Row(asyncpg.Record):
    """A row by names, by places, and as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


Driver: TypeAlias = "asyncpg.Connection[Row]"


class Rows(list[Row]):
    """The rows that a statement gave. `rowcount`: how many it gave, or touched where it gives none."""

    def __init__(self, rows: Iterable[Row], rowcount: int | None = None) -> None:
        super().__init__(rows)
        self.rowcount = len(self) if rowcount is None else rowcount

    def first(self) -> Row | None:
        return self[0] if self else None

    def one(self) -> Row:
        """Return the only row. Raises ValueError where there is none, or another."""
        (row,) = self
        return row


class Connection:
    """The connection of one transaction. A statement that is no `SqlStatement` is compiled each time it is run."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._waiting = WaitingWrites()

    async def write(self, statement: SqlStatement, values: Mapping[str, Any]) -> None:
        """Run a write before the next statement or at the commit, together with others that wait as this one does.

        Only for one that gives no rows, and that reads nothing which another write of this kind changes.
        """
        if not self._waiting.add(statement, values):
            await self.flush()
            self._waiting.add(statement, values)

    async def write_now(self, statement: SqlStatement, values: Mapping[str, Any]) -> Rows:
        """Run such a write at once, together with those that wait, and return its rows, or how many it touched."""
        found = self._waiting.take_with(statement, values)
        if found is None:
            await self.flush()
            found = statement.sql, statement.arguments(values)
        sql, arguments = found
        if statement.gives_rows:
            return Rows(await _told(sql, self.driver.fetch(sql, *arguments)))
        return Rows((), _touched(await _told(sql, self.driver.execute(sql, *arguments))))

    async def write_text_now(self, sql: str, *arguments: Any) -> Rows:
        """Run text of somebody else, which writes to tables of theirs, together with the writes that wait."""
        joined, values = self._waiting.take_with_text(sql, arguments)
        return Rows(await _told(joined, self.driver.fetch(joined, *values)))

    def notify(self, channel: str) -> None:
        """Tell whoever listens to this channel once this transaction has committed."""
        self._waiting.add_notify(channel)

    async def flush(self) -> None:
        """Run the writes that wait."""
        if self._waiting:
            sql, arguments = self._waiting.take()
            await _told(sql, self.driver.execute(sql, *arguments))

    async def execute(self, statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING) -> Rows:
        await self.flush()
        made = _made(statement, values)
        if made.gives_rows:
            return Rows(await _told(made.sql, self.driver.fetch(made.sql, *made.arguments(values))))
        return Rows((), _touched(await _told(made.sql, self.driver.execute(made.sql, *made.arguments(values)))))

    async def execute_many(self, statement: SqlStatement | Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each of these values."""
        await self.flush()
        made = _made(statement, rows[0])
        await _told(made.sql, self.driver.executemany(made.sql, [made.arguments(row) for row in rows]))

    async def stream(
        self, statement: SqlStatement | Executable, values: Mapping[str, Any], rows_at_once: int
    ) -> AsyncIterator[Row]:
        """Give the rows one by one, and have no more of them in memory than `rows_at_once`."""
        await self.flush()
        made = _made(statement, values)
        async for row in self.driver.cursor(made.sql, *made.arguments(values), prefetch=rows_at_once):
            yield row

    async def scalar(self, statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING) -> Any:
        """Return the first value of the first row; None where there is no row."""
        rows = await self.execute(statement, values)
        return rows[0][0] if rows else None

    async def scalars(self, statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Return the first value of each row."""
        return [row[0] for row in await self.execute(statement, values)]

    async def fetch(self, sql: str, *arguments: Any) -> Rows:
        """Run text of somebody else, with `$1` for each value."""
        await self.flush()
        return Rows(await _told(sql, self.driver.fetch(sql, *arguments)))


def _made(statement: SqlStatement | Executable, values: Mapping[str, Any]) -> SqlStatement:
    return statement if isinstance(statement, SqlStatement) else SqlStatement(statement, values or None, is_once=True)


async def _told(sql: str, running: Awaitable[_Result]) -> _Result:
    """An error says in which statement it came, and leaves out the detail: that holds values, which are anybody's."""
    try:
        return await running
    except asyncpg.PostgresError as error:
        error.detail = None
        error.add_note(f"in the statement {sql}")
        raise


def _touched(status: str) -> int:
    """Return the number in `UPDATE 3` or `INSERT 0 3`."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 0


async def open_connection(dsn: str, connect_timeout: float, statement_timeout: float) -> Driver:
    """Connect for statements of this kind. Raises what asyncpg raises."""
    driver = await asyncpg.connect(
        dsn,
        timeout=connect_timeout,
        command_timeout=statement_timeout,
        record_class=Row,
        statement_cache_size=MAX_PREPARED,
        max_cached_statement_lifetime=0,
    )
    await driver.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")
    return driver
