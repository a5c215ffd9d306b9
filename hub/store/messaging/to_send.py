"""Read in one statement what is needed to send an attempt that is written already."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, select

from hub.model.messaging.delivery import Delivery
from hub.store.kernel.connection import Connection
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.deliveries import DELIVERY, Deliveries
from hub.store.signing.links import JOINED_LINK, LINK, Links
from hub.store.tables.columns import table_of
from hub.store.tables.server import JobStartRow

START = table_of(JobStartRow)
_STARTS = select(START.c.starts).where(START.c.job == bindparam("job", type_=BigInteger())).scalar_subquery()
_GET = SqlStatement(
    select(
        DELIVERY,
        *JOINED_LINK,
        func.coalesce(_STARTS, 0).label("starts"),
    )
    .outerjoin(LINK, LINK.c.id == DELIVERY.c.link)
    .where(DELIVERY.c.id == bindparam("delivery"))
)


def opening_to_send(delivery: UUID, job: int | None) -> Opening:
    """Return what `DeliveriesToSend.get` reads."""
    return Opening(_GET, _values(delivery, job))


def _values(delivery: UUID, job: int | None) -> dict[str, Any]:
    return {"delivery": delivery, "job": job}


class DeliveriesToSend:
    def __init__(self, connection: Connection, deliveries: Deliveries, links: Links) -> None:
        self._connection = connection
        self._deliveries = deliveries
        self._links = links

    async def get(self, delivery: UUID, job: int | None) -> tuple[Delivery, int] | None:
        """Return an attempt, and how often this job was started before. Return None if there is no such attempt.

        Its link is read too: `Links.get` returns it without another statement.
        """
        row = (await self._connection.execute(_GET, _values(delivery, job))).first()
        if row is None:
            return None
        self._links.know(row)
        return self._deliveries.read_delivery(row), row["starts"]
