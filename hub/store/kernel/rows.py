"""Statements about rows of a table, by the names of their columns: INSERT of any number of rows, UPDATE of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Column, Table, bindparam
from sqlalchemy.dialects.postgresql import JSONB, dialect, insert

from hub.store.kernel.statement import SqlStatement

_DIALECT = dialect()  # type: ignore[no-untyped-call]


def insert_many(table: Table, columns: Sequence[str], ending: str = "") -> SqlStatement:
    """Return an INSERT into these columns of `table`, in the order of its rows; `ending`: ON CONFLICT, RETURNING.

    Each column goes as one array; the values are those of `arrays_of`. Values of columns of JSON are text already, and
    there are no arrays.
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
    """Return an INSERT of one row into these columns. With `passing_over`, a row that is there is left as it is."""
    return SqlStatement(insert(table).on_conflict_do_nothing() if passing_over else insert(table), columns)


@cache
def update_row(table: Table, *columns: str) -> SqlStatement:
    """Return an UPDATE of these columns of the row with one `id`; the values are those of `changed`."""
    return SqlStatement(table.update().where(table.c.id == bindparam("row")).values(new_values(*columns)))


def new_values(*columns: str) -> dict[str, Any]:
    """Return what an UPDATE writes into these columns, as `changed` names it."""
    return {name: bindparam(f"new_{name}") for name in columns}


def changed(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `update_row`: the row's id, and what is written into its columns."""
    return {"row": row} | {f"new_{name}": value for name, value in values.items()}


def _type_of(column: Column[Any]) -> str:
    assert not isinstance(column.type, ARRAY)
    return str(column.type.compile(dialect=_DIALECT))


def _sent_as(column: Column[Any]) -> str:
    return "text" if isinstance(column.type, JSONB) else _type_of(column)
