"""A pause of sending. An operator or a restore begins it; an operator ends it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.model.messaging.delivery import PLANNED
from hub.model.messaging.message import COPIES, NEWS

# Messages that wait while sending is paused. Codes, requested links and replies go out, since somebody waits for them.
HELD = frozenset({*PLANNED, *NEWS, *COPIES})


@dataclass(frozen=True)
class SendingPause:
    """The pause, since `since`. `restored_from`: when the backup was made, if a restore began the pause."""

    since: datetime
    restored_from: datetime | None = None
