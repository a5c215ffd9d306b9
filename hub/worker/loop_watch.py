"""Watch whether the loops of a worker still run: each loop says by when it will report again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class LoopWatch:
    """The loops of this process, and the time by which each has to report. `clock`: in seconds, monotonic.

    A loop reports when a turn has ended without an error. So a loop is late if it hangs, and also if it keeps failing.
    """

    clock: Callable[[], float] = time.monotonic
    _deadlines: dict[str, float] = field(default_factory=dict)

    def expect(self, loop: str, within: float) -> None:
        """Note that this loop is alive, and will report again within this number of seconds."""
        self._deadlines[loop] = self.clock() + within

    def list_lateness(self) -> dict[str, float]:
        """Return for each loop how many seconds it is late; 0 for a loop that is not late."""
        now = self.clock()
        return {loop: max(0.0, now - deadline) for loop, deadline in sorted(self._deadlines.items())}
