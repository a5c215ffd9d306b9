"""Staff accounts, their tasks and alerts, API keys and kept answers, phone number changes."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Index, Table, TableClause, Text, column as sql_column, table, text as sql
from sqlalchemy.dialects.postgresql import JSONB

from hub.store.tables.columns import bytes_, column, counter, day, flag, integer, json_, metadata, moment, uuid, words

# An account. `password_expires_at`: of a one-time password, which has to be changed at the first login.
# `totp_sealed`: the secret of the authenticator app, in use since `totp_since` (none: not confirmed yet).
# `totp_step`: the time step of the last code that was accepted; it and earlier ones are not accepted again.
# `login_subject`: who its person is at the school's own login service `login_issuer`.
STAFF = Table(
    "staff",
    metadata,
    uuid("id", primary_key=True),
    words("login", unique=True),
    words("name"),
    words("campus", foreign_key="campus.id"),
    words("role", default="clerk"),
    words("password_hash"),
    moment("created_at"),
    moment("disabled_at", nullable=True),
    day("digest_on", nullable=True),
    moment("password_expires_at", nullable=True),
    bytes_("totp_sealed", nullable=True),
    moment("totp_since", nullable=True),
    column("totp_step", BigInteger, nullable=True),
    words("login_issuer", nullable=True),
    words("login_subject", nullable=True),
    Index("uq_staff_login_subject", "login_issuer", "login_subject", unique=True),
)


# A view of all accounts without their secrets: whoever may see a contract may know which colleague acted on it.
STAFF_DIRECTORY: TableClause = table(
    "staff_directory", *(sql_column(name) for name in ("id", "login", "name", "campus", "role", "disabled_at"))
)


# A session in a browser. `seen_at`: the last request, to the minute. `pending`: the password was right, and the
# second factor has not been given yet. `by_provider`: it began at the school's own login service.
STAFF_SESSION = Table(
    "staff_session",
    metadata,
    bytes_("secret_hash", primary_key=True),
    uuid("staff", foreign_key="staff.id", index=True),
    moment("created_at"),
    moment("expires_at"),
    uuid("id", unique=True, server_default=sql("gen_random_uuid()")),
    moment("seen_at", server_default=sql("now()")),
    words("browser", default="", server_default=""),
    flag("pending", default=False, server_default=sql("false")),
    flag("by_provider", default=False, server_default=sql("false")),
)


# A code that can be used once instead of the authenticator app. It is deleted when it is used.
STAFF_RECOVERY_CODE = Table(
    "staff_recovery_code",
    metadata,
    uuid("staff", primary_key=True, foreign_key="staff.id"),
    bytes_("code_hash", primary_key=True),
)


# `login`: a keyed hash of what was typed.
LOGIN_FAILURE = Table(
    "login_failure",
    metadata,
    column("id", BigInteger, primary_key=True, autoincrement=True),
    words("login"),
    moment("at"),
    Index("ix_login_failure_login", "login", "at"),
)


# The scopes of keys that were made before there were scopes.
SCOPES_BEFORE = "'{read,issue,act,metrics}'"


API_KEY = Table(
    "api_key",
    metadata,
    uuid("id", primary_key=True),
    words("name"),
    bytes_("secret_hash", unique=True),
    words("campus", foreign_key="campus.id"),
    moment("created_at"),
    moment("revoked_at", nullable=True),
    column("scopes", ARRAY(Text), server_default=sql(SCOPES_BEFORE)),
    moment("expires_at", nullable=True),
)


IDEMPOTENCY = Table(
    "idempotency",
    metadata,
    uuid("owner", primary_key=True),
    words("key", primary_key=True),
    bytes_("request_hash"),
    integer("status", nullable=True),
    bytes_("body_sealed", nullable=True),
    moment("created_at"),
)


# A chat user mapped to a member of staff. A chat user without a row gets no answers.
CHAT_ACCOUNT = Table(
    "chat_account",
    metadata,
    words("chat", primary_key=True),
    words("person", primary_key=True),
    uuid("staff", foreign_key="staff.id"),
    moment("created_at"),
)


STAFF_TASK = Table(
    "staff_task",
    metadata,
    uuid("id", primary_key=True),
    words("kind"),
    words("text"),
    words("campus"),
    uuid("contract", index=True, nullable=True),
    uuid("signer", nullable=True),
    moment("created_at"),
    moment("done_at", nullable=True),
    words("done_by", nullable=True),
    uuid("owner", foreign_key="staff.id", nullable=True),
    moment("owned_at", nullable=True),
    moment("due_at", nullable=True),
    moment("taken_at", nullable=True),
    moment("climbs_at", nullable=True),
    moment("climbed_at", nullable=True),
    bytes_("once", nullable=True),
    words("outcome", nullable=True),
    words("note", nullable=True),
    Index("ix_staff_task_open", "campus", "created_at", postgresql_where=sql("done_at IS NULL")),
    Index("uq_staff_task_once", "once", unique=True, postgresql_where=sql("done_at IS NULL")),
    Index("ix_staff_task_done", "done_at", "id", postgresql_where=sql("done_at IS NOT NULL")),
)


# Urgent news for staff, sent by chat or mail. The row is also the attempt to send it. `tries`, `begun_at`,
# `due_at`: number of attempts, start of the last, time of the next. `reached`: marks of the addresses that have it.
# `bundle`: the alert with which it was sent.
ALERT = Table(
    "alert",
    metadata,
    uuid("id", primary_key=True),
    words("kind"),
    column("facts", JSONB, default=dict, server_default=sql("'{}'")),
    words("campus", nullable=True),
    moment("created_at"),
    moment("sent_at", nullable=True),
    words("failure", nullable=True),
    counter("tries"),
    moment("begun_at", nullable=True),
    moment("due_at", nullable=True),
    words("reached", default="", server_default=""),
    uuid("bundle", nullable=True),
    Index("ix_alert_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),
    Index("ix_alert_created_at", "created_at"),
)


# A request to change a person's phone number in all contracts. It needs two approvals; the old phone's code is one.
PHONE_CHANGE = Table(
    "phone_change",
    metadata,
    uuid("id", primary_key=True),
    uuid("contract", foreign_key="contract.id", index=True),
    uuid("signer", foreign_key="signer.id"),
    words("campus"),
    words("person"),
    bytes_("old_hash"),
    bytes_("new_sealed"),
    bytes_("new_hash"),
    words("reason"),
    words("state"),
    words("asked_by"),
    moment("asked_at"),
    json_("approvals"),
    uuid("code", nullable=True),
    moment("ended_at", nullable=True),
    Index("ix_phone_change_open", "campus", "asked_at", postgresql_where=sql("state = 'OPEN'")),
)
