"""Names of constraints and kinds of columns, for all tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DateTime, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

metadata: MetaData = SQLModel.metadata
metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def moment(**options: Any) -> Any:
    """Return a column for a point in time, always with a time zone."""
    return Field(default=None, sa_type=DateTime(timezone=True), **options)


def words(**options: Any) -> Any:
    return Field(sa_type=Text, **options)


def counter() -> Any:
    """Return a column for a number that begins at 0, also in rows written by older versions."""
    return Field(default=0, sa_column_kwargs={"server_default": "0"})


def bytes_(**options: Any) -> Any:
    return Field(default=None, sa_type=LargeBinary, **options)


def json_() -> Any:
    return Field(default_factory=dict, sa_type=JSONB)


def table_of(row: type[SQLModel]) -> Table:
    """Return the table of a row class, for statements of SQLAlchemy Core."""
    table = row.__table__  # type: ignore[attr-defined]
    assert isinstance(table, Table)
    return table
