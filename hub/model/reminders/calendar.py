"""Closed days: public holidays, corrected by the school's own calendar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache


@dataclass(frozen=True)
class SchoolDay:
    """A day on which a campus is open despite a public holiday, or closed without one."""

    day: date
    open: bool
    name: str


@cache
def is_known_country(country: str) -> bool:
    """Return whether the public holidays of this country (ISO 3166-1, two letters) are known."""
    import holidays  # slow to load, and few hubs need it

    return country in holidays.list_supported_countries()


@cache
def list_public_holidays(country: str, year: int) -> Mapping[date, str]:
    """Return the public holidays of a year with their names, including substitute days off.

    Where the government has not announced the year yet, these are the dates given by law and by the lunar calendar.
    Raises ValueError for an unknown country.
    """
    if not is_known_country(country):
        raise ValueError(f"the public holidays of {country} are not known")
    import holidays

    return dict(holidays.country_holidays(country, years=[year]))


def compute_closed_days(country: str, own: Iterable[SchoolDay], years: Iterable[int]) -> frozenset[date]:
    """Return the days of these years without reminders. The school's `own` calendar overrides public holidays."""
    closed = {day for year in years for day in list_public_holidays(country, year)}
    for school_day in own:
        (closed.discard if school_day.open else closed.add)(school_day.day)
    return frozenset(closed)
