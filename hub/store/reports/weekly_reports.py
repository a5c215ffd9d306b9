"""Who wants the weekly report by e-mail, and the attempt to send the one of this week."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.model.reports.weekly_report import MailState, WeeklyReport
from hub.model.staff.accounts import Staff
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.staff.accounts import read_staff
from hub.store.tables.reports import WEEKLY_REPORT as REPORT
from hub.store.tables.staff import STAFF

_EMAIL = EncryptedColumn.of(REPORT.c.email_sealed)
_PLAIN = ("staff", "campus", "language", "since", "week", "tries", "begun_at", "due_at", "failure")


class WeeklyReports(EncryptedRepository):
    async def put(self, report: WeeklyReport) -> None:
        """Store a subscription. If the account has one, keep what it says about the last e-mail."""
        encrypted = self._cipher.encrypt(report.email, _EMAIL.at(report.staff))
        changed = {"campus": report.campus, "email_sealed": encrypted, "language": report.language}
        values = changed | {"staff": report.staff, "since": report.since}
        statement = insert(REPORT).values(values).on_conflict_do_update(index_elements=["staff"], set_=changed)
        await self._connection.execute(statement)

    async def remove(self, staff: UUID) -> bool:
        """Remove a subscription with its address. Return False if there was none."""
        return (await self._connection.execute(REPORT.delete().where(REPORT.c.staff == staff))).rowcount == 1

    async def get(self, staff: UUID) -> WeeklyReport | None:
        return await self._connection.find(self._report, select(REPORT).where(REPORT.c.staff == staff))

    async def list_of_active(self) -> list[tuple[WeeklyReport, Staff]]:
        """Return the subscriptions of all accounts that may log in, with the accounts."""
        columns = [STAFF.c[name] for name in Staff.__dataclass_fields__]
        names = [column.label(f"staff_{column.name}") for column in columns]
        statement = (
            select(REPORT, *names).join(STAFF, STAFF.c.id == REPORT.c.staff).where(STAFF.c.disabled_at.is_(None))
        )
        rows = await self._connection.execute(statement.order_by(REPORT.c.staff))
        return [
            (self._report(row), read_staff({name: row[f"staff_{name}"] for name in Staff.__dataclass_fields__}))
            for row in rows
        ]

    async def begin(self, report: WeeklyReport, week: date, now: datetime) -> bool:
        """Note that the mail of this week is about to be sent. Commit before the mail server is called.

        Return False if another process has begun it.
        """
        unchanged = (REPORT.c.staff == report.staff) & REPORT.c.begun_at.is_not_distinct_from(report.begun_at)
        tries = report.tries + 1 if report.week == week else 1
        values = {"week": week, "state": MailState.SENDING.value, "tries": tries, "begun_at": now}
        statement = REPORT.update().where(unchanged).values(**values, due_at=None, failure=None)
        return (await self._connection.execute(statement)).rowcount == 1

    async def end(
        self, staff: UUID, begun_at: datetime, state: MailState, failure: str = "", due_at: datetime | None = None
    ) -> None:
        """Note the outcome of the attempt that was begun at `begun_at`. `due_at`: when it is tried again."""
        mine = (REPORT.c.staff == staff) & (REPORT.c.begun_at == begun_at)
        values = {"state": state.value, "failure": failure or None, "due_at": due_at}
        await self._connection.execute(REPORT.update().where(mine).values(values))

    def _report(self, row: Row) -> WeeklyReport:
        try:
            email = self._cipher.decrypt(row["email_sealed"], _EMAIL.at(row["staff"]))
        except (InvalidTag, ValueError):
            email = ""  # an error would stop the other e-mails, and this person's page
        state = MailState(row["state"]) if row["state"] else None
        return WeeklyReport(**{name: row[name] for name in _PLAIN}, email=email, state=state)
