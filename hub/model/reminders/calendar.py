"""Closed days: public holidays, and what the school's own calendar says beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache


@dataclass(frozen=True)
class SchoolDay:
    """A day on which a campus is open although it is a public holiday, or closed although it is none."""

    day: date
    open: bool
    name: str


@cache
def known_country(country: str) -> bool:
    """Whether the public holidays of this country (ISO 3166-1, two letters) are known."""
    import holidays  # slow to load, and few hubs need it

    return country in holidays.list_supported_countries()


@cache
def public_holidays(country: str, year: int) -> Mapping[date, str]:
    """The days with their names, substituted days off among them. Raises ValueError for an unknown country.

    A year whose holidays its government has not announced yet has those that follow from law and moon.
    """
    if not known_country(country):
        raise ValueError(f"the public holidays of {country} are not known")
    import holidays

    return dict(holidays.country_holidays(country, years=[year]))


def closed_days(country: str, own: Iterable[SchoolDay], years: Iterable[int]) -> frozenset[date]:
    """The days of these years on which nobody is reminded: the school's own calendar has the last word."""
    closed = {day for year in years for day in public_holidays(country, year)}
    for each in own:
        (closed.discard if each.open else closed.add)(each.day)
    return frozenset(closed)
