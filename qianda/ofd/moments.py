"""Read times in the forms in which programs write them into OFD signatures."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

# A time without a zone is read as China's time, because all programs that omit the zone write the local time in China.
CHINA = timezone(timedelta(hours=8))
_SPELLING = re.compile(
    r"(\d{4})[-/]?(\d\d)[-/]?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?\s?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_SHORT_YEAR = re.compile(r"(\d\d)(\d{10}|\d{8})(Z|[+-]\d{4})", re.ASCII)
_CENTURY = 50  # years below it belong to this century (RFC 5280, 4.1.2.5.1)


def read_moment(text: str) -> datetime | None:
    """Return the time, with its zone; None if it is not a time.

    Accepted forms: 20260804020809Z, the same with milliseconds or without a zone, 2026-08-04 10:08:09,
    2026-08-04T10:08:09, and UTCTime (260804020809Z).
    """
    text = text.strip()
    if short := _SHORT_YEAR.fullmatch(text):
        text = ("20" if int(short[1]) < _CENTURY else "19") + text
    found = _SPELLING.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        day_begins = datetime(int(year), int(month), int(day), tzinfo=_zone(zone))
        moment = day_begins.replace(hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0))
        return moment.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6])).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(zone: str | None) -> timezone:
    if zone is None:
        return CHINA
    if zone == "Z":
        return UTC
    sign = -1 if zone[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:])))
