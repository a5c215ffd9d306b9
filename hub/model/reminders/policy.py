"""ReminderPolicy: the reminder settings of headquarters, a campus or a course, and the bounds of these settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, time, timedelta
from itertools import pairwise
from typing import Any

from hub.model.reminders.calendar import is_known_country

# Bounds of the daily window in every policy.
EARLIEST = time(6)
LATEST = time(23)
# Maximum time from the invitation to the first reminder. Contracts usually run for 30 days, so a later start leaves
# hardly any reminders.
LATEST_FIRST_REMINDER = timedelta(days=7)
# Maximum time between two reminders.
MAX_GAP = timedelta(days=30)
# Maximum time from the last call to the deadline. Nothing follows the last call, so an early one means a long silence.
EARLIEST_LAST_CALL = timedelta(days=14)
# Maximum time for finishing or taking a staff task. With more, the deadline of the contract would pass first.
MAX_STAFF_TIME = timedelta(days=30)
# Maximum number of unanswered reminders before staff get a task. Few contracts run long enough for more.
MAX_UNANSWERED = 10
# Upper bound of the limits on daily messages to one person. A higher limit would have no effect.
MAX_DAILY_LIMIT = 10
# The longest pause that can be set before a manual reminder. Older messages are not read
# (`lifecycle.reminders.remind_by_hand`).
MAX_MANUAL_WAIT = timedelta(days=1)
# The channels that a policy may name.
CHANNELS = ("sms", "voice", "email")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_TOO_RARE = f"has to leave at most {MAX_GAP.days} days between two reminders"
_TOO_LATE = f"the first has to come within {LATEST_FIRST_REMINDER.days} days of the invitation"
_STAFF_TOO_LATE = f"has to be at most {MAX_STAFF_TIME.days} days, or staff would hear too late"
_NO_LIMIT = f"has to be at most {MAX_DAILY_LIMIT}, or it would be no limit"
# The upper bound of each single-valued key, and the error. `reminders_after` is checked separately.
_UPPER_BOUNDS: Mapping[str, tuple[Any, str]] = {
    "repeat_every": (MAX_GAP, _TOO_RARE),
    "last_call_before": (
        EARLIEST_LAST_CALL,
        f"has to be at most {EARLIEST_LAST_CALL.days} days: no reminder comes after the last one",
    ),
    "manual_after_message": (MAX_MANUAL_WAIT, "has to be at most a day"),
    "manual_apart": (MAX_MANUAL_WAIT, "has to be at most a day"),
    "escalate_within": (MAX_STAFF_TIME, _STAFF_TOO_LATE),
    "climbs_after": (MAX_STAFF_TIME, _STAFF_TOO_LATE),
    "escalate_after": (MAX_UNANSWERED, f"has to be at most {MAX_UNANSWERED}, or staff would hear too late"),
    "messages_per_day": (MAX_DAILY_LIMIT, _NO_LIMIT),
    "manual_per_day": (MAX_DAILY_LIMIT, _NO_LIMIT),
}
# The keys that name channels, the first to try first.
THROUGH = ("invitation_through", "reminders_through", "last_call_through")


@dataclass(frozen=True)
class ReminderPolicy:
    """When and how signers are reminded. The field names are the configuration keys.

    `reminders_after`: times from the invitation; after the last of them a reminder follows `repeat_every`.
    `last_call_before`: time before the deadline.
    `window_opens` (inclusive), `window_closes` (exclusive): daily window for messages, in the signer's time zone.
    `messages_per_day`: maximum for one person over all contracts.
    `bundle`: contracts of one person that are due on the same day share one message.
    `manual_…`: limits on reminders that staff send by hand.
    `…_through`: the channels to try first for a step, before the signer's own channels.
    `skip_holidays`: planned messages wait for an open day, which is neither a public holiday of the country
    `holidays_of` (ISO 3166-1, two letters) nor closed in the campus's own calendar.
    `escalate_after`: staff get a task each time this many reminders were unanswered, and at the last call.
    `escalate_to`: login of the task's owner; empty for the issuer of the contract, else the campus manager.
    `escalate_within`: time to finish the task. `climbs_after`: time to take it before it passes to the manager.
    `digest_at`: when staff get the daily list of their tasks, in the time zone of their campus.
    `closed_days`: not a configuration key; set from the calendar with `with_closed_days`.

    Raises ValueError (`key: reason`) for a policy that would never end, send at night, send nothing, or leave long
    silences. Each duration and number has an upper bound for this.
    """

    reminders_after: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
    repeat_every: timedelta = timedelta(days=7)
    last_call_before: timedelta = timedelta(days=2)
    window_opens: time = time(9)
    window_closes: time = time(21)
    messages_per_day: int = 2
    bundle: bool = True
    manual_after_message: timedelta = timedelta(minutes=30)
    manual_apart: timedelta = timedelta(minutes=10)
    manual_per_day: int = 3
    invitation_through: tuple[str, ...] = ()
    reminders_through: tuple[str, ...] = ()
    last_call_through: tuple[str, ...] = ()
    skip_holidays: bool = False
    holidays_of: str = "CN"
    escalate_after: int = 3
    escalate_to: str = ""
    escalate_within: timedelta = timedelta(days=2)
    climbs_after: timedelta = timedelta(days=1)
    digest_at: time = time(8, 30)
    closed_days: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        self._check_intervals()
        self._check_window()
        for key in ("messages_per_day", "manual_per_day", "escalate_after"):
            _demand(getattr(self, key) >= 1, key, "has to be at least 1")
        for key, (most, reason) in _UPPER_BOUNDS.items():
            _demand(getattr(self, key) <= most, key, reason)
        for key in THROUGH:
            _check_channels(key, getattr(self, key))
        country = self.holidays_of
        _demand(len(country) == 2 and country.isascii() and country.isupper(), "holidays_of", "has to be like CN")
        if self.skip_holidays:
            _demand(is_known_country(country), "holidays_of", f"the public holidays of {country} are not known")

    def _check_intervals(self) -> None:
        day = timedelta(days=1)
        _demand(bool(self.reminders_after), "reminders_after", "has to name at least one reminder")
        gaps = [later - earlier for earlier, later in pairwise((timedelta(0), *self.reminders_after))]
        _demand(min(gaps) >= day, "reminders_after", "has to rise by a day or more each time, from the invitation on")
        _demand(gaps[0] <= LATEST_FIRST_REMINDER, "reminders_after", _TOO_LATE)
        _demand(max(gaps) <= MAX_GAP, "reminders_after", _TOO_RARE)
        _demand(self.repeat_every >= day, "repeat_every", "has to be at least a day, or the reminders would never end")
        for key in ("last_call_before", "manual_after_message", "manual_apart", "escalate_within", "climbs_after"):
            _demand(getattr(self, key) > timedelta(0), key, "has to be longer than zero")

    def _check_window(self) -> None:
        opens, closes = self.window_opens, self.window_closes
        for key in ("window_opens", "window_closes", "digest_at"):
            _demand(getattr(self, key).tzinfo is None, key, "has to be a local time, without a time zone")
        _demand(opens >= EARLIEST, "window_opens", f"would wake people: not before {EARLIEST:%H:%M}")
        _demand(closes <= LATEST, "window_closes", f"would wake people: not after {LATEST:%H:%M}")
        # The window lasts at least an hour, because messages deferred overnight are spread over it, and never crosses
        # midnight.
        length = timedelta(hours=closes.hour - opens.hour, minutes=closes.minute - opens.minute)
        reason = "has to be an hour or more after window_opens, on the same day"
        _demand(length >= timedelta(hours=1), "window_closes", reason)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], base: ReminderPolicy | None = None) -> ReminderPolicy:
        """Return `base` (default: the default policy) with the keys in `data` changed.

        Policies cascade in this way from headquarters down. Durations are written "7d", "12h" or "30m", times of day
        "09:00". Raises ValueError (`key: reason`), also for unknown keys and unreadable values.
        """
        base = base or cls()
        return replace(base, **cls._changes(data, base))

    @classmethod
    def _changes(cls, data: Mapping[str, Any], base: ReminderPolicy) -> dict[str, Any]:
        """Parse the values of `data`, without checking them against each other."""
        known = {field.name for field in fields(cls)} - {"closed_days"}
        changes: dict[str, Any] = {}
        for key, value in data.items():
            _demand(key in known, key, "is not part of a reminder policy")
            changes[key] = _read_channels(key, value) if key in THROUGH else _read(key, value, getattr(base, key))
        return changes

    def to_dict(self) -> dict[str, Any]:
        """Return every key in the form that `from_dict` reads."""
        keys = [field.name for field in fields(self) if field.name != "closed_days"]
        return {key: _written(getattr(self, key)) for key in keys}

    def with_closed_days(self, days: Iterable[date]) -> ReminderPolicy:
        return replace(self, closed_days=frozenset(days))

    def through(self, purpose: str) -> tuple[str, ...]:
        """Return the channels to try first for a message of this purpose."""
        return {
            "invitation": self.invitation_through,
            "your-turn": self.invitation_through,
            "reminder": self.reminders_through,
            "last-call": self.last_call_through,
        }.get(purpose, ())


def _demand(holds: bool, key: str, reason: str) -> None:
    if not holds:
        raise ValueError(f"{key}: {reason}")


def _read(key: str, value: Any, like: Any) -> Any:
    """Parse a configuration value to the type of `like`."""
    if isinstance(like, tuple):
        _demand(isinstance(value, Sequence) and not isinstance(value, str), key, 'has to be a list like ["1d", "3d"]')
        return tuple(_read(key, item, timedelta()) for item in value)
    if isinstance(like, timedelta):
        _demand(isinstance(value, str) and value[-1:] in _UNITS, key, f"has to be like 7d, 12h or 30m, not {value!r}")
        _demand(value[:-1].isascii() and value[:-1].isdigit() and len(value) <= 6, key, f"invalid duration {value!r}")
        return int(value[:-1]) * _UNITS[value[-1]]
    if isinstance(like, time):
        try:
            return value if isinstance(value, time) else time.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValueError(f"{key}: has to be a time like 09:00, not {value!r}") from None
    if isinstance(like, bool):
        _demand(isinstance(value, bool), key, f"has to be true or false, not {value!r}")
        return value
    if isinstance(like, str):
        _demand(isinstance(value, str), key, f"has to be a word, not {value!r}")
        return value
    _demand(type(value) is int, key, f"has to be a whole number, not {value!r}")
    return value


def _read_channels(key: str, value: Any) -> tuple[str, ...]:
    _demand(isinstance(value, Sequence) and not isinstance(value, str), key, 'has to be a list like ["voice", "sms"]')
    return tuple(value)


def _check_channels(key: str, channels: tuple[str, ...]) -> None:
    for channel in channels:
        _demand(channel in CHANNELS, key, f"there is no channel {channel!r}; there are {', '.join(CHANNELS)}")
    _demand(len(set(channels)) == len(channels), key, "names a channel twice")


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    if isinstance(value, timedelta):
        unit = next(name for name, length in _UNITS.items() if value % length == timedelta(0))
        return f"{value // _UNITS[unit]}{unit}"
    return f"{value:%H:%M}" if isinstance(value, time) else value
