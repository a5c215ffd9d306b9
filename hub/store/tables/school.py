"""Campuses, courses, enrolments and their imports, the school's calendar, posters and their visitors."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, json_, moment, words


class CampusRow(DeclaredTable):
    __tablename__ = "campus"
    id: str = words(primary_key=True)
    parent: str | None = words(foreign_key="campus.id")
    name: str = words()
    name_en: str = words()
    zone: str = words()
    address: str = words(default="")
    phone: str = words(default="")
    address_en: str = words(default="", server_default="")


class CourseRow(DeclaredTable):
    __tablename__ = "course"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    id: str = words(primary_key=True)
    name: str = words()
    name_en: str = words()
    details: dict[str, Any] = json_()


class EnrolmentRow(DeclaredTable):
    __tablename__ = "enrolment"
    id: UUID = column(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    course: str = words()
    student_name: str = words()
    student_hash: bytes = bytes_(nullable=False)
    people_sealed: bytes = bytes_(nullable=False)
    external_id: str | None = words()
    contract: UUID | None = None
    created_at: datetime = moment(nullable=False)
    place: int = column(BigInteger, Identity(), nullable=False)
    """The order in which they came: that of the rows in their roster."""
    roster_import: UUID | None = None
    changed_at: datetime | None = moment()
    changed_by: str | None = words()
    __table_args__ = (
        Index("ix_enrolment_open", "campus", "created_at", postgresql_where=sql("contract IS NULL")),
        Index("uq_enrolment_line", "campus", "course", "student_hash", unique=True),
        Index("uq_enrolment_place", "place", unique=True),
        Index("ix_enrolment_waiting", "place", postgresql_where=sql("contract IS NULL")),
        Index("ix_enrolment_issued", "place", postgresql_where=sql("contract IS NOT NULL")),
        Index("ix_enrolment_changed", "place", postgresql_where=sql("changed_at IS NOT NULL")),
        Index("ix_enrolment_course", "campus", "course", "place"),
        Index("ix_enrolment_name", sql('student_name COLLATE "C"')),
        Index("ix_enrolment_external", "external_id", postgresql_where=sql("external_id IS NOT NULL")),
        Index("ix_enrolment_import", "roster_import", "place", postgresql_where=sql("roster_import IS NOT NULL")),
    )


class EnrolmentPhoneRow(DeclaredTable):
    """The keyed hash of a phone number that an enrolment names, to find it by."""

    __tablename__ = "enrolment_phone"
    phone_hash: bytes = bytes_(nullable=False, primary_key=True)
    enrolment: UUID = column(primary_key=True, foreign_key="enrolment.id", ondelete="CASCADE", index=True)
    campus: str = words()


class RosterImportRow(DeclaredTable):
    """An import of a roster, with what became of its rows. `removed`: enrolments that its undoing deleted."""

    __tablename__ = "roster_import"
    id: UUID = column(primary_key=True)
    upload: UUID | None = None
    campus: str = words(foreign_key="campus.id")
    created_by: str = words()
    name: str = words()
    created_at: datetime = moment(nullable=False)
    added: int = counter()
    already: int = counter()
    refused: int = counter()
    undone_at: datetime | None = moment()
    undone_by: str | None = words()
    removed: int = counter()
    __table_args__ = (
        Index("ix_roster_import_created_at", "created_at", "id"),
        Index("uq_roster_import_upload", "upload", unique=True, postgresql_where=sql("undone_at IS NULL")),
    )


class IssueActRow(DeclaredTable):
    """Contracts that staff issue together. `deadline`: a day, which ends where each campus is."""

    __tablename__ = "issue_act"
    id: UUID = column(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    send: str = words()
    deadline: date | None = None
    needs_approval: bool = column(default=False, server_default=sql("false"))
    decided_by: str | None = words()
    decided_at: datetime | None = moment()
    refused: bool = column(default=False, server_default=sql("false"))
    __table_args__ = (Index("ix_issue_act_asked_at", "asked_at"),)


class IssueItemRow(DeclaredTable):
    """One enrolment of such an act. Its `outcome` is written in the transaction of its contract, so that there is one
    contract. `approved_digest`: a keyed digest of what was asked for, which somebody else may then approve.
    `replacement_sealed`: the signer who is to take the place of another, until the act has ended."""

    __tablename__ = "issue_item"
    act: UUID = column(primary_key=True, foreign_key="issue_act.id")
    enrolment: UUID = column(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    ordinal: int
    tries: int = counter()
    outcome: str | None = words()
    failure_sealed: bytes | None = bytes_()
    ended_at: datetime | None = moment()
    approved_digest: bytes | None = bytes_()
    replacement_sealed: bytes | None = bytes_()
    __table_args__ = (
        Index("ix_issue_item_left", "act", "ordinal", postgresql_where=sql("outcome IS NULL")),
        Index("ix_issue_item_enrolment", "enrolment", postgresql_where=sql("outcome IS NULL")),
    )


class RosterUploadRow(DeclaredTable):
    """An uploaded roster, until it is imported or a day old."""

    __tablename__ = "roster_upload"
    id: UUID = column(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    created_by: str = words()
    name: str = words()
    created_at: datetime = moment(nullable=False)
    data_sealed: bytes = bytes_(nullable=False)
    __table_args__ = (Index("ix_roster_upload_created_at", "created_at"),)


class RosterTitlesRow(DeclaredTable):
    """The column of a roster that a campus means by a title, as people there have chosen."""

    __tablename__ = "roster_titles"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    columns: dict[str, Any] = json_()


class SchoolDayRow(DeclaredTable):
    """A day of a campus's own calendar, which overrides the public holidays."""

    __tablename__ = "school_day"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    day: date = column(primary_key=True)
    open: bool
    name: str = words()


class PosterRow(DeclaredTable):
    """A poster. `courses` are of one campus; `mode`: `contract` (drawn at once) or `ask` (staff decide)."""

    __tablename__ = "poster"
    id: UUID = column(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    title: str = words()
    courses: list[str] = column(ARRAY(Text), default=list)
    mode: str = words()
    ticket_hash: bytes = bytes_(nullable=False, unique=True)
    created_by: str = words()
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    maximum: int | None = None
    allowed: list[bytes] = column(ARRAY(LargeBinary), default=list)
    revoked_at: datetime | None = moment()
    __table_args__ = (Index("ix_poster_campus", "campus", "created_at"),)


class PosterScanRow(DeclaredTable):
    """A step of a visitor of a poster: opened, verified, enrolled. `student_hash` is set only for an enrolment."""

    __tablename__ = "poster_scan"
    id: int | None = column(BigInteger, primary_key=True, autoincrement=True)
    poster: UUID = column(foreign_key="poster.id")
    campus: str = words()
    visitor: UUID | None = None
    step: str = words()
    at: datetime = moment(nullable=False)
    enrolment: UUID | None = None
    contract: UUID | None = None
    student_hash: bytes | None = bytes_()
    __table_args__ = (
        Index("ix_poster_scan_poster", "poster", "at"),
        Index(
            "uq_poster_scan_student",
            "poster",
            "student_hash",
            unique=True,
            postgresql_where=sql("student_hash IS NOT NULL"),
        ),
    )


class VisitorRow(DeclaredTable):
    """A session of a person who is not on file, or whose pickup code was wrong, which they must not learn.

    `person` is the key by which codes and wrong answers are counted.
    """

    __tablename__ = "visitor"
    id: UUID = column(primary_key=True)
    secret_hash: bytes = bytes_(nullable=False, unique=True)
    door: str = words()
    poster: UUID | None = column(foreign_key="poster.id")
    person: str = words()
    phone_sealed: bytes = bytes_(nullable=False)
    phone_hash: bytes = bytes_(nullable=False)
    name_sealed: bytes | None = bytes_()
    language: str = words(default="zh")
    key_challenge: bytes = bytes_(nullable=False)
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    verified_at: datetime | None = moment()


class TextVersionRow(DeclaredTable):
    """A version of a contract template or a message. After the approval, a trigger prevents changes of its texts."""

    __tablename__ = "text_version"
    id: UUID = column(primary_key=True)
    kind: str = words()
    subject: str = words()
    number: int
    state: str = words()
    base: str = words()
    texts: dict[str, str] = json_()
    fixed: dict[str, Any] = json_()
    note: str = words()
    revision: int
    writers: list[str] = column(ARRAY(Text), default=list)
    changed_at: datetime = moment(nullable=False)
    submitted_by: str | None = words()
    submitted_at: datetime | None = moment()
    decided_by: str | None = words()
    decided_at: datetime | None = moment()
    __table_args__ = (
        Index("uq_text_version_number", "kind", "subject", "number", unique=True),
        Index("uq_text_version_in_force", "kind", "subject", unique=True, postgresql_where=sql("state = 'in-force'")),
        Index(
            "uq_text_version_open",
            "kind",
            "subject",
            unique=True,
            postgresql_where=sql("state IN ('draft', 'submitted')"),
        ),
    )
