"""Read in one statement what is needed to send an attempt that is written already."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select

from hub.model.messaging.delivery import Delivery
from hub.store.kernel.connection import Connection
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.deliveries import Deliveries
from hub.store.messaging.pause import SendingPauses, is_not_paused
from hub.store.signing.links import JOINED_LINK, Links
from hub.store.tables.messaging import DELIVERY
from hub.store.tables.signing import SIGN_LINK as LINK

_LOCK = SqlStatement(
    select(DELIVERY, *JOINED_LINK, is_not_paused().label("is_not_paused"))
    .outerjoin(LINK, LINK.c.id == DELIVERY.c.link)
    .where(DELIVERY.c.id == bindparam("delivery"))
    .with_for_update(of=DELIVERY)
)


def opening_to_send(delivery: UUID) -> Opening:
    """Return what `DeliveriesToSend.lock` does first."""
    return Opening(_LOCK, {"delivery": delivery})


class DeliveriesToSend:
    def __init__(self, connection: Connection, deliveries: Deliveries, links: Links, pause: SendingPauses) -> None:
        self._connection = connection
        self._deliveries = deliveries
        self._links = links
        self._pause = pause

    async def lock(self, delivery: UUID) -> Delivery | None:
        """Lock an attempt and return it. Its link, and whether sending is paused, are read too: `Links.get` and
        `SendingPauses.is_on` return them without another statement."""
        row = (await self._connection.execute(_LOCK, {"delivery": delivery})).first()
        if row is None:
            return None
        self._links.remember(row)
        self._pause.remember(is_on=not row["is_not_paused"])
        return self._deliveries.read_delivery(row)
