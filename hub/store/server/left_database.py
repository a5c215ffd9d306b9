"""Find what a killed process left of an embedded database, so that a person can be told what to remove."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from hub.store.server.system_account import STATE_FOLDER


@dataclass(frozen=True)
class LeftDatabase:
    """`outside`: its files that do not lie in the data folder. `server`: the process id of its server, if it is
    running."""

    outside: tuple[Path, ...] = ()
    server: int | None = None


def find_left_database(folder: Path) -> LeftDatabase:
    """Return what is left of the database of this folder, as far as this account may see it. Change nothing."""
    with contextlib.suppress(PermissionError):
        marker = folder / "postgres.id"  # see `DatabaseOwner.home_for`
        if not marker.exists():
            return LeftDatabase(server=_find_server(folder / "postgres"))
        home = STATE_FOLDER / marker.read_text()
        return LeftDatabase((home, home.with_name(home.name + ".folder")), _find_server(home))
    return LeftDatabase()


def _find_server(home: Path) -> int | None:
    """Return the process id of the server that runs in a folder of this home."""
    for file in home.resolve().glob("*/postmaster.pid"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            process = int(file.read_text().splitlines()[0])
            if (Path("/proc") / str(process) / "cwd").readlink() == file.parent:
                return process
    return None
