"""What a supervisor and its children share. It imports nothing, so that a supervisor stays small."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Seconds that children have to finish their work. The database then stops within the rest of twenty seconds.
STOP_TIMEOUT = 14.0
# EX_CONFIG of sysexits.h. If such a child were started again, it would end in the same way.
CANNOT_START = 78


class NotConfigured(ValueError):
    """The configuration names something that does not exist or is impossible, and has to be corrected."""


@dataclass(frozen=True)
class ServiceJob:
    """The work of a child (`web` or `work`).

    `settings`: pickled, because only the child imports their classes. `data`: the data folder, if its embedded database
    is used. `certificates`: a folder of `hub.demo.tls`, if the web serves HTTPS.
    """

    kind: str
    settings: bytes
    dsn: str
    demo: bool
    data: Path | None
    certificates: Path | None = None
