"""One clock for all hosts of a hub: the clock of the database.

One host writes leases, due times and the times of attempts, and another host reads them. If a host's clock were wrong,
leases would look expired, steps would not look due yet, and a message in progress would look abandoned. So a host whose
clock differs follows the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

# The answer of a busy database may be this late, so a smaller difference does not change the clock.
TOLERANCE: Final = timedelta(seconds=1)

log = structlog.get_logger()


class DatabaseClock:
    """This host's clock, corrected by its last known difference from the database's clock. `host`: returns this host's
    time."""

    def __init__(self, host: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._host = host
        self._correction = timedelta(0)

    def __call__(self) -> datetime:
        return self._host() + self._correction

    def observe(self, theirs: datetime) -> None:
        """Compare with the database's present time. If the difference changed by more than TOLERANCE, follow it and log
        it."""
        difference = theirs - self._host()
        wanted = difference if abs(difference) > TOLERANCE else timedelta(0)
        if abs(wanted - self._correction) > TOLERANCE:
            self._correction = wanted
            log.warning("the clock of this host is wrong: the database's is used", seconds=wanted.total_seconds())
