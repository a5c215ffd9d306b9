"""Retention: how long data is kept that neither a contract nor its evidence needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# Message counters. No budget has a period longer than a day.
BUDGET_RETENTION = timedelta(days=7)
# Job log: long enough to examine failures of a weekend.
JOB_LOG_RETENTION = timedelta(days=7)

# A prepared file that was not signed, counted from the end of its lease. This is much longer than preparing takes: the
# same strokes of the same person within one second give an identical file, which may be in use again.
PREPARED_FILE_RETENTION = timedelta(hours=1)


@dataclass(frozen=True)
class Retention:
    """Configured retention times.

    `calls`: processed webhooks of providers; their content is deleted at once, their time and result are kept.
    `inbound`: messages that people sent us, which are personal data.
    `contracts`: how long a concluded contract is kept after its end, whoever wants it erased (电子商务法 art. 31 and
    民法典 art. 188: three years).
    """

    calls: timedelta = timedelta(days=30)
    inbound: timedelta = timedelta(days=180)
    contracts: timedelta = timedelta(days=1096)
