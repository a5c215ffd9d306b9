"""A restore in one process, which may be killed."""

from __future__ import annotations

import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub.maintenance.backup import restore_embedded
from tests.faults.steps import Steps

PASSPHRASE = "an owl in the belfry"


@dataclass(frozen=True)
class Plan:
    """The orders for one process. `kill_at`, `ends_after`: as in `tests.faults.acts`."""

    source: str
    data: str
    ledger: str
    kill_at: int = 0
    ends_after: float = 0

    def json(self) -> dict[str, Any]:
        return asdict(self)


def tell(plan: Plan) -> None:
    data = Path(plan.data)
    Steps(Path(plan.ledger), data.parent, plan.kill_at).watch()
    if plan.ends_after:
        signal.setitimer(signal.ITIMER_REAL, plan.ends_after)
    restore_embedded(data, Path(plan.source), PASSPHRASE)
