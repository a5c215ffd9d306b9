"""The passwords that an account may have: long, not leaked, and not among those that guessing programs try first."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from hub.errors import BadInput
from hub.model.staff.common_words import COMMON_WORDS, KEY_ROWS
from hub.model.staff.leaked_passwords import is_leaked

# Length in characters. A shorter password can be guessed, and nobody types a longer one.
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 12, 200
# Number of characters that must be left after words, rows of keys, years and repetitions are removed.
MIN_SURPRISING = 6
# Shorter pieces of a name or login are ignored, because they occur in any text.
MIN_PERSONAL_LENGTH = 3
# This many neighbouring keys are not a coincidence.
MIN_ROW_LENGTH = 3
# Without letters and digits that look alike.
PASSWORD_CHARACTERS = "abcdefghjkmnpqrstvwxyz23456789"
PASSWORD_GROUPS, PASSWORD_GROUP_LENGTH = 4, 4

_DISGUISES = str.maketrans("01345789@$!|", "oleastbgasil")
_YEAR = re.compile(r"(19|20)\d\d")
_REPEATED = re.compile(r"(.{1,8}?)\1+")
_TOO_COMMON = "This password is easy to guess. Choose one without names, common words and rows of keys."

_LEAKED = "This password has been leaked and is in lists that attackers try. Choose another one, used nowhere else."


def new_password() -> str:
    """Return a random password of 78 bits that can be read out, like `k7md-2v9q-x4tp-8wzc`."""
    groups = (
        "".join(secrets.choice(PASSWORD_CHARACTERS) for _ in range(PASSWORD_GROUP_LENGTH))
        for _ in range(PASSWORD_GROUPS)
    )
    return "-".join(groups)


def check_password(password: str, personal: Iterable[str] = ()) -> None:
    """Raise BadInput for a password that the account may not have. `personal`: login, names of person and school."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise BadInput(f"a password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters", field="password")
    if count_surprising(password, personal) < MIN_SURPRISING:
        raise BadInput(_TOO_COMMON, field="password")
    if is_leaked(password):
        raise BadInput(_LEAKED, field="password")


def count_surprising(password: str, personal: Iterable[str] = ()) -> int:
    """Return how many characters of a password are left without the parts that guessing programs try first.

    This is done for the text as it is and with the usual disguises (`p4ssw0rd`) undone. Return the smaller number.
    """
    plain = password.casefold()
    words = [*_pieces(personal), *COMMON_WORDS]
    return min(_count_left(text, words) for text in {plain, plain.translate(_DISGUISES)})


def _pieces(personal: Iterable[str]) -> list[str]:
    """Return the names and their parts, longest first."""
    found = {piece for each in personal for piece in (each.casefold(), *re.split(r"[\W_]+", each.casefold()))}
    # Many Chinese names have only two characters, so two are enough in them.
    long = {each for each in found if len(each) >= MIN_PERSONAL_LENGTH or (len(each) == 2 and not each.isascii())}
    return sorted(long, key=len, reverse=True)


def _count_left(text: str, words: Iterable[str]) -> int:
    for word in words:
        text = text.replace(word, " ")
    text = _YEAR.sub(" ", _without_rows(text))
    return len(re.sub(r"\s", "", _REPEATED.sub(r"\1", text)))


def _without_rows(text: str) -> str:
    """Return the text without runs of at least MIN_ROW_LENGTH keys in a row, in either direction."""
    left, start = [], 0
    while start < len(text):
        end = start + MIN_ROW_LENGTH
        while end <= len(text) and _is_in_a_row(text[start:end]):
            end += 1
        if end > start + MIN_ROW_LENGTH:
            left.append(" ")
            start = end - 1
        else:
            left.append(text[start])
            start += 1
    return "".join(left)


def _is_in_a_row(keys: str) -> bool:
    return any(keys in row or keys[::-1] in row for row in KEY_ROWS)
