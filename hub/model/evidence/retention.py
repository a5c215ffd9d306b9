"""Retention times of data that neither a contract nor its evidence needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PositiveInt, StringConstraints

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

# A prepared file that was not signed, counted from the end of its lease. This has to be much longer than preparing a
# file takes: if the same person draws the same strokes again within one second, the new file is identical to the old
# one, which is then in use again.
PREPARED_FILE_RETENTION = timedelta(hours=1)
# Files of an earlier version, counted from the signature that superseded it, and files that no row names, counted from
# when they were written. A backup copies the database first and then the files, and ends within this time, so it finds
# all files that its rows name. This time is also much longer than the time between writing a file and the commit that
# names it.
FILE_RETENTION = timedelta(days=1)

# Kinds of deleted data besides rows: files of finished requests and earlier versions, and files that no row names.
SUPERSEDED_FILES = "superseded-files"
ORPHAN_FILES = "orphan-files"


class Retention(BaseModel):
    """For how many days data are kept: the section `[retention]` of the settings.

    `calls_days`: processed callbacks of providers; their content is deleted at once, their time and result are kept.
    `inbound_days`: messages that people sent us, which are personal data.
    `contracts_days`: how long a concluded contract is kept after its end, even if somebody wants it erased (电子商务法
    art. 31 and 民法典 art. 188: three years). `templates_days`: for some templates, the days that replace these.
    `algorithm_ends`: the last day on which a hash algorithm counts as safe; evidence is renewed before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls_days: PositiveInt = 30
    inbound_days: PositiveInt = 180
    contracts_days: PositiveInt = 1096
    algorithm_ends: dict[Annotated[str, StringConstraints(pattern=r"^sha256$")], date] = {}
    templates_days: dict[str, PositiveInt] = {}

    def of_template(self, template: str) -> timedelta:
        """Return how long a concluded contract of this template is kept."""
        return timedelta(days=self.templates_days.get(template, self.contracts_days))


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
        "calls": timedelta(days=retention.calls_days),
        "inbound": timedelta(days=retention.inbound_days),
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
