"""Measure a warm peer: one process signs again and again and reports its CPU time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.pieces.trials import UsedElsewhere


class WarmSigner:
    """A program that answers each line of its input with the CPU seconds for one signature."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def sign(self) -> UsedElsewhere:
        """Sign, and return the cost of one signature."""
        return self.write("")

    def write(self, path: str) -> UsedElsewhere:
        """Sign, and write the signed file to `path`, so that it can be checked. Raises RuntimeError if the program has
        ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"the peer ended: {self._process.args!r}")
        return UsedElsewhere(float(said))


@contextmanager
def warm_signer(command: Sequence[str], folder: Path, warm_up: int = 2) -> Iterator[WarmSigner]:
    """Start a program in `folder`, and have it sign `warm_up` times before the measurements."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            signer = WarmSigner(process)
            for _ in range(warm_up):
                signer.write("")
            yield signer
        finally:
            process.kill()
