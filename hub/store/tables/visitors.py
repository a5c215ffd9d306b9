"""Those who come without a link of their own: by a poster, or by a pickup code that may be wrong. And posters."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, json_, moment, words


class VisitorRow(SQLModel, table=True):
    """A session of somebody who is not on file here, or whose pickup code was wrong and who must not learn that.

    `person` is what codes and wrong answers are counted by.
    """

    __tablename__ = "visitor"
    id: UUID = Field(primary_key=True)
    secret_hash: bytes = bytes_(nullable=False, unique=True)
    door: str = words()
    poster: UUID | None = Field(default=None, foreign_key="poster.id")
    person: str = words()
    phone_sealed: bytes = bytes_(nullable=False)
    phone_hash: bytes = bytes_(nullable=False)
    name_sealed: bytes | None = bytes_()
    language: str = words(default="zh")
    key_challenge: bytes = bytes_(nullable=False)
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    verified_at: datetime | None = moment()


class PosterRow(SQLModel, table=True):
    """One code for many signers. `courses` are of one campus; `mode`: `contract` (drawn at once) or `ask` (staff
    decide)."""

    __tablename__ = "poster"
    id: UUID = Field(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    title: str = words()
    courses: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    mode: str = words()
    ticket_hash: bytes = bytes_(nullable=False, unique=True)
    created_by: str = words()
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    maximum: int | None = None
    allowed: list[bytes] = Field(default_factory=list, sa_type=ARRAY(LargeBinary))
    revoked_at: datetime | None = moment()
    __table_args__ = (Index("ix_poster_campus", "campus", "created_at"),)


class PosterScanRow(SQLModel, table=True):
    """Somebody came by a poster: opened it, gave a code that was right, enrolled. `student_hash` only then."""

    __tablename__ = "poster_scan"
    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    poster: UUID = Field(foreign_key="poster.id")
    campus: str = words()
    visitor: UUID | None = None
    step: str = words()
    at: datetime = moment(nullable=False)
    enrolment: UUID | None = None
    contract: UUID | None = None
    student_hash: bytes | None = bytes_()
    __table_args__ = (
        Index("ix_poster_scan_poster", "poster", "at"),
        Index("uq_poster_scan_student", "poster", "student_hash", unique=True,
              postgresql_where=sql("student_hash IS NOT NULL")),
    )  # fmt: skip


class PhoneChangeRow(SQLModel, table=True):
    """A wish to change the phone number of one person, everywhere. It takes two approvals; the old phone's code is
    one. `facts` says what was asked, without numbers."""

    __tablename__ = "phone_change"
    id: UUID = Field(primary_key=True)
    contract: UUID = Field(foreign_key="contract.id", index=True)
    signer: UUID = Field(foreign_key="signer.id")
    campus: str = words()
    person: str = words()
    old_hash: bytes = bytes_(nullable=False)
    new_sealed: bytes = bytes_(nullable=False)
    new_hash: bytes = bytes_(nullable=False)
    reason: str = words()
    state: str = words()
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    approvals: dict[str, str] = json_()
    code: UUID | None = None
    ended_at: datetime | None = moment()
    __table_args__ = (Index("ix_phone_change_open", "campus", "asked_at", postgresql_where=sql("state = 'OPEN'")),)
