"""Staff accounts, their tasks and alerts, API keys and kept answers, phone number changes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Index, TableClause, Text, table
from sqlalchemy import column as sql_column
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, json_, moment, words


class StaffRow(DeclaredTable):
    """An account. `password_expires_at`: of a one-time password, which has to be changed at the first login.

    `totp_sealed`: the secret of the authenticator app, in use since `totp_since` (none: not confirmed yet).
    `totp_step`: the time step of the last code that was accepted; it and earlier ones are not accepted again.
    `login_subject`: who its person is at the school's own login service `login_issuer`.
    """

    __tablename__ = "staff"
    id: UUID = column(primary_key=True)
    login: str = words(unique=True)
    name: str = words()
    campus: str = words(foreign_key="campus.id")
    role: str = words(default="clerk")
    password_hash: str = words()
    created_at: datetime = moment(nullable=False)
    disabled_at: datetime | None = moment()
    digest_on: date | None = None
    password_expires_at: datetime | None = moment()
    totp_sealed: bytes | None = bytes_()
    totp_since: datetime | None = moment()
    totp_step: int | None = column(BigInteger)
    login_issuer: str | None = words()
    login_subject: str | None = words()
    __table_args__ = (Index("uq_staff_login_subject", "login_issuer", "login_subject", unique=True),)


# A view of all accounts without their secrets: whoever may see a contract may know which colleague acted on it.
STAFF_DIRECTORY: TableClause = table(
    "staff_directory", *(sql_column(name) for name in ("id", "login", "name", "campus", "role", "disabled_at"))
)


class StaffSessionRow(DeclaredTable):
    """A session in a browser. `seen_at`: the last request, to the minute. `pending`: the password was right, and the
    second factor has not been given yet. `by_provider`: it began at the school's own login service."""

    __tablename__ = "staff_session"
    secret_hash: bytes = bytes_(nullable=False, primary_key=True)
    staff: UUID = column(foreign_key="staff.id", index=True)
    created_at: datetime = moment(nullable=False)
    expires_at: datetime = moment(nullable=False)
    id: UUID = column(unique=True, server_default=sql("gen_random_uuid()"))
    seen_at: datetime = moment(nullable=False, server_default=sql("now()"))
    browser: str = words(default="", server_default="")
    pending: bool = column(default=False, server_default=sql("false"))
    by_provider: bool = column(default=False, server_default=sql("false"))


class StaffRecoveryCodeRow(DeclaredTable):
    """A code that can be used once instead of the authenticator app. It is deleted when it is used."""

    __tablename__ = "staff_recovery_code"
    staff: UUID = column(primary_key=True, foreign_key="staff.id")
    code_hash: bytes = bytes_(nullable=False, primary_key=True)


class LoginFailureRow(DeclaredTable):
    __tablename__ = "login_failure"
    id: int | None = column(BigInteger, primary_key=True, autoincrement=True)
    login: str = words()
    at: datetime = moment(nullable=False)
    __table_args__ = (Index("ix_login_failure_login", "login", "at"),)


# The scopes of keys that were made before there were scopes.
SCOPES_BEFORE = "'{read,issue,act,metrics}'"


class ApiKeyRow(DeclaredTable):
    __tablename__ = "api_key"
    id: UUID = column(primary_key=True)
    name: str = words()
    secret_hash: bytes = bytes_(nullable=False, unique=True)
    campus: str = words(foreign_key="campus.id")
    created_at: datetime = moment(nullable=False)
    revoked_at: datetime | None = moment()
    scopes: list[str] = column(ARRAY(Text), nullable=False, server_default=sql(SCOPES_BEFORE))
    expires_at: datetime | None = moment()


class IdempotencyRow(DeclaredTable):
    __tablename__ = "idempotency"
    owner: UUID = column(primary_key=True)
    key: str = words(primary_key=True)
    request_hash: bytes = bytes_(nullable=False)
    status: int | None = None
    body_sealed: bytes | None = bytes_()
    created_at: datetime = moment(nullable=False)


class ChatAccountRow(DeclaredTable):
    """The member of staff that a chat user is. A chat user without a row gets no answers."""

    __tablename__ = "chat_account"
    chat: str = words(primary_key=True)
    person: str = words(primary_key=True)
    staff: UUID = column(foreign_key="staff.id")
    created_at: datetime = moment(nullable=False)


class StaffTaskRow(DeclaredTable):
    __tablename__ = "staff_task"
    id: UUID = column(primary_key=True)
    kind: str = words()
    text: str = words()
    campus: str = words()
    contract: UUID | None = column(index=True)
    signer: UUID | None = None
    created_at: datetime = moment(nullable=False)
    done_at: datetime | None = moment()
    done_by: str | None = words()
    owner: UUID | None = column(foreign_key="staff.id")
    owned_at: datetime | None = moment()
    due_at: datetime | None = moment()
    taken_at: datetime | None = moment()
    climbs_at: datetime | None = moment()
    climbed_at: datetime | None = moment()
    once: bytes | None = bytes_()
    """A digest of what the task is about, if at most one such task may be open."""
    outcome: str | None = words()
    note: str | None = words()
    __table_args__ = (
        Index("ix_staff_task_open", "campus", "created_at", postgresql_where=sql("done_at IS NULL")),
        Index("uq_staff_task_once", "once", unique=True, postgresql_where=sql("done_at IS NULL")),
        Index("ix_staff_task_done", "done_at", "id", postgresql_where=sql("done_at IS NOT NULL")),
    )


class AlertRow(DeclaredTable):
    """Urgent news for staff, sent by chat or mail. The row is also the attempt to send it.

    `tries`, `begun_at`, `due_at`: number of attempts, start of the last, time of the next. `reached`: marks of the
    addresses that have it. `bundle`: the alert with which it was sent.
    """

    __tablename__ = "alert"
    id: UUID = column(primary_key=True)
    kind: str = words()
    facts: dict[str, Any] = column(JSONB, default=dict, server_default=sql("'{}'"))
    campus: str | None = words()
    created_at: datetime = moment(nullable=False)
    sent_at: datetime | None = moment()
    failure: str | None = words()
    tries: int = counter()
    begun_at: datetime | None = moment()
    due_at: datetime | None = moment()
    reached: str = words(default="", server_default="")
    bundle: UUID | None = None
    __table_args__ = (
        Index("ix_alert_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),
        Index("ix_alert_created_at", "created_at"),
    )


class PhoneChangeRow(DeclaredTable):
    """A request to change the phone number of a person in all contracts. It needs two approvals; the old phone's code
    is one."""

    __tablename__ = "phone_change"
    id: UUID = column(primary_key=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    signer: UUID = column(foreign_key="signer.id")
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
