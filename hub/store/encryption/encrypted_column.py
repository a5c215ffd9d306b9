"""Names of encrypted values: table, column, and primary key of the row. The name is authenticated with the value, so
that nobody who can write to the database can move a value to another row or column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Column, MetaData

ENDING = "_sealed"


@dataclass(frozen=True)
class EncryptedColumn:
    """A column whose values are encrypted. `keys`: the columns of the table's primary key, in their order."""

    table: str
    column: str
    keys: tuple[str, ...] = ("id",)

    @classmethod
    def of(cls, column: Column[Any]) -> EncryptedColumn:
        return cls(column.table.name, column.name, tuple(each.name for each in column.table.primary_key))

    def at(self, *key: UUID | str) -> bytes:
        """Return the name of the value in the row with this primary key."""
        if len(key) != len(self.keys):
            raise ValueError(f"{self.table} has the key {self.keys}")
        return f"{self.table}.{self.column}/{'/'.join(map(str, key))}".encode()


def list_encrypted_columns(tables: MetaData) -> list[EncryptedColumn]:
    """Return every encrypted column of these tables. They are recognised by their names."""
    return [
        EncryptedColumn.of(column)
        for table in tables.sorted_tables
        for column in table.c
        if column.name.endswith(ENDING)
    ]
