"""The weekly report by e-mail: who gets it, when it is due, and when a failed attempt is repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.model.reports.report import ReportPeriod

# The time of day, on Mondays, in the time zone of the campus.
SENT_AT = time(8)
WEEK = timedelta(days=7)
# The pauses before an e-mail that was certainly not accepted is tried again. After the last one, the hub gives up until
# the next week.
RETRIES_AFTER = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
LANGUAGES = ("zh", "en")


class MailState(StrEnum):
    """State of the e-mail of a week.

    `SENDING` is committed before the mail server is called. If the process then dies, the state stays: the server may
    have the e-mail and cannot be asked, so the e-mail is not sent again in that week. `AGAIN`: certainly not accepted,
    so it is tried again.
    """

    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    AGAIN = "again"


@dataclass(frozen=True)
class WeeklyReport:
    """The request of a member of staff for the report, and the state of their last e-mail. `email`: empty if it
    cannot be decrypted. `since`: when they asked."""

    staff: UUID
    campus: str
    email: str
    language: str
    since: datetime
    week: date | None = None
    state: MailState | None = None
    tries: int = 0
    begun_at: datetime | None = None
    due_at: datetime | None = None
    failure: str | None = None


def find_due_week(report: WeeklyReport, zone: str, now: datetime) -> date | None:
    """Return the Monday of the week whose e-mail has to be sent now, or None.

    This is the Monday of the current week, from SENT_AT on, unless the member of staff asked for the report after that
    moment. An e-mail that was not accepted is due again at the time planned for it.
    """
    local = now.astimezone(ZoneInfo(zone))
    monday = local.date() - timedelta(days=local.weekday())
    moment = datetime.combine(monday, SENT_AT, ZoneInfo(zone))
    if now < moment or report.since >= moment:
        return None
    if report.week is None or report.week < monday:
        return monday
    is_due_again = report.state is MailState.AGAIN and report.due_at is not None and report.due_at <= now
    return monday if report.week == monday and is_due_again else None


def find_reported_period(week: date, zone: str) -> ReportPeriod:
    """Return the seven days before this Monday."""
    return ReportPeriod(week - WEEK, week - timedelta(days=1), zone)


def find_next_try(tries: int, now: datetime) -> datetime | None:
    """Return when to try an e-mail again that was not accepted at attempt `tries` (from 1); None to give up."""
    return now + RETRIES_AFTER[tries - 1] if tries <= len(RETRIES_AFTER) else None
