"""Retention times of data that neither a contract nor its evidence needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from hub.model.school.roster_import import ROSTER_RETENTION

# Message counters. No budget has a period longer than a day.
BUDGET_RETENTION = timedelta(days=7)
# The job log: long enough to examine failures of a weekend.
JOB_LOG_RETENTION = timedelta(days=7)
# Answers kept for an Idempotency-Key. They are replayed for a day (`REPLAY_LIFE` in `hub.store.staff.idempotency`).
ANSWER_RETENTION = timedelta(days=2)
# One-time codes and wrong answers, which are counted per day.
GUESS_RETENTION = timedelta(days=7)
# Sessions of people who are not on file, counted from the end of the session. They contain phone numbers.
GUEST_RETENTION = timedelta(days=1)
# Attachments that a signer has replaced by others.
REPLACED_RETENTION = timedelta(days=1)
# Proposed replacements of signers that nobody has decided about.
UNDECIDED_RETENTION = timedelta(days=30)
# Sessions that have ended, and failed logins: long enough to investigate a break-in.
SESSION_RETENTION = timedelta(days=30)

# A prepared file that was not signed, counted from the end of its lease. This is much longer than preparing a file: if
# the same person draws the same strokes within one second, the file is identical and may be in use again.
PREPARED_FILE_RETENTION = timedelta(hours=1)
# Files of an earlier version, counted from the signature that superseded it, and files that no row names, counted from
# when they were written. A backup copies the database first and then the files, and ends within this time, so it finds
# all files that its rows name. The time is also much longer than the time from writing a file to the commit that names
# it.
FILE_RETENTION = timedelta(days=1)

# Kinds of deleted data besides rows: files of finished requests and earlier versions, and files that no row names.
SUPERSEDED_FILES = "superseded-files"
ORPHAN_FILES = "orphan-files"


@dataclass(frozen=True)
class Retention:
    """Configured retention times.

    `calls`: processed callbacks of providers; their content is deleted at once, their time and result are kept.
    `inbound`: messages that people sent us, which are personal data.
    `contracts`: how long a concluded contract is kept after its end, even if somebody wants it erased (电子商务法
    art. 31 and 民法典 art. 188: three years). `templates`: for some templates, the time that replaces `contracts`.
    `algorithm_ends`: the last day of each hash algorithm; evidence is renewed before it.
    """

    calls: timedelta = timedelta(days=30)
    inbound: timedelta = timedelta(days=180)
    contracts: timedelta = timedelta(days=1096)
    algorithm_ends: Mapping[str, date] = field(default_factory=dict)
    templates: Mapping[str, timedelta] = field(default_factory=dict)

    def of_template(self, template: str) -> timedelta:
        """Return how long a concluded contract of this template is kept."""
        return self.templates.get(template, self.contracts)


@dataclass(frozen=True)
class Prunable:
    """Data of one kind that may be deleted now. `kept`: how long this kind is kept. `size`: in bytes."""

    kind: str
    kept: timedelta
    number: int
    size: int


def list_retention(retention: Retention) -> Mapping[str, timedelta]:
    """Return how long each kind of rows is kept (`hub.store.evidence.old_rows` says which rows these are)."""
    return {
        "calls": retention.calls,
        "inbound": retention.inbound,
        "periods": BUDGET_RETENTION,
        "job-log": JOB_LOG_RETENTION,
        "job-statistics": JOB_LOG_RETENTION,
        "rosters": ROSTER_RETENTION,
        "replacements": UNDECIDED_RETENTION,
        "attachments": REPLACED_RETENTION,
        "answers": ANSWER_RETENTION,
        "codes": GUESS_RETENTION,
        "wrong-answers": GUESS_RETENTION,
        "guests": GUEST_RETENTION,
        "login-failures": SESSION_RETENTION,
        "staff-sessions": SESSION_RETENTION,
        "session-chains": SESSION_RETENTION,
    }
