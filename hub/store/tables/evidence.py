"""The hash-chained record and the erasable values behind it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, json_, moment, words


class RecordEntryRow(SQLModel, table=True):
    """Append-only: the role `app` may insert and read, nothing else."""

    __tablename__ = "record_entry"
    contract: UUID = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    campus: str = words()
    at: datetime = moment(nullable=False)
    kind: str = words()
    actor: str = words()
    facts: dict[str, Any] = json_()
    previous: bytes = bytes_(nullable=False)
    digest: bytes = bytes_(nullable=False)


class RecordHeadRow(SQLModel, table=True):
    """How many entries a contract's record has, and the digest of the last. The database keeps it with every entry (the
    trigger `follow_record`); the role `app` may only read it."""

    __tablename__ = "record_head"
    contract: UUID = Field(primary_key=True)
    campus: str = words()
    entries: int
    digest: bytes = bytes_(nullable=False)


class PersonalValueRow(SQLModel, table=True):
    """The values behind the commitments in the record. Erasing them (and the signer's salt) keeps the chain whole.
    `salt` is that of words, which each have their own; what is on file of a signer has the signer's."""

    __tablename__ = "personal_value"
    contract: UUID = Field(primary_key=True)
    commitment: str = words(primary_key=True)
    campus: str = words()
    signer: UUID | None = None
    name: str = words()
    value_sealed: bytes = bytes_(nullable=False)
    salt: bytes | None = bytes_()
