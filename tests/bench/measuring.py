"""Run a bench as a user does, and read what it prints and keeps."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
QIANDA = (sys.executable, "-c", "from qianda.cli import main; main()")
Rows = list[dict[str, str]]


def qianda(*arguments: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QIANDA_")}
    return subprocess.run(
        [*QIANDA, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=timeout
    )


def measured(name: str, folder: Path, rounds: int, *more: str, timeout: float = 280) -> tuple[dict[str, Any], Rows]:
    """Run a bench. Return its figures as printed, and its ledger as kept."""
    done = qianda("bench", name, "--json", "--rounds", str(rounds), "--results", str(folder), *more, timeout=timeout)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {"name", "machine", "figures"} and said["name"] == name
    assert json.loads((folder / f"{name}.json").read_text())["figures"] == said["figures"]
    with (folder / f"{name}.csv").open(newline="") as file:
        return said["figures"], list(csv.DictReader(file))
