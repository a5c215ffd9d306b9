"""Make statements for rows of a table from column names: INSERT of any number of rows, UPDATE of one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Column, Table, bindparam
from sqlalchemy.dialects.postgresql import JSONB, dialect, insert

from hub.store.kernel.statement import SqlStatement

_DIALECT = dialect()  # type: ignore[no-untyped-call]


def insert_many(table: Table, columns: Sequence[str], ending: str = "") -> SqlStatement:
    """Return an INSERT of any number of rows into these columns. `ending`: ON CONFLICT, RETURNING.

    Rows are inserted in their order. The values come from `arrays_of`, one array for each column. JSON values must be
    text, and the table must not have array columns.
    """
    chosen = [table.c[name] for name in columns]
    names = ", ".join(f'"{column.name}"' for column in chosen)
    arrays = ", ".join(f"CAST(:{column.name} AS {_sent_as(column)}[])" for column in chosen)
    values = ", ".join(f'CAST("{column.name}" AS {_type_of(column)})' for column in chosen)
    rows = f"unnest({arrays}) WITH ORDINALITY AS given ({names}, place) ORDER BY place"
    sql = f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {rows} {ending}"  # noqa: S608 - names of ours
    return SqlStatement(sql, takes_arrays=True)


def arrays_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the values of `insert_many` for these rows."""
    kept = list(rows)
    return {name: [row[name] for row in kept] for name in columns}


def insert_row(table: Table, columns: Iterable[str], *, passing_over: bool = False) -> SqlStatement:
    """Return an INSERT of one row into these columns. `passing_over`: do nothing if the row exists."""
    return SqlStatement(insert(table).on_conflict_do_nothing() if passing_over else insert(table), columns)


@cache
def update_row(table: Table, *columns: str) -> SqlStatement:
    """Return an UPDATE of these columns in the row with a given `id`. The values come from `changed`."""
    return SqlStatement(table.update().where(table.c.id == bindparam("row")).values(new_values(*columns)))


def new_values(*columns: str) -> dict[str, Any]:
    """Return the SET values of an UPDATE of these columns, under the names that `changed` gives them."""
    return {name: bindparam(f"new_{name}") for name in columns}


def changed(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `update_row`: the id of the row and the new values of its columns."""
    return {"row": row} | {f"new_{name}": value for name, value in values.items()}


def _type_of(column: Column[Any]) -> str:
    assert not isinstance(column.type, ARRAY)
    return str(column.type.compile(dialect=_DIALECT))


def _sent_as(column: Column[Any]) -> str:
    return "text" if isinstance(column.type, JSONB) else _type_of(column)
