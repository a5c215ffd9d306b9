"""Attempts to call outside services; seals, their grants, and the register of their uses."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, LargeBinary, Text
from sqlalchemy import text as sql

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, json_, moment, words


class AttemptRow(DeclaredTable):
    """An outside call other than a message, written before the call and completed after it.

    `kind`: certificate, revocation (asking for the status), revoke (having it revoked), identity, timestamp, seal,
    close; of the school's evidence: evidence, hash-tree, renewal, notary.
    """

    __tablename__ = "attempt"
    id: UUID = column(primary_key=True)
    kind: str = words()
    contract: UUID | None = column(index=True)
    request: UUID | None = None
    state: str = words()
    started_at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
    failure: str | None = words()


class SealRow(DeclaredTable):
    """A seal: a picture, a certificate and a key. `ends_at`: when its certificate expires."""

    __tablename__ = "seal"
    id: UUID = column(primary_key=True)
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
    chain: list[bytes] = column(ARRAY(LargeBinary), default=list)
    ends_at: datetime | None = moment()
    __table_args__ = (
        Index("uq_seal_configured", "key_place", unique=True, postgresql_where=sql("key_place = 'configured'")),
    )


class SealSm2Row(DeclaredTable):
    """The SM2 side of a seal. `key_sealed`: a software key, encrypted; empty if the key is on a token."""

    __tablename__ = "seal_sm2"
    seal: UUID = column(primary_key=True, foreign_key="seal.id")
    campus: str = words()
    encoded: bytes = bytes_(nullable=False)
    chain: list[bytes] = column(ARRAY(LargeBinary), default=list)
    width: float
    height: float
    key_place: str = words()
    key_label: str = words()
    key_sealed: bytes | None = bytes_()
    begins_at: datetime = moment(nullable=False)
    ends_at: datetime = moment(nullable=False)
    made_at: datetime = moment(nullable=False)


class SealRequestRow(DeclaredTable):
    """The application for a seal, with its approvals."""

    __tablename__ = "seal_request"
    id: UUID = column(primary_key=True)
    seal: UUID = column(foreign_key="seal.id", unique=True)
    campus: str = words()
    reason: str = words()
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    state: str = words()
    approvals: dict[str, Any] = json_()
    ended_at: datetime | None = moment()
    ended_by: str | None = words()


class SealGrantRow(DeclaredTable):
    """Who may use a seal, where, for what, until when and how often. `used` is counted where there is a maximum."""

    __tablename__ = "seal_grant"
    id: UUID = column(primary_key=True)
    seal: UUID = column(foreign_key="seal.id", index=True)
    grantee_kind: str = words()
    grantee: str = words()
    campus: str = words(foreign_key="campus.id")
    templates: list[str] = column(ARRAY(Text), default=list)
    granted_by: str = words()
    granted_at: datetime = moment(nullable=False)
    expires_at: datetime | None = moment()
    max_uses: int | None = None
    used: int = counter()
    revoked_at: datetime | None = moment()
    revoked_by: str | None = words()
    __table_args__ = (
        Index("ix_seal_grant_live", "grantee_kind", "grantee", "seal", postgresql_where=sql("revoked_at IS NULL")),
    )


class SealUseRow(DeclaredTable):
    """The register: each use of a seal that was asked for, refused ones too. `seal_grant`: the rule that allowed it."""

    __tablename__ = "seal_use"
    id: UUID = column(primary_key=True)
    seal: UUID = column(foreign_key="seal.id")
    seal_grant: UUID | None = column(foreign_key="seal_grant.id")
    campus: str = words()
    asked_by: str = words()
    about: str = words()
    template: str | None = words()
    document_sha256: str = words(index=True)
    count: int
    outcome: str = words()
    reason: str | None = words()
    tries: int
    begun_at: datetime = moment(nullable=False)
    ended_at: datetime | None = moment()
    result_sha256: str | None = words()
    __table_args__ = (
        Index("ix_seal_use_seal", "seal", "begun_at", "id"),
        Index("ix_seal_use_open", "seal", "begun_at", postgresql_where=sql("outcome = 'attempt'")),
    )


class SealJobRow(DeclaredTable):
    """Files of another system that get one seal. `source`, `target`: places in object stores; empty for uploads and
    downloads. `tell_at`: when its webhook is called next."""

    __tablename__ = "seal_job"
    id: UUID = column(primary_key=True)
    client: UUID = column(foreign_key="api_key.id")
    client_name: str = words()
    campus: str = words(foreign_key="campus.id")
    seal: UUID = column(foreign_key="seal.id")
    place: str = words()
    level: str = words()
    source: dict[str, Any] = json_()
    target: dict[str, Any] = json_()
    webhook: str | None = words()
    state: str = words()
    asked_at: datetime = moment(nullable=False)
    total: int = counter()
    sealed: int = counter()
    failed: int = counter()
    reason: str = words()
    ended_at: datetime | None = moment()
    told_at: datetime | None = moment()
    tell_at: datetime | None = moment()
    tell_tries: int = counter()
    files_deleted_at: datetime | None = moment()
    __table_args__ = (
        Index("ix_seal_job_client", "client", "asked_at"),
        Index("ix_seal_job_open", "asked_at", postgresql_where=sql("ended_at IS NULL")),
        Index("ix_seal_job_tell", "tell_at", postgresql_where=sql("tell_at IS NOT NULL")),
        Index("ix_seal_job_files", "ended_at", postgresql_where=sql("files_deleted_at IS NULL")),
    )


class SealJobItemRow(DeclaredTable):
    """A file of a seal job. `leased_until`: this exact moment identifies the worker that has the lease."""

    __tablename__ = "seal_job_item"
    job: UUID = column(primary_key=True, foreign_key="seal_job.id")
    number: int = column(primary_key=True)
    campus: str = words()
    name: str = words()
    source: str = words()
    sha256: str = words()
    state: str = words()
    leased_until: datetime | None = moment()
    tries: int = counter()
    result_sha256: str | None = words()
    result_size: int | None = column(BigInteger)
    fault: str | None = words()
    detail: str = words()
    __table_args__ = (
        Index("ix_seal_job_item_waiting", "job", "number", postgresql_where=sql("state = 'waiting'")),
        Index("ix_seal_job_item_failed", "job", "number", postgresql_where=sql("state = 'failed'")),
    )
