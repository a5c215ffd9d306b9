"""Days as people enter them, and the moments at which they begin and end on the clock of a place. Pure.

"Until 3 May" includes 3 May, for every kind of end: a deadline, a key, a grant, a hold.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import overload
from zoneinfo import ZoneInfo

from hub.errors import BadInput

# Years that can be entered. Near the ends of the calendar, time zones cannot be computed.
FIRST_YEAR, LAST_YEAR = 1900, 2999
# A deadline is shown to the minute, so this is the last minute of the day. If the clocks are put back at midnight, it
# comes twice, and the second one counts.
_LAST_MINUTE = time(23, 59, fold=1)
# Time for signing a contract for which nobody entered a deadline.
_DEFAULT_LIFE = timedelta(days=30)


def read_day(text: str, field: str) -> date | None:
    """Return an entered day; None if nothing was entered. Raises BadInput."""
    return require_day(text, field) if text else None


def require_day(text: str, field: str) -> date:
    """Return an entered day. Raises BadInput, also if nothing was entered."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadInput("a date like 2026-12-31", field=field) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadInput("a date like 2026-12-31", field=field)
    return day


def start_of_day(day: date, zone: str) -> datetime:
    """Return the first moment of a day in this time zone."""
    return datetime.combine(day, time(), ZoneInfo(zone))


@overload
def end_of_day(day: date, zone: str) -> datetime: ...


@overload
def end_of_day(day: None, zone: str) -> None: ...


@overload
def end_of_day(day: date | None, zone: str) -> datetime | None: ...


def end_of_day(day: date | None, zone: str) -> datetime | None:
    """Return the last minute of a day in this time zone; None, for no end, if there is no day."""
    return datetime.combine(day, _LAST_MINUTE, ZoneInfo(zone)) if day else None


def default_deadline(issued_on: date, zone: str) -> datetime:
    """Return the deadline of a contract for which none was entered: the end of the 30th day after the day of issue."""
    return end_of_day(issued_on + _DEFAULT_LIFE, zone)
