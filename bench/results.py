"""Write the output of a bench: figures as JSON, and the raw ledger from which they can be computed again."""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """The outcome of one bench. `figures`: by the names of the design. `ledger`: one row for each measured piece of
    work, times in seconds. `raw`: ledgers that outside services kept of the same run, by file name."""

    name: str
    figures: Mapping[str, float]
    ledger: Sequence[Mapping[str, Any]]
    raw: Mapping[str, bytes] = field(default_factory=dict)

    def as_json(self) -> str:
        figures = {name: round(value, 3) for name, value in self.figures.items()}
        return json.dumps({"name": self.name, "machine": machine(), "figures": figures}, indent=1)

    def keep(self, folder: Path = RESULTS) -> Path:
        """Write `NAME.json`, the ledger `NAME.csv` and the raw ledgers. Return the path of the first."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(self.as_json() + "\n", encoding="utf-8")
        columns = list(dict.fromkeys(column for row in self.ledger for column in row))
        with (folder / f"{self.name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=columns)
            writer.writeheader()
            writer.writerows(self.ledger)
        for name, content in self.raw.items():
            (folder / name).write_bytes(content)
        return path


def machine() -> dict[str, Any]:
    """Return facts about the machine and the time. `load` is the average of the last minute: well above zero before a
    bench means a busy machine."""
    return {
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def median(values: Sequence[float]) -> float:
    """Return the middle value; for an even number of values, the upper of the two middle ones."""
    return sorted(values)[len(values) // 2]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies. `share`: 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
