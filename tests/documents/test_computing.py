"""A step over a small file is computed at once, and one over a large file lets everybody else go on."""

from __future__ import annotations

import threading

import pytest

from hub.documents.computing import MAX_COMPUTED_AT_ONCE, compute

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("size", "is_here"), [(0, True), (MAX_COMPUTED_AT_ONCE, True), (MAX_COMPUTED_AT_ONCE + 1, False)]
)
async def test_only_a_large_file_is_computed_in_another_thread(size: int, is_here: bool) -> None:
    computed_in = await compute(bytes(size), threading.get_ident)
    assert (computed_in == threading.get_ident()) is is_here
