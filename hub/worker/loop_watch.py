"""Whether the loops of a worker still move: each says by when it will be heard of again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class LoopWatch:
    """The loops of this process, with the moment by which each has to be heard of. `clock`: in seconds, monotonic.

    A loop is heard of when a turn has ended well. So one that hangs is late, and also one that fails again and again.
    """

    clock: Callable[[], float] = time.monotonic
    _deadlines: dict[str, float] = field(default_factory=dict)

    def expect(self, loop: str, within: float) -> None:
        """Note that this loop is alive, and will be heard of again within so many seconds."""
        self._deadlines[loop] = self.clock() + within

    def list_lateness(self) -> dict[str, float]:
        """Return for each loop how many seconds it is late; 0 for one that is not."""
        now = self.clock()
        return {loop: max(0.0, now - deadline) for loop, deadline in sorted(self._deadlines.items())}
