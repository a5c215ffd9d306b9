"""Alert staff, at most once an hour for each service, that an outside service is unavailable or misbehaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from hub.errors import QiandaError
from hub.measures import SERVICE_TROUBLE
from hub.model.staff.accounts import EVERYTHING
from hub.store.transaction import Database

log = structlog.get_logger()


async def warn(database: Database, kind: str, service: str, **more: str) -> None:
    """Alert staff that `service` is in trouble, in a transaction of its own. Never raises a QiandaError.

    `kind`: a kind of `hub.model.staff.alert_texts`. `more`: further values that the text of this kind needs.
    """
    SERVICE_TROUBLE.labels(kind, service).inc()
    try:
        async with database.transaction(EVERYTHING) as tx:
            hour = tx.now.replace(minute=0, second=0, microsecond=0)
            if await tx.budgets.consume("alarm", f"{kind}/{service}", hour, 1):
                log.warning("service in trouble", kind=kind, service=service)
                await tx.alerts.add(kind, {"service": service} | more, tx.now)
    except QiandaError as error:
        log.warning("alert lost", kind=kind, service=service, reason=error.code)


def stand_in(name: str) -> dict[str, str]:
    """Return the values of an alert's text that name the service used instead, or say that there is none."""
    return {"which": "instead", "instead": name} if name else {"which": "nobody"}


class TokenAlerts:
    """The warnings that `hub.tokens.several` sends to staff."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def away(self, tokens: Sequence[str], instead: str) -> None:
        for token in tokens:
            await warn(self._database, "token-away", token, **stand_in(instead))


class TimestampWarnings:
    """The warnings that `hub.timestamps.several` sends to staff."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def away(self, services: Sequence[str], instead: str) -> None:
        for service in services:
            await warn(self._database, "timestamps-away", service, **stand_in(instead))

    async def clock_differs(self, service: str, difference: timedelta) -> None:
        await warn(self._database, "clock-differs", service, seconds=f"{difference.total_seconds():+.0f}")
