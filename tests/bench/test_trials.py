"""The benches' measurements of pieces of work."""

from __future__ import annotations

import pytest

from bench.pieces.trials import MAX_UNSEEN_RUNS, UsedElsewhere, interleaved, typical


class Peer:
    """A program that tells the CPU time of each of its runs."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)

    async def sign(self) -> UsedElsewhere:
        return UsedElsewhere(self.seconds.pop(0))


async def test_a_run_that_the_clock_did_not_see_is_made_again() -> None:
    renewed: list[None] = []
    peer = Peer(0.9, 0.5, 0.0, 0.0, 0.4)
    ledger = await interleaved({"sign": peer.sign}, 2, before_each=lambda: renewed.append(None))
    assert [row["cpu_s"] for row in ledger] == [0.5, 0.4], "the first run is not measured"
    assert typical(ledger, "sign") > 0
    assert len(renewed) == 5 and not peer.seconds


async def test_a_clock_that_stands_still_is_told() -> None:
    peer = Peer(*[0.0] * (1 + MAX_UNSEEN_RUNS))
    with pytest.raises(RuntimeError, match="stands still: it saw none of 10 runs of sign"):
        await interleaved({"sign": peer.sign}, 1)
