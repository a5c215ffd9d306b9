"""The raw ledger of a double: one line of JSON for each event, written to its file at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any


@dataclass
class Ledger:
    """A ledger. Without a file nothing is kept."""

    file: IO[str] | None = None

    @classmethod
    def at(cls, path: Path | None) -> Ledger:
        return cls(path.open("a", encoding="utf-8") if path else None)

    def write(self, what: str, **values: Any) -> None:
        if self.file:
            self.file.write(json.dumps({"what": what, "at": datetime.now(UTC).isoformat(), **values}) + "\n")
            self.file.flush()
