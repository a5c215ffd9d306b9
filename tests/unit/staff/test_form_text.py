"""What people type into a form, before it is stored or shown."""

from __future__ import annotations

from hub.web.staff.forms import printable, without_unprintable


def test_only_what_can_be_stored_and_shown_is_left() -> None:
    assert without_unprintable("陈\x00小\u202e满\ud800 \n") == "陈小满 "
    assert without_unprintable("陈小满 ") == "陈小满 "


def test_a_value_of_one_line_is_trimmed_and_short() -> None:
    assert printable("\t a\x7fb ") == "ab"
    assert printable(" " + "x" * 300) == "x" * 200
