"""Weekly reports by e-mail."""

from sqlalchemy import Table

from hub.store.tables.columns import bytes_, counter, day, metadata, moment, uuid, words

# The weekly report that a member of staff wants by e-mail. The row is also the attempt to send it. `week`: the
# Monday of the week that was reported last, or is being reported. `state`: of its mail, see
# `hub.model.reports.weekly_report.MailState`. `due_at`: when a mail that was certainly not taken is tried again.
WEEKLY_REPORT = Table(
    "weekly_report",
    metadata,
    uuid("staff", primary_key=True, foreign_key="staff.id"),
    words("campus", foreign_key="campus.id"),
    bytes_("email_sealed"),
    words("language"),
    moment("since"),
    day("week", nullable=True),
    words("state", nullable=True),
    counter("tries"),
    moment("begun_at", nullable=True),
    moment("due_at", nullable=True),
    words("failure", nullable=True),
)
