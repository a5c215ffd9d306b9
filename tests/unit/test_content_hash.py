"""A file is hashed once for all who hold the same bytes object, and anew for everybody else."""

from __future__ import annotations

import hashlib

import pytest

from hub.content_hash import MAX_FILES, MAX_KEPT, MIN_KEPT, hash_content


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
