"""Leaked passwords that are long enough for an account, stored as the first bytes of their hashes.

`tests/seeds/make_leaked_passwords.py` makes the file and names its sources. About one in 94,000 other passwords is
mistaken for a leaked one.
"""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_left
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".bin")
HASH_BYTES = 4


class LeakedHashes:
    """Sorted hashes, stored one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content) // HASH_BYTES

    def __getitem__(self, place: int) -> bytes:
        return self._content[place * HASH_BYTES : (place + 1) * HASH_BYTES]

    def __contains__(self, wanted: bytes) -> bool:
        place = bisect_left(self, wanted)
        return place < len(self) and self[place] == wanted


def is_leaked(password: str) -> bool:
    """Return whether a password is among the leaked ones, ignoring case and character width."""
    return hash_of(password) in _known()


def hash_of(password: str) -> bytes:
    plain = unicodedata.normalize("NFKC", password).casefold()
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()[:HASH_BYTES]


@cache  # 190 KB, read once in a process
def _known() -> LeakedHashes:
    return LeakedHashes(FILE.read_bytes())
