"""Statements that are compiled to text once, and the connection of one transaction that runs them by asyncpg.

SQLAlchemy Core only writes the text: its own execution of a small SELECT costs five times as much as asyncpg's.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import asyncpg
from sqlalchemy import ColumnDefault, Executable, SelectBase, TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql.compiler import ExpandedState, SQLCompiler

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]
# Text of ours that gives rows.
_GIVES_ROWS = re.compile(r"\s*(SELECT|WITH|SHOW|VALUES)\b|.*\bRETURNING\b", re.IGNORECASE | re.DOTALL)
# As many are kept prepared on each connection; one that was not used for the longest time is dropped.
MAX_PREPARED = 300
_Result = TypeVar("_Result")
_MISSING = object()
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


class SqlStatement:
    """A statement as text for asyncpg, and how its values become the arguments.

    `of` is a statement of SQLAlchemy Core, or text with `:name` for each value. `keys`: the columns that an INSERT
    writes, where they are not all.
    """

    def __init__(self, of: Executable | str, keys: Iterable[str] | None = None) -> None:
        self._of = text(of) if isinstance(of, str) else of
        self._keys = None if keys is None else list(keys)

    @cached_property
    def _compiled(self) -> SQLCompiler:
        compiled = self._of.compile(dialect=_DIALECT, column_keys=self._keys)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        return compiled

    @cached_property
    def _expanded(self) -> ExpandedState:
        """The text with as many places as a list of values has, which stands in the statement itself."""
        unknown = {name: None for name, bind in self._compiled.binds.items() if bind.required}
        return self._compiled.construct_expanded_state(unknown, escape_names=False)

    @cached_property
    def sql(self) -> str:
        return self._expanded.statement

    @cached_property
    def gives_rows(self) -> bool:
        """Whether it has rows; of one that has none the server says how many rows it touched."""
        if self._compiled.effective_returning or isinstance(self._of, SelectBase):
            return True
        return bool(isinstance(self._of, TextClause) and _GIVES_ROWS.match(self.sql))

    @cached_property
    def _places(self) -> list[tuple[str, Any, Any]]:
        """For each place of the text the name of its value, the value that the statement itself has, and how it is
        converted."""
        found, own = [], dict(self._expanded.parameters)
        for column in self._compiled.insert_prefetch:
            assert isinstance(column.default, ColumnDefault) and column.default.is_scalar, column
            own[column.key] = column.default.arg
        for name in self._expanded.positiontup or ():
            bind = self._compiled.binds.get(name)
            value = _MISSING if bind is not None and bind.required else own[name]
            convert = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT) if bind is not None else None
            found.append((name, value, convert))
        return found

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the values by place. Raises KeyError where one is missing."""
        found = []
        for name, default, convert in self._places:
            value = values.get(name, default)
            if value is _MISSING:
                raise KeyError(name)
            found.append(convert(value) if convert else value)
        return found


class Connection:
    """The connection of one transaction. A statement that is no `SqlStatement` is compiled each time it is run."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    async def execute(self, statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING) -> Rows:
        made = _made(statement, values)
        if made.gives_rows:
            return Rows(await _told(made.sql, self.driver.fetch(made.sql, *made.arguments(values))))
        return Rows((), _touched(await _told(made.sql, self.driver.execute(made.sql, *made.arguments(values)))))

    async def execute_many(self, statement: SqlStatement | Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each of these values."""
        made = _made(statement, rows[0])
        await _told(made.sql, self.driver.executemany(made.sql, [made.arguments(row) for row in rows]))

    async def stream(
        self, statement: SqlStatement | Executable, values: Mapping[str, Any], rows_at_once: int
    ) -> AsyncIterator[Row]:
        """Give the rows one by one, and have no more of them in memory than `rows_at_once`."""
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
        return Rows(await _told(sql, self.driver.fetch(sql, *arguments)))


def _made(statement: SqlStatement | Executable, values: Mapping[str, Any]) -> SqlStatement:
    return statement if isinstance(statement, SqlStatement) else SqlStatement(statement, values or None)


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
