"""INSERT of any number of rows as one statement: each column goes as one array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, Table, TextClause, text
from sqlalchemy.dialects.postgresql import JSONB, dialect

_DIALECT = dialect()  # type: ignore[no-untyped-call]


def insert_many(table: Table, columns: Sequence[str], ending: str = "") -> TextClause:
    """Return an INSERT into these columns of `table`, in the order of its rows; `ending`: ON CONFLICT, RETURNING.

    Its parameters are those of `arrays_of`. Values of columns of JSON are text already, and there are no arrays.
    """
    chosen = [table.c[name] for name in columns]
    names = ", ".join(f'"{column.name}"' for column in chosen)
    arrays = ", ".join(f"CAST(:{column.name} AS {_sent_as(column)}[])" for column in chosen)
    values = ", ".join(f'CAST("{column.name}" AS {_type_of(column)})' for column in chosen)
    rows = f"unnest({arrays}) WITH ORDINALITY AS given ({names}, place) ORDER BY place"
    return text(f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {rows} {ending}")  # noqa: S608 - names of ours


def arrays_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the parameters of `insert_many` for these rows."""
    kept = list(rows)
    return {name: [row[name] for row in kept] for name in columns}


def _type_of(column: Column[Any]) -> str:
    assert not isinstance(column.type, ARRAY)
    return str(column.type.compile(dialect=_DIALECT))


def _sent_as(column: Column[Any]) -> str:
    return "text" if isinstance(column.type, JSONB) else _type_of(column)
