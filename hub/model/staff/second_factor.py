"""The second factor of an account: codes of an authenticator app (TOTP, RFC 6238), and recovery codes on paper."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from hmac import compare_digest

import pyotp

# Seconds of a time step, and how many before and after the present one count as well: clocks of phones differ.
STEP_SECONDS, STEPS_APART = 30, 1
CODE_DIGITS = 6
RECOVERY_CODES = 10
# Of each: 12 characters of 30, so 58 bits. They may be tried as rarely as passwords.
RECOVERY_GROUPS, RECOVERY_GROUP_LENGTH = 3, 4
RECOVERY_CHARACTERS = "abcdefghjkmnpqrstvwxyz23456789"
# What people type besides: spaces and dashes.
_BETWEEN = re.compile(r"[\s-]")


def new_secret() -> str:
    """Return a secret of 160 bits (base 32), as authenticator apps take it."""
    return pyotp.random_base32()


def app_address(secret: str, login: str, school: str) -> str:
    """Return the address (`otpauth://…`) that an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=school)


def find_step(secret: str, code: str, now: datetime, last: int | None) -> int | None:
    """Return the time step whose code this is; None if there is none, or it is not after `last`, which was used."""
    typed = _BETWEEN.sub("", code)
    if not (typed.isascii() and typed.isdigit() and len(typed) == CODE_DIGITS):
        return None
    present, totp = int(now.timestamp()) // STEP_SECONDS, pyotp.TOTP(secret)
    steps = range(present - STEPS_APART, present + STEPS_APART + 1)
    fitting = [step for step in steps if compare_digest(totp.generate_otp(step), typed)]
    return next((step for step in fitting if last is None or step > last), None)


def new_recovery_codes() -> tuple[str, ...]:
    """Return one-time codes like `k7md-2v9q-x4tp`, for whoever has lost the phone."""
    return tuple(
        "-".join(
            "".join(secrets.choice(RECOVERY_CHARACTERS) for _ in range(RECOVERY_GROUP_LENGTH))
            for _ in range(RECOVERY_GROUPS)
        )
        for _ in range(RECOVERY_CODES)
    )


def recovery_hash(code: str) -> bytes:
    """Return the hash by which a recovery code is stored. It is random, so an unkeyed hash is enough."""
    typed = _BETWEEN.sub("", code).casefold()
    return hashlib.sha256(b"recovery:" + typed.encode()).digest()
