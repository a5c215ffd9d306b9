"""What a supervisor and its children agree on. It imports nothing, so that a supervisor stays small."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Seconds in which children may finish their work. The database then stops in what is left of twenty seconds.
STOP_TIMEOUT = 14.0
# EX_CONFIG of sysexits.h: starting such a child again would end in the same way.
CANNOT_START = 78


class NotConfigured(ValueError):
    """Something that the configuration names does not exist, or is impossible: only editing it helps."""


@dataclass(frozen=True)
class ServiceJob:
    """The work of a child (`web` or `work`).

    `settings`: pickled, because only the child imports what they are made of. `data`: the data folder, if the embedded
    database in it is used. `certificates`: a folder of `hub.demo.tls`, if the web is to serve HTTPS.
    """

    kind: str
    settings: bytes
    dsn: str
    demo: bool
    data: Path | None
    certificates: Path | None = None
