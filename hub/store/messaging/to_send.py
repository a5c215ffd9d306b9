"""Read in one statement what is needed to send an attempt that is written already."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select

from hub.model.messaging.delivery import Delivery
from hub.store.kernel.connection import Connection
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.deliveries import DELIVERY, Deliveries
from hub.store.signing.links import JOINED_LINK, LINK, Links

_GET = SqlStatement(
    select(DELIVERY, *JOINED_LINK)
    .outerjoin(LINK, LINK.c.id == DELIVERY.c.link)
    .where(DELIVERY.c.id == bindparam("delivery"))
)


def opening_to_send(delivery: UUID) -> Opening:
    """Return what `DeliveriesToSend.get` reads."""
    return Opening(_GET, {"delivery": delivery})


class DeliveriesToSend:
    def __init__(self, connection: Connection, deliveries: Deliveries, links: Links) -> None:
        self._connection = connection
        self._deliveries = deliveries
        self._links = links

    async def get(self, delivery: UUID) -> Delivery | None:
        """Return an attempt. Its link is read too: `Links.get` returns it without another statement."""
        row = (await self._connection.execute(_GET, {"delivery": delivery})).first()
        if row is None:
            return None
        self._links.know(row)
        return self._deliveries.read_delivery(row)
