"""No blind signing: whatever differs from what was shown is refused, with the number of the check that noticed it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from qianda.checks import PreparedFile, RefusedToSign, check_prepared
from tests.client.prepared_parts import SHOWN, Prepared, new_certificate, prepared_over, signed_attributes

CERTIFICATE = new_certificate()
OTHER_CERTIFICATE = new_certificate()
GOOD = prepared_over(SHOWN, CERTIFICATE)


def check(case: Prepared, **changes: object) -> None:
    parts: dict[str, object] = {
        "shown": case.shown,
        "prepared": case.file,
        "byte_range": case.byte_range,
        "to_be_signed": case.to_be_signed,
        "own_certificate": case.certificate,
    }
    given: dict[str, Any] = parts | changes
    prepared = PreparedFile(given.pop("prepared"), given.pop("byte_range"), given.pop("to_be_signed"))
    check_prepared(given.pop("shown"), prepared, given.pop("own_certificate"), **given)


def number_of_refusal(case: Prepared, **changes: object) -> int:
    with pytest.raises(RefusedToSign) as refusal:
        check(case, **changes)
    return refusal.value.number


@pytest.mark.parametrize(
    "attributes", [{}, {"explicit_algorithm": True}, {"issuer_serial": CERTIFICATE}], ids=["plain", "sha256", "issuer"]
)
def test_an_honest_file_is_accepted(attributes: dict[str, Any]) -> None:
    check(prepared_over(SHOWN, CERTIFICATE, **attributes))


def test_another_file_than_the_shown_one_is_refused() -> None:
    assert number_of_refusal(prepared_over(SHOWN.replace(b"\x05", b"\x06"), CERTIFICATE), shown=SHOWN) == 1
    assert number_of_refusal(GOOD, shown=b"") == 1


def test_another_digest_is_refused() -> None:
    assert number_of_refusal(GOOD, to_be_signed=signed_attributes(bytes(32), CERTIFICATE)) == 2


def test_another_certificate_is_refused() -> None:
    assert number_of_refusal(prepared_over(SHOWN, OTHER_CERTIFICATE), own_certificate=CERTIFICATE) == 3
    assert number_of_refusal(prepared_over(SHOWN, CERTIFICATE, issuer_serial=OTHER_CERTIFICATE)) == 3


def test_other_attributes_are_refused() -> None:
    assert number_of_refusal(prepared_over(SHOWN, CERTIFICATE, extra=True)) == 4
    assert number_of_refusal(prepared_over(SHOWN, CERTIFICATE, content_type="signed_data")) == 4


def test_a_gap_that_holds_anything_is_refused() -> None:
    gap_at = GOOD.byte_range[1]
    filled = GOOD.file[: gap_at + 1] + b"a" + GOOD.file[gap_at + 2 :]
    assert number_of_refusal(GOOD, prepared=filled) == 2


@given(position=st.integers(0, len(GOOD.file) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_file_is_refused(position: int, bit: int) -> None:
    assert number_of_refusal(GOOD, prepared=flipped(GOOD.file, position, bit)) in (1, 2)


@given(position=st.integers(0, len(GOOD.to_be_signed) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_attributes_is_refused(position: int, bit: int) -> None:
    number_of_refusal(GOOD, to_be_signed=flipped(GOOD.to_be_signed, position, bit))


@given(position=st.integers(0, len(CERTIFICATE) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_certificate_is_refused(position: int, bit: int) -> None:
    assert number_of_refusal(GOOD, own_certificate=flipped(CERTIFICATE, position, bit)) == 3


@given(st.lists(st.one_of(st.integers(-2, len(GOOD.file) + 2), st.sampled_from(GOOD.byte_range)), max_size=6))
def test_any_other_range_is_refused(byte_range: list[int]) -> None:
    if tuple(byte_range) == GOOD.byte_range:
        check(GOOD, byte_range=byte_range)
    else:
        assert number_of_refusal(GOOD, byte_range=byte_range) == 2


def test_a_range_that_begins_later_or_ends_elsewhere_is_refused() -> None:
    """The hashed bytes would be the same: only the numbers are wrong."""
    start, gap_at, resume_at, tail = GOOD.byte_range
    for wrong in ((start + 1, gap_at, resume_at, tail), (start, gap_at, resume_at, tail - 1)):
        assert number_of_refusal(GOOD, byte_range=wrong) == 2


@given(st.binary(max_size=300))
def test_garbage_for_attributes_is_refused(garbage: bytes) -> None:
    assert number_of_refusal(GOOD, to_be_signed=garbage) == 4


def test_cut_or_prolonged_attributes_are_refused() -> None:
    for length in range(len(GOOD.to_be_signed)):
        assert number_of_refusal(GOOD, to_be_signed=GOOD.to_be_signed[:length]) == 4
    assert number_of_refusal(GOOD, to_be_signed=GOOD.to_be_signed + b"\0") == 4


def test_a_length_in_a_longer_form_is_refused() -> None:
    inner = GOOD.to_be_signed[2:] if GOOD.to_be_signed[1] < 0x80 else GOOD.to_be_signed[3:]
    prolonged = b"\x31\x82" + len(inner).to_bytes(2, "big") + inner
    assert number_of_refusal(GOOD, to_be_signed=prolonged) == 4


def flipped(data: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)
