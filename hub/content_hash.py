"""Compute the SHA-256 of a file once, although several steps in a row need it: storing the file, looking up its plan,
listing it in a manifest, appending the next revision."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Protocol, Self

# A shorter content is hashed faster than it is found here; a longer one is not kept in memory. Bytes.
MIN_KEPT, MAX_KEPT = 32 << 10, 1 << 20
# Bytes at the end of a PDF in which two files of one template differ: the trailer with its random /ID.
TELLING_BYTES = 256
# Files whose hash is known: two for each contract that a process works on at the same time.
MAX_FILES = 16


class Sha256State(Protocol):
    """A SHA-256 that has hashed a file, as `hashlib` returns it."""

    def copy(self) -> Self: ...
    def update(self, data: bytes | memoryview, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


_known: deque[tuple[bytes, Sha256State]] = deque(maxlen=MAX_FILES)


def hash_content(content: bytes) -> Sha256State:
    """Return SHA-256 after the last byte of the content, to be read or to be continued.

    It is remembered for the object itself, which nobody can change and which no other can replace while it is kept.
    """
    if type(content) is not bytes or not MIN_KEPT <= len(content) <= MAX_KEPT:
        return hashlib.sha256(content)
    for known, state in tuple(_known):  # a copy, because other threads add to it
        if known is content:
            return state.copy()
    state = hash_beginning(content, len(content))
    _known.append((content, state))
    return state.copy()


def hash_beginning(content: bytes, end: int) -> Sha256State:
    """Return SHA-256 after the first `end` bytes.

    It is continued from the longest known content with which they begin, as each revision of a PDF begins with the one
    before it. To compare bytes takes a tenth of the time to hash them.
    """
    hashed: Sha256State = hashlib.sha256()
    begins = 0
    for known, state in tuple(_known):
        length = len(known)
        # The last bytes first, because contracts of one template have long beginnings in common.
        telling = known[-TELLING_BYTES:]
        if begins < length <= end and content.endswith(telling, 0, length) and content.startswith(known):
            hashed, begins = state.copy(), length
    hashed.update(memoryview(content)[begins:end])
    return hashed
