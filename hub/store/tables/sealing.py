"""Attempts to call outside services; seals, their grants, and the register of their uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Index, LargeBinary, Text
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, counter, json_, moment, words


class AttemptRow(SQLModel, table=True):
    """An outside call other than a message, written before the call and completed after it.

    `kind`: certificate, revocation (asking for the status), revoke (having it revoked), identity, timestamp, seal,
    close.
    """

    __tablename__ = "attempt"
    id: UUID = Field(primary_key=True)
    kind: str = words()
    contract: UUID | None = Field(default=None, index=True)
    request: UUID | None = None
    state: str = words()
    started_at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
    failure: str | None = words(default=None)


class SealRow(SQLModel, table=True):
    """A seal: a picture, a certificate and a key. `ends_at`: when its certificate expires."""

    __tablename__ = "seal"
    id: UUID = Field(primary_key=True)
    name: str = words(unique=True)
    kind: str = words()
    campus: str = words(foreign_key="campus.id")
    registered_name: str = words()
    registered_code: str = words()
    inscription: str = words()
    state: str = words()
    created_at: datetime = moment(nullable=False)
    changed_at: datetime = moment(nullable=False)
    picture: bytes | None = bytes_()
    picture_source: str = words()
    key_place: str = words()
    key_label: str = words()
    chain: list[bytes] = Field(default_factory=list, sa_type=ARRAY(LargeBinary))
    ends_at: datetime | None = moment()
    __table_args__ = (
        Index("uq_seal_configured", "key_place", unique=True, postgresql_where=sql("key_place = 'configured'")),
    )


class SealRequestRow(SQLModel, table=True):
    """The application for a seal, with its approvals."""

    __tablename__ = "seal_request"
    id: UUID = Field(primary_key=True)
    seal: UUID = Field(foreign_key="seal.id", unique=True)
    campus: str = words()
    reason: str = words()
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    state: str = words()
    approvals: dict[str, Any] = json_()
    ended_at: datetime | None = moment()
    ended_by: str | None = words(default=None)


class SealGrantRow(SQLModel, table=True):
    """Who may use a seal, where, for what, until when and how often. `used` is counted where there is a maximum."""

    __tablename__ = "seal_grant"
    id: UUID = Field(primary_key=True)
    seal: UUID = Field(foreign_key="seal.id", index=True)
    grantee_kind: str = words()
    grantee: str = words()
    campus: str = words(foreign_key="campus.id")
    templates: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    granted_by: str = words()
    granted_at: datetime = moment(nullable=False)
    expires_at: datetime | None = moment()
    max_uses: int | None = None
    used: int = counter()
    revoked_at: datetime | None = moment()
    revoked_by: str | None = words(default=None)
    __table_args__ = (
        Index("ix_seal_grant_live", "grantee_kind", "grantee", "seal", postgresql_where=sql("revoked_at IS NULL")),
    )


class SealUseRow(SQLModel, table=True):
    """The register: each use of a seal that was asked for, refused ones too. `seal_grant`: the rule that allowed it."""

    __tablename__ = "seal_use"
    id: UUID = Field(primary_key=True)
    seal: UUID = Field(foreign_key="seal.id")
    seal_grant: UUID | None = Field(default=None, foreign_key="seal_grant.id")
    campus: str = words()
    asked_by: str = words()
    about: str = words()
    template: str | None = words(default=None)
    document_sha256: str = words(index=True)
    count: int
    outcome: str = words()
    reason: str | None = words(default=None)
    tries: int
    begun_at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
    result_sha256: str | None = words(default=None)
    __table_args__ = (Index("ix_seal_use_seal", "seal", "begun_at", "id"),)
