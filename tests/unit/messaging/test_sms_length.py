"""How many segments an SMS takes, and texts that are shortened to fit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from hub.model.messaging.sms_length import (
    GSM7,
    UCS2,
    choose_encoding,
    measure_text,
    shorten_text,
    split_segments,
    utf16_units,
)

EXTENSION = "\f^{}\\[~]|€"
GSM7_TEXTS = st.text(alphabet="abcXYZ 0123456789@£é" + EXTENSION, max_size=700)
ANY_TEXTS = st.text(alphabet=st.sampled_from("a中文é𠮷😀…{€"), max_size=400)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", GSM7, 0, 1),
        ("a" * 160, GSM7, 160, 1),
        ("a" * 161, GSM7, 161, 2),
        ("a" * 306, GSM7, 306, 2),
        ("€" * 80, GSM7, 160, 1),
        ("中" * 70, UCS2, 70, 1),
        ("中" * 71, UCS2, 71, 2),
        ("中" * 135, UCS2, 135, 3),
        ("a" * 71 + "ê", UCS2, 72, 2),
        ("𠮷" * 35, UCS2, 70, 1),
        # 306 and 134 units, but the character in the middle does not fit into the rest of the first segment
        ("a" * 152 + "€" + "a" * 152, GSM7, 306, 3),
        ("中" * 66 + "𠮷" + "中" * 66, UCS2, 134, 3),
    ],
)
def test_a_text_is_measured_as_providers_count_it(text: str, encoding: str, units: int, segments: int) -> None:
    measured = measure_text(text)
    assert (measured.encoding, measured.units, measured.segments) == (encoding, units, segments)


def _units(text: str, encoding: str) -> int:
    """Return the number of code units, counted in another way than the product does."""
    if encoding == UCS2:
        return len(text.encode("utf-16-le")) // 2
    return len(text) + sum(text.count(each) for each in EXTENSION)


@given(st.one_of(GSM7_TEXTS, ANY_TEXTS))
def test_segments_hold_the_text_whole_and_divide_no_character(text: str) -> None:
    pieces, encoding = split_segments(text), choose_encoding(text)
    assert "".join(pieces) == text
    assert measure_text(text).segments == len(pieces)
    alone, each = (160, 153) if encoding == GSM7 else (70, 67)
    if _units(text, encoding) <= alone:
        assert len(pieces) == 1
    else:
        assert all(_units(piece, encoding) <= each for piece in pieces)
        # Every segment is as full as it can be: the next character does not fit.
        assert all(_units(piece + after[0], encoding) > each for piece, after in pairwise(pieces))
        assert len(pieces) >= -(-_units(text, encoding) // each)


@given(st.text(max_size=60), st.integers(min_value=1, max_value=30))
def test_a_shortened_text_fits_and_is_no_dearer(text: str, longest: int) -> None:
    short = shorten_text(text, longest)
    assert utf16_units(short) <= longest
    assert choose_encoding(text) == UCS2 or choose_encoding(short) == GSM7
    if utf16_units(text) <= longest:
        assert short == text
    else:
        assert short.endswith("…") or set(short[-3:]) == {"."}


@pytest.mark.parametrize(
    ("text", "longest", "short"),
    [
        ("广州天河中央商务区旗舰校区", 12, "广州天河中央商务区旗舰…"),
        ("Guangzhou Tianhe flagship", 20, "Guangzhou Tianhe..."),
        ("𠮷𠮷𠮷𠮷", 6, "𠮷𠮷…"),
        ("合肥校区", 4, "合肥校区"),
    ],
)
def test_dots_are_visible_and_fit_the_alphabet(text: str, longest: int, short: str) -> None:
    assert shorten_text(text, longest) == short
