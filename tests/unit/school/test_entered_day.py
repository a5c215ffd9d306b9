"""What "until 3 May" means, and which days can be entered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from hub.errors import BadInput
from hub.model.evidence.legal_hold import LegalHold
from hub.model.school.entered_day import default_deadline, end_of_day, read_day, require_day, start_of_day

MAY = date(2027, 5, 3)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Los_Angeles", "Pacific/Kiritimati", "UTC"])
def test_until_a_day_includes_it_in_the_zone_of_the_place(zone: str) -> None:
    start, end = start_of_day(MAY, zone), end_of_day(MAY, zone)
    assert (start.isoformat()[:19], end.isoformat()[:19]) == ("2027-05-03T00:00:00", "2027-05-03T23:59:00")
    hold = LegalHold(uuid4(), uuid4(), "hq", "case 7", "command-line", datetime(2026, 1, 1, tzinfo=UTC), end)
    assert hold.is_active(start) and hold.is_active(datetime(2027, 5, 3, 23, 58, tzinfo=start.tzinfo))
    assert not hold.is_active(start_of_day(date(2027, 5, 4), zone))
    assert hold.describe(zone).startswith("it is held until 2027-05-03, by ")


def test_a_day_whose_last_hour_comes_twice_ends_after_the_second_one() -> None:
    """In Beirut, clocks are put back from midnight to 23:00."""
    end = end_of_day(date(2027, 10, 30), "Asia/Beirut")
    assert start_of_day(date(2027, 10, 31), "Asia/Beirut").astimezone(UTC) - end.astimezone(UTC) == timedelta(minutes=1)


def test_a_day_that_is_not_entered_is_no_end() -> None:
    assert read_day("", "until") is None and end_of_day(None, "UTC") is None
    with pytest.raises(BadInput) as caught:
        require_day("", "until")
    assert caught.value.field == "until"


@pytest.mark.parametrize("typed", ["3 May", "2027-02-30", "0001-01-01", "9999-12-31", "1899-12-31", "3000-01-01"])
def test_what_is_no_day_is_refused_before_any_zone_is_reckoned_with(typed: str) -> None:
    with pytest.raises(BadInput):
        read_day(typed, "until")
    assert read_day("1900-01-01", "until") == date(1900, 1, 1) and read_day("2999-12-31", "until") == date(2999, 12, 31)


@pytest.mark.parametrize(
    ("issued", "zone", "until"),
    [
        ("2026-11-30T15:59:59Z", "Asia/Shanghai", "2026-12-30T23:59:00+08:00"),  # the last second of 30 November there
        ("2026-11-30T16:00:00Z", "Asia/Shanghai", "2026-12-31T23:59:00+08:00"),  # the first of 1 December
        ("2026-10-10T10:00:00Z", "Europe/Berlin", "2026-11-09T23:59:00+01:00"),  # the clocks change meanwhile
        ("2026-11-30T10:00:00Z", "Pacific/Kiritimati", "2026-12-31T23:59:00+14:00"),
    ],
)
def test_without_an_entered_day_the_thirtieth_counts_whole_where_the_campus_is(
    issued: str, zone: str, until: str
) -> None:
    on = datetime.fromisoformat(issued).astimezone(ZoneInfo(zone)).date()
    assert default_deadline(on, zone).isoformat() == until
