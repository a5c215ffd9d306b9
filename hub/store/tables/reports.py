"""Weekly reports by e-mail."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, moment, words


class WeeklyReportRow(DeclaredTable):
    """The weekly report that a member of staff wants by e-mail. The row is also the attempt to send it.

    `week`: the Monday of the week that was reported last, or is being reported. `state`: of its mail, see
    `hub.model.reports.weekly_report.MailState`. `due_at`: when a mail that was certainly not taken is tried again.
    """

    __tablename__ = "weekly_report"
    staff: UUID = column(primary_key=True, foreign_key="staff.id")
    campus: str = words(foreign_key="campus.id")
    email_sealed: bytes = bytes_(nullable=False)
    language: str = words()
    since: datetime = moment(nullable=False)
    week: date | None = None
    state: str | None = words()
    tries: int = counter()
    begun_at: datetime | None = moment()
    due_at: datetime | None = moment()
    failure: str | None = words()
