"""A service that we depend on is away or wrong: staff hear of it, once an hour for each service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from hub.errors import QiandaError
from hub.model.staff import EVERYTHING
from hub.store.unit import Database

log = structlog.get_logger()


async def warn(database: Database, kind: str, service: str, text: str) -> None:
    """`kind` is one of `hub.lifecycle.alert`; `text` names no person. In a transaction of its own, and never in the way
    of what is being done."""
    log.warning("service in trouble", kind=kind, service=service)
    try:
        async with database.unit(EVERYTHING) as unit:
            hour = unit.now.replace(minute=0, second=0, microsecond=0)
            if await unit.budgets.spend("alarm", f"{kind}/{service}", hour, 1):
                await unit.alerts.add(kind, text, unit.now)
    except QiandaError as error:
        log.warning("alert lost", kind=kind, service=service, reason=error.code)


class TimestampWarnings:
    """What several timestamp services have to tell staff; see `hub.timestamps.several`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def away(self, services: Sequence[str], instead: str) -> None:
        for service in services:
            text = f"The timestamp service {service} gave no timestamp that can be used"
            await warn(self._database, "timestamps-away", service, f"{text}; {instead} did" if instead else text)

    async def clock_differs(self, service: str, difference: timedelta) -> None:
        seconds = f"{difference.total_seconds():+.0f} s"
        text = (
            f"The clock of the timestamp service {service} differs from ours by {seconds}: check time synchronisation"
        )
        await warn(self._database, "clock-differs", service, text)
