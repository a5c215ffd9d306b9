"""Reminder policies, the ledger of reminders, and bulk reminders."""

from sqlalchemy import BigInteger, Index, Table, text as sql

from hub.store.tables.columns import column, integer, json_, metadata, moment, uuid, words

# The changes to the reminder policy for a campus and all below it (`kind` campus), one of its courses, or a
# contract. `changes` holds only the changed keys, as the configuration writes them.
REMINDER_POLICY = Table(
    "reminder_policy",
    metadata,
    words("campus", primary_key=True, foreign_key="campus.id"),
    words("kind", primary_key=True),
    words("subject", primary_key=True),
    json_("changes"),
    words("changed_by"),
    moment("changed_at"),
)


# An entry of the ledger of reminders: planned, sent, skipped (and why), failed, receipt, opened, stopped.
REMINDER_ENTRY = Table(
    "reminder_entry",
    metadata,
    column("id", BigInteger, primary_key=True, autoincrement=True),
    uuid("contract", foreign_key="contract.id", index=True),
    uuid("task"),
    words("campus"),
    words("kind"),
    words("step", nullable=True),
    integer("number", default=0),
    moment("due_at", nullable=True),
    moment("at"),
    words("reason", nullable=True),
    uuid("delivery", nullable=True),
)


# One task of a bulk reminder (`act`). `outcome`: written in the transaction of its message, so that it is sent once.
MANY_REMINDED = Table(
    "many_reminded",
    metadata,
    uuid("act", primary_key=True),
    uuid("task", primary_key=True, foreign_key="signing_task.id"),
    uuid("contract", foreign_key="contract.id"),
    words("campus", foreign_key="campus.id"),
    words("asked_by"),
    moment("asked_at"),
    words("outcome", nullable=True),
    moment("ended_at", nullable=True),
    Index("ix_many_reminded_left", "act", "contract", postgresql_where=sql("outcome IS NULL")),
    Index("ix_many_reminded_asked_at", "asked_at"),
)
