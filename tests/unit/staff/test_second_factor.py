"""Codes of an authenticator app: those of RFC 6238, each once, and not those of another time."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from hub.model.staff.second_factor import (
    RECOVERY_CODES,
    app_address,
    find_step,
    new_recovery_codes,
    new_secret,
    recovery_hash,
)

# RFC 6238, appendix B: the secret, and codes of SHA-1, of which apps show the last six digits.
SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert find_step(SECRET, code[-6:], at(seconds), None) == seconds // 30
    assert find_step(SECRET, f"{code[-6:-3]} {code[-3:]}", at(seconds), None) == seconds // 30
    assert find_step(SECRET, code[-6:], at(seconds + 90), None) is None
    assert find_step(SECRET, code[-6:], at(seconds + 30 * 365 * 86400), None) is None


def test_a_step_counts_once_and_no_earlier_one_after_it() -> None:
    now = at(1111111111)
    step = find_step(SECRET, "050471", now, None)
    assert step is not None
    assert find_step(SECRET, "050471", now, step) is None
    assert find_step(SECRET, "050471", now, step + 1) is None
    assert find_step(SECRET, "050471", now + timedelta(seconds=30), step - 1) == step


@pytest.mark.parametrize("code", ["", "05047", "0504711", "０５０４７１", "05047x", "x" * 5000])
def test_what_is_no_code_is_none(code: str) -> None:
    assert find_step(SECRET, code, at(1111111111), None) is None


def test_recovery_codes_are_found_however_they_are_typed() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODES and len({recovery_hash(each) for each in codes}) == RECOVERY_CODES
    assert recovery_hash(codes[0].upper().replace("-", " ")) == recovery_hash(codes[0])


def test_an_app_reads_school_and_login() -> None:
    secret = new_secret()
    address = app_address(secret, "wang", "新航线教育")
    assert address.startswith("otpauth://totp/") and f"secret={secret}" in address and "wang" in address
