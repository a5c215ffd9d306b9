"""Budgets: how many messages, certificates and prepared files are allowed in an hour or a day.

Replies to a person's own act are counted apart from the messages that the hub starts, so that invitations can never
use up the budget that a person needs for their one-time code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PositiveInt

from hub.model.messaging.message import ANSWERS, Purpose

# If the daily budget of a campus is at least this, its counter is split into STRIPES rows.
STRIPED_FROM = 2000
# Number of rows for the counter of a large campus, so that its messages do not all wait for one row lock.
STRIPES = 16
# Digits cut from the end of a number to get its prefix: numbers bought in one block, or made up, share a prefix.
TAIL = 4


class Cause(StrEnum):
    """The reason for a message. Each cause has its own budgets."""

    OURS = ""
    """The hub starts it: invitations, reminders, news of a contract."""
    CODE = "code-"
    """A one-time code for a signer on file who opened their link."""
    ANSWER = "answer-"
    """Any other reply to a person's act: a requested link, the confirmation of STOP."""
    GUEST = "guest-"
    """A one-time code for a guest who scanned a poster and can enter any phone number."""


# The kinds of budgets, in locking order.
KINDS = (
    *("poster", "guest-prefix", "campus", "prefix", "number", "number-day", "code-prefix", "code-number"),
    *("code-number-day", "answer-prefix", "answer-number", "answer-number-day"),
)


class BudgetLimits(BaseModel):
    """The most messages that may be sent, whoever causes them: the section `[budgets]` of the settings.

    `countries`: allowed prefixes of numbers such as `+86`; empty: all. Messages that we start are limited by
    `per_number`, per hour and per day; by `per_prefix`, per hour, for all numbers that differ only in their last four
    digits; and by `per_campus`, per day. `codes_per_number` and `codes_per_prefix` limit one-time codes, and separately
    other replies (a requested link, the reply to STOP). `per_poster`, per day, and `guest_codes_per_prefix` limit codes
    to people who use a poster. `certificates_per_person`: keys and certificates that a signer shows, per hour and per
    day; `prepared_per_task`: files prepared for one signer's task, per hour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    countries: tuple[str, ...] = ()
    per_number_hour: PositiveInt = 12
    per_number_day: PositiveInt = 30
    per_prefix_hour: PositiveInt = 200
    per_campus_day: PositiveInt = 20_000
    per_poster_day: PositiveInt = 500
    codes_per_number_hour: PositiveInt = 12
    codes_per_number_day: PositiveInt = 30
    codes_per_prefix_hour: PositiveInt = 1000
    guest_codes_per_prefix_hour: PositiveInt = 200
    certificates_per_person_hour: PositiveInt = 20
    certificates_per_person_day: PositiveInt = 50
    prepared_per_task_hour: PositiveInt = 12


@dataclass(frozen=True)
class Budget:
    """One counter: at most `most` uses by `subject` from `begins_at` up to `ends_at`.

    `hashed`: the subject is personal data and is stored as a keyed hash.
    """

    kind: str
    subject: str
    begins_at: datetime
    ends_at: datetime
    most: int
    hashed: bool = False


@dataclass(frozen=True)
class CountedMessage:
    """A message to be counted.

    `to`: E.164 number or e-mail address. `part`: any number that is constant per contract; it selects the stripe of the
    campus counter. `zone`: time zone of the person.
    """

    to: str
    cause: Cause = Cause.OURS
    campus: str | None = None
    poster: UUID | None = None
    part: int = 0
    zone: str = "Asia/Shanghai"


def is_allowed_country(limits: BudgetLimits, to: str) -> bool:
    return "@" in to or not limits.countries or any(to.startswith(prefix) for prefix in limits.countries)


def choose_cause(purpose: str) -> Cause:
    """Return the cause of a message of this purpose to a signer on file."""
    if purpose == Purpose.CODE:
        return Cause.CODE
    return Cause.ANSWER if purpose in (Purpose.NEW_LINK, *ANSWERS) else Cause.OURS


def list_message_budgets(limits: BudgetLimits, now: datetime, message: CountedMessage) -> Iterator[Budget]:
    """Yield every budget that this message counts towards, in locking order.

    Codes for signers on file have no budget per campus: each person and each number already has a tight one, so a
    person who keeps opening links exhausts their own budget, never a shared one.
    """
    # Shared counters come first, to avoid deadlocks: a transaction that sends several messages locks the shared row
    # with its first message, and another transaction waits there before it has locked anything else.
    hour, day = _begin_periods(now)
    to, cause = message.to, message.cause
    per_prefix, per_number_hour, per_number_day = _choose_limits(limits, cause)
    if message.poster:
        yield Budget("poster", str(message.poster), day, day + timedelta(days=1), limits.per_poster_day)
    if message.campus and cause is Cause.OURS:
        yield _make_campus_budget(limits, day, message.campus, message.part)
    if "@" not in to:
        yield Budget(f"{cause}prefix", to[:-TAIL], hour, hour + timedelta(hours=1), per_prefix)
    if cause is not Cause.GUEST:  # a guest's codes are already limited per number: see CODES_PER
        yield Budget(f"{cause}number", to, hour, hour + timedelta(hours=1), per_number_hour, hashed=True)
        yield Budget(f"{cause}number-day", to, day, day + timedelta(days=1), per_number_day, hashed=True)


def _choose_limits(limits: BudgetLimits, cause: Cause) -> tuple[int, int, int]:
    """Return the limits per prefix and hour, per number and hour, per number and day."""
    if cause is Cause.OURS:
        return limits.per_prefix_hour, limits.per_number_hour, limits.per_number_day
    per_prefix = limits.guest_codes_per_prefix_hour if cause is Cause.GUEST else limits.codes_per_prefix_hour
    return per_prefix, limits.codes_per_number_hour, limits.codes_per_number_day


def list_certificate_budgets(limits: BudgetLimits, now: datetime, person: str) -> Iterator[Budget]:
    """Yield the budgets of a key or certificate that a signer shows. Authorities may charge for each certificate; one
    that is brought keeps the hub busy, and its authority is asked whether it was revoked."""
    hour, day = _begin_periods(now)
    yield Budget("certificate-hour", person, hour, hour + timedelta(hours=1), limits.certificates_per_person_hour)
    yield Budget("certificate-day", person, day, day + timedelta(days=1), limits.certificates_per_person_day)


def list_prepare_budgets(limits: BudgetLimits, now: datetime, task: UUID, kind: str) -> Iterator[Budget]:
    """Yield the budget of a file that is made for a signer: `prepared` for the signature, or `answered`; or of files
    that the signer sent and that were `unreadable`.

    A prepared file leases the document for three minutes. The budget stops a signer from blocking the document forever.
    A document with answers is stored until the contract is signed. An unreadable file may keep the reader busy for
    seconds.
    """
    hour, _ = _begin_periods(now)
    yield Budget(kind, str(task), hour, hour + timedelta(hours=1), limits.prepared_per_task_hour)


def _begin_periods(now: datetime) -> tuple[datetime, datetime]:
    """Return the beginning of the hour and of the day (UTC) that contain this moment."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour, hour.replace(hour=0)


def _make_campus_budget(limits: BudgetLimits, day: datetime, campus: str, part: int) -> Budget:
    end = day + timedelta(days=1)
    if limits.per_campus_day < STRIPED_FROM:
        return Budget("campus", campus, day, end, limits.per_campus_day)
    return Budget("campus", f"{campus}/{part % STRIPES}", day, end, limits.per_campus_day // STRIPES)
