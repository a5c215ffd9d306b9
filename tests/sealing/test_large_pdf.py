"""A large file is sealed without being held: neither by the hub nor by its child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.judges import judge_by_qpdf, program, run
from tests.sealing.parts import pages

MEGABYTE = 1 << 20
SIZE = 200 * MEGABYTE

_SEAL = """
import asyncio, pathlib, resource, sys
from tests.sealing.parts import desk
async def main():
    at = desk(pathlib.Path(sys.argv[1]))
    await at.seal(pathlib.Path(sys.argv[1]) / "small.pdf", "page:1,60,60", named="warm.pdf")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = at.sealer._all[0]._process.pid
    status = pathlib.Path(f"/proc/{child}/status")
    peak = lambda: next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    warm = peak()
    await at.seal(pathlib.Path(sys.argv[1]) / "large.pdf", "page:last,60,60", lasting=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, peak() - warm)
    at.sealer.close()
asyncio.run(main())
"""


@pytest.mark.real
def test_memory_stays_flat(tmp_path: Path) -> None:
    small = pages("a", "b")
    (tmp_path / "small.pdf").write_bytes(small)
    write_large(tmp_path / "large.pdf", small)
    done = subprocess.run([sys.executable, "-c", _SEAL, tmp_path], capture_output=True, text=True, check=True)
    hub, child = (int(number) for number in done.stdout.split())  # KB
    assert hub < 24 * 1024
    assert child < 24 * 1024
    sealed = tmp_path / "sealed.pdf"
    assert sealed.stat().st_size > SIZE
    judge_by_qpdf(sealed)
    assert "Signature is Valid." in run(program("pdfsig"), "-nocert", sealed)


def write_large(path: Path, small: bytes) -> None:
    """Write the file with a stream of 200 MB that no page shows, as an update behind it."""
    chunk, table = Random(1).randbytes(MEGABYTE), int(small.split()[-2])
    with path.open("wb") as file:
        file.write(small)
        at = file.tell()
        file.write(b"90 0 obj\n<< /Length %d >>\nstream\n" % SIZE)
        for _ in range(SIZE // MEGABYTE):
            file.write(chunk)
        file.write(b"\nendstream\nendobj\n")
        behind = file.tell()
        file.write(b"xref\n0 1\n0000000000 65535 f \n90 1\n%010d 00000 n \n" % at)
        file.write(b"trailer\n<< /Root 1 0 R /Size 91 /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (table, behind))
