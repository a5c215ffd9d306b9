"""Begin a transaction with one statement, which may include its first reads, or be all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hub.store.kernel.statement import SqlStatement, move_places

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b")
# The LIMIT tells PostgreSQL that this returns one row. Without it, the opening is planned for hundreds of rows.
_ENTER = (
    "SELECT (SELECT clock_offset FROM demo_clock) AS clock_offset, clock_timestamp() AS theirs, key.id AS sealing_key,"
    " key.refuses_unbound, caller FROM (SELECT {} AS caller) AS entrance"
    " LEFT JOIN (SELECT id, refuses_unbound FROM sealing_key WHERE is_current LIMIT 1) AS key ON true"
)


@dataclass(frozen=True)
class Entrance:
    """The way in which a transaction gets its scope: a function of the database, called with `argument`, sets the scope
    and returns what the database knows about the caller."""

    function: str
    argument: str | bytes


def by_scope(setting: str) -> Entrance:
    return Entrance("set_config('qianda.scope', {}, true)", setting)


def by_key(secret_hash: bytes) -> Entrance:
    """Return the entrance with an API key: its scope is set, or an empty one if there is no such key."""
    return Entrance("enter_by_key({})", secret_hash)


@dataclass(frozen=True)
class Opening:
    """The first read of a transaction, a SELECT, which may lock its rows. It is run together with the statement that
    sets the scope, and its rows are kept until the transaction runs it. This saves a round trip and changes nothing
    else.

    `is_all`: the transaction runs nothing else, so it needs no BEGIN and COMMIT, which are two round trips more. Any
    other statement in it raises RuntimeError. Such an opening may also be a write with RETURNING. `following`: further
    writes, without values, which read the returned rows from `opening`.

    `also`: further SELECTs without locks, run in the same statement, so that all see the same snapshot.
    """

    statement: SqlStatement
    values: Mapping[str, Any]
    is_all: bool = False
    following: tuple[str, ...] = ()
    also: Sequence[Opening] = ()

    @property
    def is_write(self) -> bool:
        """Whether this is a write, and so a whole transaction."""
        return self.is_all and bool(_WRITES.match(self.statement.sql))

    @property
    def plans_for_values(self) -> bool:
        return any(read.statement.plans_for_values for read in self.reads)

    @property
    def reads(self) -> Sequence[Opening]:
        return (self, *self.also)

    def make(self) -> tuple[str, list[Any]]:
        """Return the text of the statement with its arguments."""
        if not self.also:
            return self.statement.sql, self.statement.arguments(self.values)
        arguments = [read.statement.arguments(read.values) for read in self.reads]
        parts = [(read.statement.sql, len(given)) for read, given in zip(self.reads, arguments, strict=True)]
        return _select_each(tuple(parts)), [value for given in arguments for value in given]

    def split(self, row: Iterable[Any]) -> Iterator[tuple[Opening, list[KeptRow]]]:
        """Split the one row of the statement that `make` returns for several reads. Yield the rows of each read."""
        for read, rows in zip(self.reads, row, strict=False):  # the columns of `_ENTER` may follow
            places = {name: place for place, name in enumerate(read.statement.columns)}
            yield read, [KeptRow(places, values) for values in rows]


class KeptRow:
    """A row of one of several reads. It can be used as the rows of the database driver."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: Sequence[Any]) -> None:
        self._places, self._values = places, values

    def __getitem__(self, key: str | int) -> Any:
        return self._values[self._places[key] if isinstance(key, str) else key]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[self._places[name]]
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> Iterator[str]:
        return iter(self._places)

    def items(self) -> Iterator[tuple[str, Any]]:
        return zip(self._places, self._values, strict=True)


@lru_cache(maxsize=100)
def _enter(function: str, place: int) -> str:
    """Return the statement that sets the scope. `place`: the number of the argument of the function."""
    return _ENTER.format(function.format(f"${place}"))


def enter(entrance: Entrance, opening: Opening | None) -> tuple[str, list[Any]]:
    """Return the text of the first statement with its arguments. Its rows are those of the opening, each followed by
    the columns of `_ENTER` and by `is_opened`. If the opening has no rows, there is one row, with NULL in `is_opened`.
    """
    if opening is None:
        return _enter(entrance.function, 1), [entrance.argument]
    sql, arguments = opening.make()
    entered = _enter(entrance.function, len(arguments) + 1)
    joined = _join_write((sql, *opening.following), entered) if opening.is_write else _join(sql, entered)
    return joined, [*arguments, entrance.argument]


_COLUMNS = (
    "entered.clock_offset, clock_timestamp() AS theirs, entered.sealing_key, entered.refuses_unbound, entered.caller"
)


@lru_cache(maxsize=100)
def _join(sql: str, entered: str) -> str:
    """Return both statements as one.

    Policies check the scope while rows are read, so the scope must be set first. This is certain, because the opening
    is read once for each row that sets the scope, and needs a value of that row. `OFFSET 0` keeps PostgreSQL from
    joining its tables in another order. The clock is read anew with the rows: the opening may have waited for a lock.
    """
    read = f"FROM ({sql}) AS opening WHERE entered.theirs IS NOT NULL OFFSET 0"
    after = f"LEFT JOIN LATERAL (SELECT opening.*, true AS is_opened {read}) AS opened ON true"
    return f"SELECT opened.*, {_COLUMNS} FROM ({entered}) AS entered {after}"  # noqa: S608 - texts of ours


@lru_cache(maxsize=100)
def _join_write(texts: tuple[str, ...], entered: str) -> str:
    """Return a write, and those that follow it, as one statement with `_ENTER`.

    The scope is set first here too: a left join without a condition reads its left side first, and the write begins
    when its first row is asked for. Those that follow run at the end.
    """
    write, *following = texts
    parts = "".join(f", write_{place} AS ({sql})" for place, sql in enumerate(following))
    opened = "(SELECT opening.*, true AS is_opened FROM opening) AS opened"
    return (
        f"WITH entered AS MATERIALIZED ({entered}), opening AS ({write}){parts}"  # noqa: S608 - texts of ours
        f" SELECT opened.*, {_COLUMNS} FROM entered LEFT JOIN {opened} ON true"
    )


@lru_cache(maxsize=100)
def _select_each(parts: Sequence[tuple[str, int]]) -> str:
    """Return a statement whose single row contains the rows of each of these statements as an array `read_N`. Each
    statement comes with the number of its arguments."""
    columns, before = [], 0
    for number, (sql, arguments) in enumerate(parts):
        moved = move_places(sql, before)
        columns.append(f"ARRAY(SELECT ROW(part.*) FROM ({moved}) AS part) AS read_{number}")  # noqa: S608 - ours
        before += arguments
    return f"SELECT {', '.join(columns)}"
