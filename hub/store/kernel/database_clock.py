"""One clock for all hosts of a hub: that of the database.

Leases, due times and the age of attempts are written by one host and read by another. On a host whose clock is wrong
they would look expired or not due yet, and a message in hand would look abandoned. So a host that differs follows the
database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

# The answer of a busy database may be so late; a smaller difference is not worth a jump of the clock.
TOLERANCE: Final = timedelta(seconds=1)

log = structlog.get_logger()


class DatabaseClock:
    """This host's clock, corrected by what the database was last seen to differ from it. `host`: for tests."""

    def __init__(self, host: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._host = host
        self._correction = timedelta(0)

    def __call__(self) -> datetime:
        return self._host() + self._correction

    def observe(self, theirs: datetime) -> None:
        """Compare with the database's time of this moment; follow and log a change of more than the tolerance."""
        difference = theirs - self._host()
        wanted = difference if abs(difference) > TOLERANCE else timedelta(0)
        if abs(wanted - self._correction) > TOLERANCE:
            self._correction = wanted
            log.warning("the clock of this host is wrong: the database's is used", seconds=wanted.total_seconds())
