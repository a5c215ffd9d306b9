"""Mark an embedded database that was moved to a server, so that nobody starts it again or uses the wrong one."""

from __future__ import annotations

import json
from pathlib import Path

from hub.durable_files import sync_folder, write_durably
from hub.errors import DatabaseUnavailable

# In the data folder, beside the folder `database`.
MARK = "database-moved.json"


def check_not_moved(data: Path) -> None:
    """Raise DatabaseUnavailable if the embedded database of this data folder was moved, or is being moved."""
    path = data / MARK
    if not path.exists():
        return
    mark = json.loads(path.read_text("utf-8"))
    if mark["done"]:
        raise DatabaseUnavailable(
            f"the database of {data.absolute()} was moved to {mark['to']}: set QIANDA_DATABASE to that. What lies in "
            "the folder database is as it was at the move, and may be deleted once a backup was made"
        )
    raise DatabaseUnavailable(
        f"the database of {data.absolute()} is being moved to {mark['to']}: run `qianda database move` again if that "
        f"was interrupted; to give it up, delete {path}"
    )


def is_moved(data: Path) -> bool:
    path = data / MARK
    return path.exists() and bool(json.loads(path.read_text("utf-8"))["done"])


def mark_move(data: Path, to: str, *, done: bool) -> None:
    """Mark the embedded database as being moved, or as moved. `to`: an address without a password."""
    write_durably(data / MARK, json.dumps({"to": to, "done": done}).encode())


def unmark_move(data: Path) -> None:
    (data / MARK).unlink(missing_ok=True)
    sync_folder(data)
