"""The purpose of this database, heartbeats, and periodic tasks."""

from datetime import timedelta

from sqlalchemy import CheckConstraint, Index, Interval, Table, text as sql

from hub.store.tables.columns import column, flag, json_, metadata, moment, real, uuid, words

# One row: the purpose of this database, and the data folder to which it is bound (empty until `qianda init`). Only
# the role `owner` writes it; `hub.store.server.installation` explains the values.
INSTALLATION = Table(
    "installation",
    metadata,
    flag("one", default=True, primary_key=True),
    words("kind"),
    column("clock_offset", Interval, default=timedelta(0)),
    moment("created_at"),
    uuid("installation_id", nullable=True),
    words("master_check", nullable=True),
    words("root_sha256", nullable=True),
    words("seal_sha256", nullable=True),
)


# A key that encrypts columns, or did so earlier. `id`: see `key_id_of`, in hex. One is current; none in a database
# of an earlier version, until `qianda keys rotate`. `refuses_unbound`: set in the current row once every value
# bears the id of its key. Only the role `owner` writes it.
SEALING_KEY = Table(
    "sealing_key",
    metadata,
    words("id", primary_key=True),
    moment("current_since"),
    flag("is_current"),
    flag("refuses_unbound", default=False),
    moment("retired_at", nullable=True),
    Index("uq_sealing_key_current", "is_current", unique=True, postgresql_where=sql("is_current")),
)


# One row in the database of a demo, none in others: how far its planning clock is ahead.
DEMO_CLOCK = Table(
    "demo_clock", metadata, flag("one", default=True, primary_key=True), column("clock_offset", Interval)
)


# One row, written by `qianda migrate`: hubs of the schema `compatible_from` or a later one can use this schema.
SCHEMA_COMPATIBILITY = Table(
    "schema_compatibility",
    metadata,
    flag("one", default=True, primary_key=True),
    words("compatible_from"),
    CheckConstraint("one", name="one"),
)


# A periodic task, and when its next round is due. The worker that moves this moment forward does the round.
DUTY = Table("duty", metadata, words("name", primary_key=True), moment("due_at"))


# The heartbeat of a worker, renewed every few seconds. Other workers delete rows that are no longer renewed.
WORKER_HEARTBEAT = Table("worker_heartbeat", metadata, uuid("worker", primary_key=True), moment("at"))


# The rows of one table by state, as a worker counted them last, and how many seconds that took.
ROW_COUNT = Table(
    "row_count", metadata, words("figure", primary_key=True), json_("counts"), moment("counted_at"), real("seconds")
)


# One row while sending is paused, none otherwise. `restored_from`: time of the backup whose restore began it.
SENDING_PAUSE = Table(
    "sending_pause",
    metadata,
    flag("one", default=True, primary_key=True),
    moment("since"),
    moment("restored_from", nullable=True),
    CheckConstraint("one", name="one"),
)


# One row in a restored database. The former hub may already have sent what was due until this moment.
RESTORED_UNTIL = Table(
    "restored_until",
    metadata,
    flag("one", default=True, primary_key=True),
    moment("moment"),
    CheckConstraint("one", name="one"),
)


# A delivery that any provider may have: it was open in a backup, or its step was due before the restore.
RESTORED_DELIVERY = Table("restored_delivery", metadata, uuid("delivery", primary_key=True))
