"""The second factor of an account: codes of an authenticator app (TOTP, RFC 6238), and recovery codes on paper."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from hmac import compare_digest

import pyotp

# Seconds of a time step, and how many steps before and after the current one are accepted, since clocks differ.
STEP_SECONDS, STEPS_APART = 30, 1
CODE_DIGITS = 6
RECOVERY_CODES = 10
# A code has 12 characters out of 30, that is 58 bits. Tries are limited as for passwords.
RECOVERY_GROUPS, RECOVERY_GROUP_LENGTH = 3, 4
RECOVERY_CHARACTERS = "abcdefghjkmnpqrstvwxyz23456789"
# Spaces and dashes, which people type between groups.
_BETWEEN = re.compile(r"[\s-]")


def new_secret() -> str:
    """Return a secret of 160 bits (base 32), as authenticator apps expect it."""
    return pyotp.random_base32()


def app_address(secret: str, login: str, school: str) -> str:
    """Return the address (`otpauth://…`) that an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=school)


def find_step(secret: str, code: str, now: datetime, last: int | None) -> int | None:
    """Return the time step to which this code belongs. None if there is none, or if it is not later than `last`, the
    step of the code that was used last."""
    typed = _BETWEEN.sub("", code)
    if not (typed.isascii() and typed.isdigit() and len(typed) == CODE_DIGITS):
        return None
    present, totp = int(now.timestamp()) // STEP_SECONDS, pyotp.TOTP(secret)
    steps = range(present - STEPS_APART, present + STEPS_APART + 1)
    fitting = [step for step in steps if compare_digest(totp.generate_otp(step), typed)]
    return next((step for step in fitting if last is None or step > last), None)


def new_recovery_codes() -> tuple[str, ...]:
    """Return one-time codes like `k7md-2v9q-x4tp`, in case the phone is lost."""
    return tuple(
        "-".join(
            "".join(secrets.choice(RECOVERY_CHARACTERS) for _ in range(RECOVERY_GROUP_LENGTH))
            for _ in range(RECOVERY_GROUPS)
        )
        for _ in range(RECOVERY_CODES)
    )


def recovery_hash(code: str) -> bytes:
    """Return the hash that is stored for a recovery code. The code is random, so an unkeyed hash is enough."""
    typed = _BETWEEN.sub("", code).casefold()
    return hashlib.sha256(b"recovery:" + typed.encode()).digest()
