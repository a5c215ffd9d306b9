"""Campuses, courses, enrolments, and what this database is for."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Interval
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, json_, moment, words


class InstallationRow(SQLModel, table=True):
    """One row: what this database is for, and the data folder that it works with (empty until `qianda init`). Only the
    owner writes it; `hub.store.installation` says what each value is."""

    __tablename__ = "installation"
    one: bool = Field(default=True, primary_key=True)
    kind: str = words()
    clock_offset: timedelta = Field(default=timedelta(0), sa_type=Interval)
    created_at: datetime = moment(nullable=False)
    installation_id: UUID | None = None
    master_check: str | None = words(default=None)
    root_sha256: str | None = words(default=None)
    seal_sha256: str | None = words(default=None)


class DemoClockRow(SQLModel, table=True):
    """One row in the database of a demo, none elsewhere: how far its planning clock is ahead."""

    __tablename__ = "demo_clock"
    one: bool = Field(default=True, primary_key=True)
    clock_offset: timedelta = Field(sa_type=Interval)


class CampusRow(SQLModel, table=True):
    __tablename__ = "campus"
    id: str = words(primary_key=True)
    parent: str | None = words(default=None, foreign_key="campus.id")
    name: str = words()
    name_en: str = words()
    zone: str = words()
    address: str = words(default="")
    phone: str = words(default="")
    address_en: str = words(default="", sa_column_kwargs={"server_default": ""})


class CourseRow(SQLModel, table=True):
    __tablename__ = "course"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    id: str = words(primary_key=True)
    name: str = words()
    name_en: str = words()
    details: dict[str, Any] = json_()


class EnrolmentRow(SQLModel, table=True):
    __tablename__ = "enrolment"
    id: UUID = Field(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    course: str = words()
    student_name: str = words()
    student_hash: bytes = bytes_(nullable=False)
    people_sealed: bytes = bytes_(nullable=False)
    external_id: str | None = words(default=None)
    contract: UUID | None = None
    created_at: datetime = moment(nullable=False)
    __table_args__ = (
        Index("ix_enrolment_open", "campus", "created_at", postgresql_where=sql("contract IS NULL")),
        Index("uq_enrolment_line", "campus", "course", "student_hash", unique=True),
    )


class ReminderPolicyRow(SQLModel, table=True):
    """What a campus changes about reminders, for everything below it (`kind` campus), for one of its courses or for
    one contract. `changes` holds the changed keys only, as configuration writes them."""

    __tablename__ = "reminder_policy"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    kind: str = words(primary_key=True)
    subject: str = words(primary_key=True)
    changes: dict[str, Any] = json_()
    changed_by: str = words()
    changed_at: datetime = moment(nullable=False)


class SchoolDayRow(SQLModel, table=True):
    """A day of a campus's own calendar, which says more than the public holidays do."""

    __tablename__ = "school_day"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    day: date = Field(primary_key=True)
    open: bool
    name: str = words()


class ManyRemindedRow(SQLModel, table=True):
    """One task of those that staff remind together, by one `act`. `outcome` is written in the transaction of what was
    done about it, so that it is done once."""

    __tablename__ = "many_reminded"
    act: UUID = Field(primary_key=True)
    task: UUID = Field(primary_key=True, foreign_key="signing_task.id")
    contract: UUID = Field(foreign_key="contract.id")
    campus: str = words(foreign_key="campus.id")
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    outcome: str | None = words(default=None)
    ended_at: datetime | None = moment()
    __table_args__ = (
        Index("ix_many_reminded_left", "act", "contract", postgresql_where=sql("outcome IS NULL")),
        Index("ix_many_reminded_asked_at", "asked_at"),
    )
