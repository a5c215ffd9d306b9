"""The schema's names of constraints, and its kinds of columns. A column is NOT NULL unless `nullable=True`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    Uuid as UuidType,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def column(
    name: str, kind: Any, *parts: Any, foreign_key: str | None = None, ondelete: str | None = None, **options: Any
) -> Column[Any]:
    """Return a column of a type of SQLAlchemy, with further parts and options of its `Column`."""
    if foreign_key:
        parts = (*parts, ForeignKey(foreign_key, ondelete=ondelete))
    return Column(name, kind, *parts, **({"nullable": False} | options))


def uuid(name: str, **options: Any) -> Column[Any]:
    return column(name, UuidType, **options)


def words(name: str, **options: Any) -> Column[Any]:
    return column(name, Text, **options)


def moment(name: str, **options: Any) -> Column[Any]:
    """Return a column for a point in time, always with a time zone."""
    return column(name, DateTime(timezone=True), **options)


def day(name: str, **options: Any) -> Column[Any]:
    return column(name, Date, **options)


def integer(name: str, *parts: Any, **options: Any) -> Column[Any]:
    return column(name, Integer, *parts, **options)


def counter(name: str) -> Column[Any]:
    """Return a column for a number that begins at 0, also in rows written by older versions."""
    return column(name, Integer, default=0, server_default="0")


def real(name: str, **options: Any) -> Column[Any]:
    return column(name, Float, **options)


def flag(name: str, **options: Any) -> Column[Any]:
    return column(name, Boolean, **options)


def bytes_(name: str, **options: Any) -> Column[Any]:
    return column(name, LargeBinary, **options)


def json_(name: str) -> Column[Any]:
    return column(name, JSONB, default=dict)
