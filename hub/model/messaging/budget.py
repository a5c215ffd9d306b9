"""Budgets: whoever asks, and however a number came to be here, so many messages and no more.

What answers a person's act never shares a budget with messages that we start: our invitations must not shut anybody out
of their code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub.model.messaging.message import ANSWERS, Purpose

STRIPED_FROM = 2000
# A campus that may write much is counted in so many parts, or all its messages would wait for one row.
STRIPES = 16
# Numbers that differ in their last digits only are one prefix: bought in one block, or invented.
TAIL = 4


class Cause(StrEnum):
    """Why a message is written. Messages of different causes are counted apart."""

    OURS = ""
    """We start it: invitations, reminders, news of a contract."""
    CODE = "code-"
    """The code of somebody on file, who opened their link."""
    ANSWER = "answer-"
    """Other answers to an act: a link that was asked for, the answer to STOP and the like."""
    GUEST = "guest-"
    """The code of somebody who came by a poster: they can enter any number."""


# What a message is counted in, in the order in which everybody counts.
KINDS = (
    "poster",
    "guest-prefix",
    "campus",
    "prefix",
    "number",
    "number-day",
    "code-prefix",
    "code-number",
    "code-number-day",
    "answer-prefix",
    "answer-number",
    "answer-number-day",
)


@dataclass(frozen=True)
class BudgetLimits:
    """The same as in the configuration. `countries`: how numbers have to begin; none: all."""

    countries: tuple[str, ...] = ()
    per_number_hour: int = 12
    per_number_day: int = 30
    per_prefix_hour: int = 200
    per_campus_day: int = 20_000
    per_poster_day: int = 500
    codes_per_number_hour: int = 12
    codes_per_number_day: int = 30
    codes_per_prefix_hour: int = 1000
    guest_codes_per_prefix_hour: int = 200
    certificates_per_person_hour: int = 20
    certificates_per_person_day: int = 50
    prepared_per_task_hour: int = 12


@dataclass(frozen=True)
class Budget:
    """One count: of what, in which period, and how many at most. `hashed`: the subject is personal."""

    kind: str
    subject: str
    begins_at: datetime
    ends_at: datetime
    most: int
    hashed: bool = False


@dataclass(frozen=True)
class CountedMessage:
    """One message to `to` (E.164 or a mailbox), as it is counted. `part`: any number that stays the same for one
    contract. `zone`: that of its person."""

    to: str
    cause: Cause = Cause.OURS
    campus: str | None = None
    poster: UUID | None = None
    part: int = 0
    zone: str = "Asia/Shanghai"


def allowed_country(limits: BudgetLimits, to: str) -> bool:
    return "@" in to or not limits.countries or any(to.startswith(prefix) for prefix in limits.countries)


def cause_of(purpose: str) -> Cause:
    """Of a message to somebody on file."""
    if purpose == Purpose.CODE:
        return Cause.CODE
    return Cause.ANSWER if purpose in (Purpose.NEW_LINK, *ANSWERS) else Cause.OURS


def budgets(limits: BudgetLimits, now: datetime, message: CountedMessage) -> Iterator[Budget]:
    """Everything that one message is counted in.

    Codes of people on file have no limit per campus: each person, and each number, has a tight one, so that whoever
    opens links again and again runs into their own limit long before the one of all.

    What many share comes first. A transaction that writes several messages holds it from the first one on, so that
    another one waits before it has counted anything that the first still needs.
    """
    hour, day = _began(now)
    to, cause = message.to, message.cause
    per_prefix, per_number_hour, per_number_day = _limits_of(limits, cause)
    if message.poster:
        yield Budget("poster", str(message.poster), day, day + timedelta(days=1), limits.per_poster_day)
    if message.campus and cause is Cause.OURS:
        yield _of_campus(limits, day, message.campus, message.part)
    if "@" not in to:
        yield Budget(f"{cause}prefix", to[:-TAIL], hour, hour + timedelta(hours=1), per_prefix)
    if cause is not Cause.GUEST:  # codes to one guest are counted by their number already: see CODES_PER
        yield Budget(f"{cause}number", to, hour, hour + timedelta(hours=1), per_number_hour, hashed=True)
        yield Budget(f"{cause}number-day", to, day, day + timedelta(days=1), per_number_day, hashed=True)


def _limits_of(limits: BudgetLimits, cause: Cause) -> tuple[int, int, int]:
    """Per prefix an hour, per number an hour and a day."""
    if cause is Cause.OURS:
        return limits.per_prefix_hour, limits.per_number_hour, limits.per_number_day
    per_prefix = limits.guest_codes_per_prefix_hour if cause is Cause.GUEST else limits.codes_per_prefix_hour
    return per_prefix, limits.codes_per_number_hour, limits.codes_per_number_day


def certificate_budgets(limits: BudgetLimits, now: datetime, person: str) -> Iterator[Budget]:
    """What a certificate for a fresh key is counted in: an authority may want money for each."""
    hour, day = _began(now)
    yield Budget("certificate-hour", person, hour, hour + timedelta(hours=1), limits.certificates_per_person_hour)
    yield Budget("certificate-day", person, day, day + timedelta(days=1), limits.certificates_per_person_day)


def prepared_budgets(limits: BudgetLimits, now: datetime, task: UUID) -> Iterator[Budget]:
    """What a prepared file is counted in. Each holds the document for three minutes: one signer alone must not hold it
    for ever."""
    hour, _ = _began(now)
    yield Budget("prepared", str(task), hour, hour + timedelta(hours=1), limits.prepared_per_task_hour)


def _began(now: datetime) -> tuple[datetime, datetime]:
    """The hour and the day in which this moment lies."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour, hour.replace(hour=0)


def _of_campus(limits: BudgetLimits, day: datetime, campus: str, part: int) -> Budget:
    end = day + timedelta(days=1)
    if limits.per_campus_day < STRIPED_FROM:
        return Budget("campus", campus, day, end, limits.per_campus_day)
    return Budget("campus", f"{campus}/{part % STRIPES}", day, end, limits.per_campus_day // STRIPES)
