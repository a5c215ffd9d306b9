"""A service that we depend on is away or wrong: staff hear of it, once an hour for each service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from hub.errors import QiandaError
from hub.model.staff.accounts import EVERYTHING
from hub.store.transaction import Database

log = structlog.get_logger()


async def warn(database: Database, kind: str, service: str, **more: str) -> None:
    """Tell staff that `service` is in trouble, in a transaction of its own, and never in the way of what is being done.

    `kind` is one of `hub.model.staff.alert_texts`, `more` what its sentence needs beside the service.
    """
    log.warning("service in trouble", kind=kind, service=service)
    try:
        async with database.transaction(EVERYTHING) as tx:
            hour = tx.now.replace(minute=0, second=0, microsecond=0)
            if await tx.budgets.consume("alarm", f"{kind}/{service}", hour, 1):
                await tx.alerts.add(kind, {"service": service} | more, tx.now)
    except QiandaError as error:
        log.warning("alert lost", kind=kind, service=service, reason=error.code)


def stand_in(name: str) -> dict[str, str]:
    """Who serves in place of one that is away, if anybody does."""
    return {"which": "instead", "instead": name} if name else {"which": "nobody"}


class TimestampWarnings:
    """What several timestamp services have to tell staff; see `hub.timestamps.several`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def away(self, services: Sequence[str], instead: str) -> None:
        for service in services:
            await warn(self._database, "timestamps-away", service, **stand_in(instead))

    async def clock_differs(self, service: str, difference: timedelta) -> None:
        await warn(self._database, "clock-differs", service, seconds=f"{difference.total_seconds():+.0f}")
