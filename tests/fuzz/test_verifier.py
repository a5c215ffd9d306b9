"""A minute of fuzzing. `make fuzz` runs half an hour."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 60
MIN_RUNS = 1000


@pytest.mark.real
def test_a_minute_of_fuzzing_finds_nothing(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not made for this machine")
    command = [sys.executable, "-m", "tests.fuzz.verifier", str(SECONDS), str(tmp_path / "found")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=SECONDS * 4, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    runs = re.search(r"Done (\d+) runs", said)
    assert runs and int(runs[1]) > MIN_RUNS, said[-3000:]
    assert not list((tmp_path / "found").glob("found-*"))
