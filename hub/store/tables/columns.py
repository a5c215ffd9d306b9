"""Tables that are declared as classes, names of constraints, and kinds of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Boolean, Column, Date, DateTime, Float, ForeignKey, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# By the annotation of a column. The other types are given to `column`.
_TYPES: dict[str, type[TypeEngine[Any]]] = {
    "UUID": UuidType,
    "bool": Boolean,
    "date": Date,
    "float": Float,
    "int": Integer,
}
_OR_NULL = " | None"


class DeclaredTable:
    """A table: each annotated name is a column, by itself (`tries: int = 0`) or by `column` and its kinds.

    No row is ever an object of these classes, so they neither check values nor map objects: that would double the time
    that a process takes to start.
    """

    __tablename__: ClassVar[str]
    # Indexes and constraints of several columns.
    __table_args__: ClassVar[tuple[Any, ...]] = ()
    __table__: ClassVar[Table]

    def __init_subclass__(cls) -> None:
        given = vars(cls)
        columns = [_column(name, kind, given.get(name)) for name, kind in cls.__annotations__.items()]
        cls.__table__ = Table(cls.__tablename__, metadata, *columns, *cls.__table_args__)


@dataclass(frozen=True)
class ColumnSpec:
    """What `column` was given."""

    parts: tuple[Any, ...]
    options: dict[str, Any]


def column(*parts: Any, foreign_key: str | None = None, ondelete: str | None = None, **options: Any) -> Any:
    """Return a column of these parts (its type, unless the annotation says it) and options of SQLAlchemy's `Column`.

    It may be NULL where the annotation says so, or `nullable=True`.
    """
    if foreign_key:
        parts = (*parts, ForeignKey(foreign_key, ondelete=ondelete))
    return ColumnSpec(parts, options)


def _column(name: str, annotation: str, given: object) -> Column[Any]:
    """Make a column. A value that is no `column` is its default."""
    spec = given if isinstance(given, ColumnSpec) else ColumnSpec((), {"default": given})
    kind = annotation.removesuffix(_OR_NULL)
    parts = spec.parts if _has_type(spec.parts) else (_TYPES[kind], *spec.parts)
    nullable = kind != annotation and not spec.options.get("primary_key")
    return Column(name, *parts, **({"nullable": nullable} | spec.options))


def _has_type(parts: tuple[Any, ...]) -> bool:
    return bool(parts) and isinstance(parts[0], TypeEngine | type)


def moment(**options: Any) -> Any:
    """Return a column for a point in time, always with a time zone."""
    return column(DateTime(timezone=True), **options)


def words(**options: Any) -> Any:
    return column(Text, **options)


def counter() -> Any:
    """Return a column for a number that begins at 0, also in rows written by older versions."""
    return column(default=0, server_default="0")


def bytes_(**options: Any) -> Any:
    return column(LargeBinary, **options)


def json_() -> Any:
    return column(JSONB, default=dict)


def table_of(row: type[DeclaredTable]) -> Table:
    """Return the table of a row class, for statements of SQLAlchemy Core."""
    return row.__table__
