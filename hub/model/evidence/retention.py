"""Retention: how long is kept what nobody needs for a contract or its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# No budget has a longer period than a day.
COUNTED_FOR = timedelta(days=7)
# How each job went: long enough to look at what failed over a weekend.
JOBS_LOGGED_FOR = timedelta(days=7)

# A file that was prepared in vain, after its lease: much longer than anybody takes to prepare one. Within a
# second the same strokes of the same person make the very same file again, and then it is needed.
PREPARED_LEFT_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Retention:
    """`calls`: of providers, that were worked on (what they said is gone at once; when, and what came of it, is left).
    `inbound`: what people wrote to us, which is personal."""

    calls: timedelta = timedelta(days=30)
    inbound: timedelta = timedelta(days=180)
