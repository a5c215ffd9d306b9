"""The statement with which every transaction begins, and the first read of a transaction as a part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hub.store.kernel.statement import SqlStatement

_SCOPE_PLACE = re.compile(r"\$1\b")
_ENTER = (
    "SELECT (SELECT clock_offset FROM demo_clock) AS clock_offset, clock_timestamp() AS theirs, key.id AS sealing_key,"
    " key.refuses_unbound FROM set_config('qianda.scope', $1, true) LEFT JOIN sealing_key AS key ON key.is_current"
)


@dataclass(frozen=True)
class Opening:
    """The first statement of a transaction, a SELECT, which may lock what it reads. It is run together with what sets
    the scope, and its rows are kept for whoever runs it first: that saves a round trip, and changes nothing else."""

    statement: SqlStatement
    values: Mapping[str, Any]


def enter(scope: str, opening: Opening | None) -> tuple[str, list[Any]]:
    """Return the text of the first statement with its arguments. Its rows are those of the opening, each with the
    columns of `_ENTER` at its end and with `is_opened`, which is NULL in the only row if the opening has none."""
    if opening is None:
        return _ENTER, [scope]
    arguments = opening.statement.arguments(opening.values)
    return _join(opening.statement.sql, len(arguments) + 1), [*arguments, scope]


@lru_cache(maxsize=100)
def _join(sql: str, scope_place: int) -> str:
    """Return both statements as one.

    Policies look at the scope while rows are read, so the scope has to be set before. This is certain because the
    opening is read once for each row that sets the scope and needs a value of it. `OFFSET 0` keeps PostgreSQL from
    putting its tables beside the others.
    """
    entered = _SCOPE_PLACE.sub(f"${scope_place}", _ENTER)
    read = f"FROM ({sql}) AS opening WHERE entered.theirs IS NOT NULL OFFSET 0"
    after = f"LEFT JOIN LATERAL (SELECT opening.*, true AS is_opened {read}) AS opened ON true"
    return f"SELECT opened.*, entered.* FROM ({entered}) AS entered {after}"  # noqa: S608 - texts of ours
