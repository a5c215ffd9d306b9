"""Staff, API keys and what they ask for."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, moment, words


class StaffRow(SQLModel, table=True):
    __tablename__ = "staff"
    id: UUID = Field(primary_key=True)
    login: str = words(unique=True)
    name: str = words()
    campus: str = words(foreign_key="campus.id")
    role: str = words(default="clerk")
    password_hash: str = words()
    created_at: datetime = moment(nullable=False)
    disabled_at: datetime | None = moment()
    digest_on: date | None = None


class StaffSessionRow(SQLModel, table=True):
    __tablename__ = "staff_session"
    secret_hash: bytes = bytes_(nullable=False, primary_key=True)
    staff: UUID = Field(foreign_key="staff.id")
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)


class StaffTaskRow(SQLModel, table=True):
    __tablename__ = "staff_task"
    id: UUID = Field(primary_key=True)
    kind: str = words()
    text: str = words()
    campus: str = words()
    contract: UUID | None = Field(default=None, index=True)
    signer: UUID | None = None
    created_at: datetime = moment(nullable=False)
    done_at: datetime | None = moment()
    done_by: str | None = words(default=None)
    owner: UUID | None = Field(default=None, foreign_key="staff.id")
    owned_at: datetime | None = moment()
    due_at: datetime | None = moment()
    taken_at: datetime | None = moment()
    climbs_at: datetime | None = moment()
    climbed_at: datetime | None = moment()
    once: bytes | None = bytes_()
    """What it is about, as a digest, for a task that is open once at most."""
    __table_args__ = (
        Index("ix_staff_task_open", "campus", "created_at", postgresql_where=sql("done_at IS NULL")),
        Index("uq_staff_task_once", "once", unique=True, postgresql_where=sql("done_at IS NULL")),
    )


class LoginFailureRow(SQLModel, table=True):
    __tablename__ = "login_failure"
    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    login: str = words()
    at: datetime = moment(nullable=False)
    __table_args__ = (Index("ix_login_failure_login", "login", "at"),)


class ApiKeyRow(SQLModel, table=True):
    __tablename__ = "api_key"
    id: UUID = Field(primary_key=True)
    name: str = words()
    secret_hash: bytes = bytes_(nullable=False, unique=True)
    campus: str = words(foreign_key="campus.id")
    created_at: datetime = moment(nullable=False)
    revoked_at: datetime | None = moment()


class IdempotencyRow(SQLModel, table=True):
    __tablename__ = "idempotency"
    owner: UUID = Field(primary_key=True)
    key: str = words(primary_key=True)
    request_hash: bytes = bytes_(nullable=False)
    status: int | None = None
    body_sealed: bytes | None = bytes_()
    created_at: datetime = moment(nullable=False)


class JobStartRow(SQLModel, table=True):
    """How often a job was begun. The queue does not count a job whose process died under it."""

    __tablename__ = "job_start"
    job: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    starts: int = 0
