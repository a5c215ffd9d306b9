"""Every byte of a small finished file counts: whichever is changed, the final check refuses the file.

`docs/file-format.md` names what no check covers: what a timestamp authority adds to its own tokens. The built-in one
adds nothing, so that here nothing at all may be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from hub.documents.pades.check import Expected, check_finished_file
from hub.documents.pades.check_cms import OutsideProfile
from hub.documents.pades.written_revisions import FileIsWrong
from tests.pades.expected import expected_of
from tests.pades.made import good


def accepted(expected: Expected, file: bytes, changes: Iterable[tuple[int, int]]) -> tuple[int, list[tuple[int, int]]]:
    """Return how many changes were tried, and those that were taken: a place, and the bits that are turned there."""
    pdf, tried, taken = bytearray(file), 0, []
    for place, bits in changes:
        pdf[place] ^= bits
        tried += 1
        try:
            check_finished_file(bytes(pdf), expected)
            taken.append((place, bits))
        except (FileIsWrong, OutsideProfile):
            pass
        pdf[place] ^= bits
    assert bytes(pdf) == file
    return tried, taken


def test_a_sample_of_the_bytes(figures: Callable[..., None]) -> None:
    file, expected = good().final, expected_of(good())
    behind = expected.issued_length
    issued = [(place, 0xFF) for place in range(0, behind, 61)]
    written = [(place, 1 << bit) for place in range(behind, len(file), 401) for bit in range(8)]
    tried, taken = accepted(expected, file, [*issued, *written])
    figures(file=len(file), tried=tried, accepted=len(taken))
    assert taken == []
    check_finished_file(file, expected)


@pytest.mark.real
def test_every_byte(figures: Callable[..., None]) -> None:
    """Each byte with one of its bits turned, which is the least that can be changed."""
    file, expected = good().final, expected_of(good())
    changes = ((place, 1 << place % 8) for place in range(len(file)))
    tried, taken = accepted(expected, file, changes)
    figures(file=len(file), tried=tried, accepted=len(taken))
    assert tried == len(file) and taken == []
