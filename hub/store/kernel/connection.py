"""The connection of one transaction, which runs statements by asyncpg."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar, cast

import asyncpg
from sqlalchemy import ColumnElement, Executable, FromClause, func, select

from hub.store.kernel.opening import Entrance, Opening, enter
from hub.store.kernel.statement import SqlStatement
from hub.store.kernel.waiting_writes import WaitingWrites

# Prepared statements kept on each connection. The least recently used one is dropped.
MAX_PREPARED = 300
# Make one plan for all values. By default PostgreSQL compares costs and plans more than half of a contract's statements
# anew at each run, which took a quarter of the database's time.
_PLAN_ONCE = "SET plan_cache_mode = force_generic_plan"  # not in the first message: a pgbouncer would refuse it
# Lets PostgreSQL plan for values in the rest of a transaction: for statements with `plans_for_values`.
PLAN_FOR_VALUES = "SET LOCAL plan_cache_mode = auto"
_Result = TypeVar("_Result")
_NOTHING: Mapping[str, Any] = {}


class Row(asyncpg.Record):
    """A row whose values can be read by name, by position, or as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


Driver: TypeAlias = "asyncpg.Connection[Row]"


class Rows(list[Row]):
    """The rows that a statement returned. `rowcount`: their number or, if it returns none, that of changed rows."""

    def __init__(self, rows: Iterable[Row], rowcount: int | None = None) -> None:
        super().__init__(rows)
        self.rowcount = len(self) if rowcount is None else rowcount

    def first(self) -> Row | None:
        return self[0] if self else None

    def one(self) -> Row:
        """Return the only row. Raises ValueError if there is none or more than one."""
        (row,) = self
        return row


class _EndedDriver:
    """A stand-in for the driver of a transaction that may run nothing more."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("this transaction has one statement, which it has run")


class Connection:
    """The connection of one transaction. A statement that is not an `SqlStatement` is compiled at each run.

    `plans_for_values`: the transaction began with PLAN_FOR_VALUES.
    """

    def __init__(self, driver: Driver, plans_for_values: bool = False) -> None:
        self.driver = driver
        self._plans_for_values = plans_for_values
        self._waiting = WaitingWrites()
        self._kept: list[tuple[Opening, Rows]] = []

    async def _let_plan(self, statement: SqlStatement) -> None:
        """Let PostgreSQL plan for the values of this statement, if it needs that. Once is enough in a transaction."""
        if statement.plans_for_values and not self._plans_for_values:
            await self.driver.execute(PLAN_FOR_VALUES)
            self._plans_for_values = True

    async def enter(self, entrance: Entrance, opening: Opening | None = None) -> Row:
        """Set the scope of the transaction and run its opening. Return the clocks, the sealing key and the facts about
        the caller."""
        sql, arguments = enter(entrance, opening)
        rows = Rows(await _describe_errors(sql, self.driver.fetch(sql, *arguments)))
        if opening is not None:
            self._keep(opening, Rows(row for row in rows if row["is_opened"]))
        return rows[-1]  # its clock was read after all waiting for locks

    def _keep(self, opening: Opening, rows: Rows) -> None:
        if opening.also:
            self._kept = [(read, Rows(cast(list[Row], found))) for read, found in opening.split(rows.one())]
        else:
            self._kept = [(opening, rows)]

    async def read_together(self, opening: Opening) -> None:
        """Run several reads as one statement. The rows of each are kept until the transaction runs it."""
        if not all(self._waiting.may_wait_longer(read.statement) for read in opening.reads):
            await self.flush()
        for read in opening.reads:
            await self._let_plan(read.statement)
        sql, arguments = opening.make()
        self._keep(opening, Rows(await _describe_errors(sql, self.driver.fetch(sql, *arguments))))

    def end(self) -> None:
        """Refuse further statements. The rows of the opening can still be taken."""
        self.driver = cast(Driver, _EndedDriver())

    def _take_kept(self, statement: SqlStatement | Executable, values: Mapping[str, Any]) -> Rows | None:
        """Return the rows of this statement if they were read ahead, and nothing that it reads was written since."""
        for place, (read, rows) in enumerate(self._kept):
            if (statement, values) == (read.statement, read.values):
                if self._waiting and not self._waiting.may_wait_longer(read.statement):
                    return None
                del self._kept[place]
                return rows
        return None

    async def write(self, statement: SqlStatement, values: Mapping[str, Any]) -> None:
        """Keep a write until the next statement or the commit, and run it together with other kept writes.

        Use it only for a write that returns no rows and reads nothing that another kept write changes.
        """
        if not self._waiting.add(statement, values):
            await self.flush()
            self._waiting.add(statement, values)

    async def write_now(self, statement: SqlStatement, values: Mapping[str, Any]) -> Rows:
        """Run a write now, together with the kept ones, and return its rows or the number of rows that it changed."""
        self._kept = []
        found = self._waiting.take_with(statement, values)
        if found is None:
            await self.flush()
            found = statement.sql, statement.arguments(values)
        sql, arguments = found
        if statement.gives_rows:
            return Rows(await _describe_errors(sql, self.driver.fetch(sql, *arguments)))
        return Rows((), _count_changed(await _describe_errors(sql, self.driver.execute(sql, *arguments))))

    async def lock_after_writes(self, statement: SqlStatement, values: Mapping[str, Any]) -> Rows:
        """Run the kept writes and then, in the same round trip, this statement, which contains AFTER_WRITES."""
        self._kept = []
        sql, arguments = self._waiting.take_before(statement, values)
        return Rows(await _describe_errors(sql, self.driver.fetch(sql, *arguments)))

    def notify(self, channel: str) -> None:
        """Send a NOTIFY on this channel when the transaction commits."""
        self._waiting.add_notify(channel)

    async def flush(self) -> None:
        """Run the writes that are kept."""
        self._kept = []
        if self._waiting:
            sql, arguments = self._waiting.take()
            await _describe_errors(sql, self.driver.execute(sql, *arguments))

    async def execute(self, statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING) -> Rows:
        if (kept := self._take_kept(statement, values)) is not None:
            return kept
        made = _compiled_once(statement, values)
        if (self._kept or self._waiting) and not self._waiting.may_wait_longer(made):
            await self.flush()
        await self._let_plan(made)
        if made.gives_rows:
            return Rows(await _describe_errors(made.sql, self.driver.fetch(made.sql, *made.arguments(values))))
        return Rows(
            (), _count_changed(await _describe_errors(made.sql, self.driver.execute(made.sql, *made.arguments(values))))
        )

    async def read_with_writes(self, statement: SqlStatement) -> Rows:
        """Run a read as `execute` does, but in one statement with the kept writes if it reads none of their tables. Use
        this for a transaction's last read."""
        self._kept = []
        if not self._waiting.may_wait_longer(statement):
            await self.flush()
        joined, values = self._waiting.take_with_text(statement.sql, statement.arguments(_NOTHING))
        return Rows(await _describe_errors(joined, self.driver.fetch(joined, *values)))

    async def execute_many(self, statement: SqlStatement | Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each of these values."""
        await self.flush()
        made = _compiled_once(statement, rows[0])
        await _describe_errors(made.sql, self.driver.executemany(made.sql, [made.arguments(row) for row in rows]))

    async def stream(
        self, statement: SqlStatement | Executable, values: Mapping[str, Any], rows_at_once: int
    ) -> AsyncIterator[Row]:
        """Yield the rows one by one, with at most `rows_at_once` of them in memory."""
        await self.flush()
        made = _compiled_once(statement, values)
        await self._let_plan(made)
        async for row in self.driver.cursor(made.sql, *made.arguments(values), prefetch=rows_at_once):
            yield row

    async def find(
        self, read: Callable[[Row], _Result], statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING
    ) -> _Result | None:
        """Return what `read` makes of the first row, or None if there is no row."""
        row = (await self.execute(statement, values)).first()
        return None if row is None else read(row)

    async def scalar(self, statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING) -> Any:
        """Return the first value of the first row, or None if there is no row."""
        rows = await self.execute(statement, values)
        return rows[0][0] if rows else None

    async def scalars(self, statement: SqlStatement | Executable, values: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Return the first value of each row."""
        return [row[0] for row in await self.execute(statement, values)]

    async def count(self, rows: FromClause, *conditions: ColumnElement[bool]) -> int:
        """Return how many of these rows meet all conditions."""
        return int(await self.scalar(select(func.count()).select_from(rows).where(*conditions)))

    async def fetch(self, sql: str, *arguments: Any) -> Rows:
        """Run SQL text of a library, with `$1` and so on for the values."""
        await self.flush()
        return Rows(await _describe_errors(sql, self.driver.fetch(sql, *arguments)))


def _compiled_once(statement: SqlStatement | Executable, values: Mapping[str, Any]) -> SqlStatement:
    return statement if isinstance(statement, SqlStatement) else SqlStatement(statement, values or None, is_once=True)


async def _describe_errors(sql: str, running: Awaitable[_Result]) -> _Result:
    """Add the statement to a database error, and remove the error's detail, which contains personal values."""
    try:
        return await running
    except asyncpg.PostgresError as error:
        error.detail = None
        error.add_note(f"in the statement {sql}")
        raise


def _count_changed(status: str) -> int:
    """Return the number of changed rows from a status such as `UPDATE 3` or `INSERT 0 3`."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdecimal() else 0


# Columns of a row arrive as binary jsonb: this version number, then the text.
_JSONB_VERSION = b"\x01"
# Ids of PostgreSQL's built-in array types and of their elements, which never change. The driver would look them up on
# each connection, which costs the server ten milliseconds, and it does not look up those inside rows.
_ARRAYS: Final = {
    "bool": (1000, 16),
    "bytea": (1001, 17),
    "int4": (1007, 23),
    "varchar": (1015, 1043),
    "int8": (1016, 20),
    "timestamptz": (1185, 1184),
    "uuid": (2951, 2950),
}
# As the driver's own look-up describes them.
_NO_ARRAY: Final = dict.fromkeys(("attrtypoids", "attrnames", "basetype", "range_subtype"))
ARRAY_TYPES: Final = [
    {"oid": oid, "ns": "pg_catalog", "name": name, "kind": b"b", "elemtype": element, "elemdelim": ",", **_NO_ARRAY}
    for name, (oid, element) in _ARRAYS.items()
]


async def open_connection(dsn: str, connect_timeout: float, statement_timeout: float) -> Driver:
    """Open a connection for `SqlStatement`. Both timeouts are in seconds. Raises what asyncpg raises."""
    driver = await asyncpg.connect(
        dsn,
        timeout=connect_timeout,
        command_timeout=statement_timeout,
        record_class=Row,
        statement_cache_size=MAX_PREPARED,
        max_cached_statement_lifetime=0,
    )
    await driver.set_type_codec(
        "jsonb",
        encoder=lambda text: _JSONB_VERSION + text.encode(),
        decoder=lambda binary: json.loads(binary[1:]),
        schema="pg_catalog",
        format="binary",
    )
    driver.get_settings().register_data_types(ARRAY_TYPES)
    await driver.execute(_PLAN_ONCE)
    return driver
