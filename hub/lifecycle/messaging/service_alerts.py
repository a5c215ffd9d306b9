"""Alert staff, at most once an hour for each service, that an outside service is unavailable or misbehaves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from hub.errors import QiandaError
from hub.measures import SERVICE_TROUBLE
from hub.model.staff.scope import EVERYTHING
from hub.store.files.free_space import find_space
from hub.store.transaction import Database

log = structlog.get_logger()


async def warn(database: Database, kind: str, service: str, **more: str) -> bool:
    """Alert staff that `service` is in trouble, in a separate transaction. Return whether the alert is stored, now or
    earlier in this hour. Never raises a QiandaError.

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
        return False
    return True


def stand_in(name: str) -> dict[str, str]:
    """Return the values of an alert's text that name the service used instead, or say that there is none."""
    return {"which": "instead", "instead": name} if name else {"which": "nobody"}


class LowDiskAlerts:
    """The alerts about file systems of this machine that have little space left. There is one alert for each file
    system, and no other until that file system has had enough space again.

    `folders`: a folder on each of them.
    """

    def __init__(self, database: Database, folders: Iterable[Path | None]) -> None:
        self._database = database
        self._folders = list(folders)
        self._told: set[Path] = set()

    async def look(self) -> None:
        low = [each for each in await asyncio.to_thread(find_space, self._folders) if each.is_low]
        self._told &= {each.folder for each in low}
        for space in low:
            service = f"{socket.gethostname()}:{space.folder}"
            if space.folder in self._told:
                SERVICE_TROUBLE.labels("disk-low", service).inc()  # so that monitoring sees how long it lasts
            elif await warn(self._database, "disk-low", service, free=f"{space.free / (1 << 30):.1f}"):
                self._told.add(space.folder)


class TokenAlerts:
    """The warnings that `hub.tokens.several` sends to staff."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def away(self, tokens: Sequence[str], instead: str) -> None:
        for token in tokens:
            await warn(self._database, "token-away", token, **stand_in(instead))


class TimestampAlerts:
    """The warnings that `hub.timestamps.several` sends to staff."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def away(self, services: Sequence[str], instead: str) -> None:
        for service in services:
            await warn(self._database, "timestamps-away", service, **stand_in(instead))

    async def clock_differs(self, service: str, difference: timedelta) -> None:
        await warn(self._database, "clock-differs", service, seconds=f"{difference.total_seconds():+.0f}")
