"""Measure the memory of a hub's processes while it works: their size, and how fast they grow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression

from bench.processes import kept_mb
from bench.programs.demo import DemoHub

PARTS = ("web", "work")
INTERVAL = 5.0  # seconds between two samples
# Growth is computed from the second half of the samples, when caches are full. With fewer samples it means nothing.
MIN_SAMPLES = 8


@dataclass(frozen=True)
class MemorySample:
    """`at`: seconds since the start; `mb`: proportional set size."""

    at: float
    part: str
    mb: float


@dataclass
class MemoryWatch:
    """Samples of the memory of web and worker, taken until `watch` is cancelled."""

    samples: list[MemorySample] = field(default_factory=list)

    async def watch(self, hub: DemoHub) -> None:
        processes = {part: process for process, part in hub.parts() if part in PARTS}
        started = time.perf_counter()
        while True:
            for part, process in processes.items():
                self.samples.append(MemorySample(time.perf_counter() - started, part, kept_mb(process, "Pss")))
            await asyncio.sleep(INTERVAL)

    def figures(self, contracts_per_s: float) -> dict[str, float]:
        """Return the size of each part at the end and, given enough samples, its growth per thousand contracts."""
        found = {}
        for part in PARTS:
            samples = [sample for sample in self.samples if sample.part == part]
            found[f"mb_{part}_at_the_end"] = samples[-1].mb
            later = samples[len(samples) // 2 :]
            if len(later) >= MIN_SAMPLES:
                found[f"mb_{part}_per_1000_contracts"] = growth_per_s(later) / contracts_per_s * 1000
        return found


def growth_per_s(samples: Sequence[MemorySample]) -> float:
    """Return the growth of a part in MB per second: the slope of the line that best fits its samples."""
    return linear_regression([sample.at for sample in samples], [sample.mb for sample in samples]).slope
