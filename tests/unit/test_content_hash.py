"""A file is hashed once: for all who hold the same bytes object, and for a file that continues it."""

from __future__ import annotations

import hashlib
from collections import deque

import pytest

from hub import content_hash
from hub.content_hash import MAX_FILES, MAX_KEPT, MIN_KEPT, TELLING_BYTES, hash_beginning, hash_content


@pytest.mark.parametrize("size", [0, MIN_KEPT - 1, MIN_KEPT, MAX_KEPT, MAX_KEPT + 1])
def test_it_is_the_sha256_of_the_content(size: int) -> None:
    content = b"a" * size
    for _ in range(2):
        assert hash_content(content).hexdigest() == hashlib.sha256(content).hexdigest()


def test_whoever_continues_the_hash_changes_that_of_nobody_else() -> None:
    content = b"b" * MIN_KEPT
    for _ in range(3):
        hash_content(content).update(b"more")
    assert hash_content(content).digest() == hashlib.sha256(content).digest()


def test_what_can_change_is_hashed_each_time() -> None:
    content = bytearray(MIN_KEPT)
    before = hash_content(content).digest()  # type: ignore[arg-type]
    content[0] = 1
    assert hash_content(content).digest() == hashlib.sha256(content).digest() != before  # type: ignore[arg-type]


def test_a_place_in_memory_that_is_used_again_is_no_known_file() -> None:
    for number in range(4 * MAX_FILES):
        content = number.to_bytes(2) * MIN_KEPT
        assert hash_content(content).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize("end", [0, 1, MIN_KEPT - 1, MIN_KEPT, MIN_KEPT + 1, 2 * MIN_KEPT, 3 * MIN_KEPT])
def test_a_beginning_is_hashed_whatever_is_known_of_it(end: int) -> None:
    whole = b"".join(number.to_bytes(2) for number in range(3 * MIN_KEPT // 2))
    for length in (MIN_KEPT, 2 * MIN_KEPT, 3 * MIN_KEPT):
        hash_content(whole[:length])
    assert hash_beginning(whole, end).digest() == hashlib.sha256(whole[:end]).digest()


@pytest.mark.parametrize("at", [0, MIN_KEPT - TELLING_BYTES - 1, MIN_KEPT - TELLING_BYTES, MIN_KEPT - 1])
def test_a_file_that_only_looks_like_a_later_revision_is_hashed_anew(at: int) -> None:
    known = bytes([7]) * MIN_KEPT
    hash_content(known)
    other = known[:at] + b"!" + known[at + 1 :] + b"more"
    assert hash_content(other).digest() == hashlib.sha256(other).digest()


def test_a_later_revision_is_hashed_from_where_the_known_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    known = bytes([9]) * MIN_KEPT
    monkeypatch.setattr(content_hash, "_known", deque([(known, hashlib.sha256(b"a mark"))]))
    assert hash_content(known + b"more").digest() == hashlib.sha256(b"a markmore").digest()
