"""The hash-chained record, and the erasable values behind its commitments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, counter, json_, moment, words


class RecordEntryRow(SQLModel, table=True):
    """An entry of a record. The role `app` may only insert and read."""

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
    """The number of entries of a contract's record, and the digest of the last one.

    The trigger `follow_record` of the database updates it with every entry; the role `app` may only read it.
    """

    __tablename__ = "record_head"
    contract: UUID = Field(primary_key=True)
    campus: str = words()
    entries: int
    digest: bytes = bytes_(nullable=False)


class PersonalValueRow(SQLModel, table=True):
    """A value behind a commitment in the record. Erasing it (and the signer's salt) leaves the chain valid.

    `salt`: set for a text, which has a salt of its own. Values on file of a signer use the signer's salt.
    """

    __tablename__ = "personal_value"
    contract: UUID = Field(primary_key=True)
    commitment: str = words(primary_key=True)
    campus: str = words()
    signer: UUID | None = None
    name: str = words()
    value_sealed: bytes = bytes_(nullable=False)
    salt: bytes | None = bytes_()


class EvidencePackageRow(SQLModel, table=True):
    """A version of a contract's evidence package, which is a stored file. The role `app` may only insert and read."""

    __tablename__ = "evidence_package"
    contract: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    campus: str = words()
    sha256: str = words()
    size: int = Field(sa_type=BigInteger)
    leaf: bytes = bytes_(nullable=False)
    made_at: datetime = moment(nullable=False)


class EvidenceDueRow(SQLModel, table=True):
    """A contract that reached a final state, and whose package is still to be made."""

    __tablename__ = "evidence_due"
    contract: UUID = Field(primary_key=True)
    campus: str = words()
    due_at: datetime = moment(nullable=False, index=True)
    tries: int = counter()


class HashTreeRow(SQLModel, table=True):
    """The hash tree of one day, with the timestamps over its root. The role `app` may only insert and read."""

    __tablename__ = "hash_tree"
    day: date = Field(primary_key=True)
    leaves: int
    root: bytes = bytes_(nullable=False)
    timestamps: list[bytes] = Field(sa_column=Column(ARRAY(LargeBinary), nullable=False))
    made_at: datetime = moment(nullable=False)


class HashTreeLeafRow(SQLModel, table=True):
    """A leaf of a hash tree: see `hub.model.evidence.tree`. The role `app` may only insert and read."""

    __tablename__ = "hash_tree_leaf"
    day: date = Field(primary_key=True)
    position: int = Field(primary_key=True)
    kind: str = words()
    contract: UUID | None = None
    number: str = words()
    entries: int
    leaf: bytes = bytes_(nullable=False)
    __table_args__ = (Index("ix_hash_tree_leaf_contract", "contract", "kind", "entries"),)
