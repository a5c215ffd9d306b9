"""Begin a transaction with one statement, which may include the transaction's first read, or be all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hub.store.kernel.statement import SqlStatement

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b")
_SCOPE_PLACE = re.compile(r"\$1\b")
# One row, and PostgreSQL knows it from the LIMIT: it would plan the opening for hundreds of rows otherwise.
_ENTER = (
    "SELECT (SELECT clock_offset FROM demo_clock) AS clock_offset, clock_timestamp() AS theirs, key.id AS sealing_key,"
    " key.refuses_unbound FROM set_config('qianda.scope', $1, true)"
    " LEFT JOIN (SELECT id, refuses_unbound FROM sealing_key WHERE is_current LIMIT 1) AS key ON true"
)


@dataclass(frozen=True)
class Opening:
    """The first read of a transaction, a SELECT, which may lock its rows. It is run together with the statement that
    sets the scope, and its rows are kept until the transaction runs it. This saves a round trip and changes nothing
    else.

    `is_all`: the transaction runs nothing else, so it needs no BEGIN and COMMIT, which are two round trips more. Any
    other statement in it raises RuntimeError. Then it may also be a write with RETURNING. `following`: INSERTs without
    values that read the returned rows from `opening`.
    """

    statement: SqlStatement
    values: Mapping[str, Any]
    is_all: bool = False
    following: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        """Whether this is a write, and so a whole transaction."""
        return self.is_all and bool(_WRITES.match(self.statement.sql))


def enter(scope: str, opening: Opening | None) -> tuple[str, list[Any]]:
    """Return the text of the first statement with its arguments. Its rows are those of the opening, each followed by
    the columns of `_ENTER` and by `is_opened`. If the opening has no rows, there is one row, with NULL in `is_opened`.
    """
    if opening is None:
        return _ENTER, [scope]
    arguments = opening.statement.arguments(opening.values)
    if opening.is_write:
        sql = _join_write((opening.statement.sql, *opening.following), len(arguments) + 1)
    else:
        sql = _join(opening.statement.sql, len(arguments) + 1)
    return sql, [*arguments, scope]


_COLUMNS = "entered.clock_offset, clock_timestamp() AS theirs, entered.sealing_key, entered.refuses_unbound"


@lru_cache(maxsize=100)
def _join(sql: str, scope_place: int) -> str:
    """Return both statements as one.

    Policies check the scope while rows are read, so the scope must be set first. This is certain, because the opening
    is read once for each row that sets the scope, and needs a value of that row. `OFFSET 0` keeps PostgreSQL from
    joining its tables in another order. The clock is read anew with the rows: the opening may have waited for a lock.
    """
    entered = _SCOPE_PLACE.sub(f"${scope_place}", _ENTER)
    read = f"FROM ({sql}) AS opening WHERE entered.theirs IS NOT NULL OFFSET 0"
    after = f"LEFT JOIN LATERAL (SELECT opening.*, true AS is_opened {read}) AS opened ON true"
    return f"SELECT opened.*, {_COLUMNS} FROM ({entered}) AS entered {after}"  # noqa: S608 - texts of ours


@lru_cache(maxsize=100)
def _join_write(texts: tuple[str, ...], scope_place: int) -> str:
    """Return a write, and those that follow it, as one statement with `_ENTER`.

    The scope is set first here too: a left join without a condition reads its left side first, and the write begins
    when its first row is asked for. Those that follow run at the end.
    """
    write, *following = texts
    parts = "".join(f", write_{place} AS ({sql})" for place, sql in enumerate(following))
    entered = _SCOPE_PLACE.sub(f"${scope_place}", _ENTER)
    opened = "(SELECT opening.*, true AS is_opened FROM opening) AS opened"
    return (
        f"WITH entered AS MATERIALIZED ({entered}), opening AS ({write}){parts}"  # noqa: S608 - texts of ours
        f" SELECT opened.*, {_COLUMNS} FROM entered LEFT JOIN {opened} ON true"
    )
