"""Alerts: urgent news for staff. An alert is written in the transaction that causes it, and sent afterwards."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.model.staff.alert import (
    BUNDLED_WITHIN,
    RETRIES_AFTER,
    SENT_WITHIN,
    SHOWN_FOR,
    Alert,
    AlertBatch,
    compute_next_try,
)
from hub.model.staff.alert_texts import Facts
from hub.model.staff.scope import Scope
from hub.store.kernel.connection import Connection, Row
from hub.store.operation.jobs import ALERT, Jobs
from hub.store.tables.staff import ALERT as ROW

MAX_AT_ONCE = 500
MAX_LIMIT = timedelta(days=1)


class Alerts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._jobs = Jobs(connection)

    async def add(self, kind: str, facts: Facts, at: datetime, campus: str | None = None) -> UUID:
        """Add an alert and its job. `facts` must contain no signer's name, phone number or ticket, since alerts go to
        chats and mailboxes of staff."""
        alert = uuid4()
        values = {"id": alert, "kind": kind, "facts": dict(facts), "campus": campus}
        values |= {"created_at": at, "due_at": at}
        await self._connection.execute(insert(ROW).values(values))
        await self._jobs.enqueue(ALERT, {"alert": str(alert)}, f"alert-{alert}")
        return alert

    async def list_recent(self, scope: Scope, now: datetime, limit: int = 50) -> list[Alert]:
        """Return the alerts of the scope, newest first. Those without a campus are for people who see all campuses."""
        mine = ROW.c.created_at > now - SHOWN_FOR
        if scope.campuses is not None:
            mine &= ROW.c.campus.in_(scope.campuses)
        rows = await self._connection.execute(select(ROW).where(mine).order_by(ROW.c.created_at.desc()).limit(limit))
        return [_alert(row) for row in rows]

    async def list_limits_reached(self, scope: Scope, now: datetime) -> list[Alert]:
        """Return the alerts about spent budgets that stop messages at present, the latest of each kind and campus."""
        mine = (ROW.c.kind == "budget-spent") & (ROW.c.created_at > now - MAX_LIMIT)
        if scope.campuses is not None:
            mine &= ROW.c.campus.in_(scope.campuses)
        rows = await self._connection.execute(select(ROW).where(mine).order_by(ROW.c.created_at))
        alerts = [_alert(row) for row in rows]
        lasting = [each for each in alerts if each.until is not None and each.until > now]
        return list({(each.facts.get("which"), each.campus): each for each in lasting}.values())

    async def list_due(self, now: datetime, limit: int = 20) -> list[UUID]:
        waiting = (ROW.c.due_at <= now) & (ROW.c.created_at > now - SENT_WITHIN)
        statement = select(ROW.c.id).where(waiting).order_by(ROW.c.due_at).limit(limit)
        return await self._connection.scalars(statement)

    async def begin(self, alert: UUID, now: datetime) -> AlertBatch | None:
        """Begin an attempt to send an alert, before anything is sent. Return it with the other alerts of its kind.

        Return None if it is not due any more, or if it has to wait because its kind was sent a short time ago. Other
        attempts of the same kind wait until this transaction ends.
        """
        kind = await self._connection.scalar(select(ROW.c.kind).where(ROW.c.id == alert, ROW.c.due_at <= now))
        if kind is None:
            return None
        await self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:kind, 5))"), {"kind": f"alert:{kind}"}
        )
        row = (await self._connection.execute(select(ROW).where(ROW.c.id == alert))).one()
        if row["due_at"] is None or row["due_at"] > now:
            return None
        last = select(func.max(ROW.c.begun_at)).where(ROW.c.kind == kind, ROW.c.id != alert)
        before: datetime | None = await self._connection.scalar(last)
        if before is not None and before > now - BUNDLED_WITHIN:
            await self._put(alert, due_at=before + BUNDLED_WITHIN)
            return None
        return await self._collect_batch(row, now)

    async def _collect_batch(self, head: Row, now: datetime) -> AlertBatch:
        """Add the alerts of this kind that have not been tried yet, and store that the attempt has begun."""
        tries = head["tries"] + 1
        waiting = (ROW.c.kind == head["kind"]) & (ROW.c.tries == 0) & ROW.c.due_at.is_not(None)
        waiting &= ROW.c.created_at > now - SENT_WITHIN
        first = select(ROW.c.id).where(waiting, ROW.c.id != head["id"]).order_by(ROW.c.created_at).limit(MAX_AT_ONCE)
        await self._connection.execute(
            ROW.update().where(ROW.c.id.in_(first)).values(bundle=head["id"], due_at=None, tries=1)
        )
        # An attempt whose process dies is made again, even the last one: an alert may be sent twice, but is never lost.
        due = compute_next_try(tries, now) or now + RETRIES_AFTER[0]
        await self._put(head["id"], tries=tries, begun_at=now, due_at=due)
        mine = or_(ROW.c.id == head["id"], ROW.c.bundle == head["id"])
        rows = await self._connection.execute(select(ROW).where(mine).order_by(ROW.c.created_at))
        reached = frozenset(head["reached"].split())
        return AlertBatch(head["id"], head["kind"], tuple(_alert(row) for row in rows), tries, reached)

    async def end(
        self, batch: AlertBatch, reached: Collection[str], failure: str | None, now: datetime, again: datetime | None
    ) -> None:
        """Store the outcome of an attempt. `failure`: None if every address got the alert. `again`: when to try the
        other addresses."""
        await self._put(batch.head, due_at=again, reached=" ".join(sorted(reached)))
        told = {"failure": failure} | ({"sent_at": now} if reached else {})
        mine = or_(ROW.c.id == batch.head, ROW.c.bundle == batch.head)
        await self._connection.execute(ROW.update().where(mine).values(**told))

    async def _put(self, alert: UUID, **values: object) -> None:
        await self._connection.execute(ROW.update().where(ROW.c.id == alert).values(**values))


def _alert(row: Row) -> Alert:
    return Alert(**{name: row[name] for name in Alert.__dataclass_fields__})
