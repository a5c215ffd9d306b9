"""Data folders for tests of the embedded database, and processes that use it there."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from hub.store.server.embedded import EmbeddedPostgres

USER_PROGRAM = Path(__file__).with_name("embedded_user.py")
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """A data folder, with its state folder and the server's programs. `is_open`: whether the account of the database
    may enter it."""

    folder: Path
    state: Path
    programs: Path
    is_open: bool
    python: list[str] = field(default_factory=lambda: [sys.executable, str(USER_PROGRAM)])

    def database(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self.folder, programs=self.programs, state_folder=self.state, durable=False)


class User:
    """A running `embedded_user.py`. It holds the database when the constructor returns, unless `wait` is false."""

    running: ClassVar[dict[Path, list[User]]] = {}

    def __init__(self, place: Place, *, wait: bool = True) -> None:
        command = [*place.python, str(place.folder), str(place.state), str(place.programs)]
        environment = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.running.setdefault(place.folder.parent, []).append(self)
        if wait:
            self.hear()

    @classmethod
    def kill_all(cls, playground: Path) -> None:
        """Kill the users that a failed test left there."""
        for user in cls.running.pop(playground, []):
            user.kill()

    def hear(self) -> int:
        """Wait until the user has written its note. Return the process id of the server."""
        said = self._next()
        self.pid = int(said["pid"])
        self.home = str(said["home"])
        self.notes = list(said["notes"])
        return self.pid

    def leave(self) -> bool:
        """End the user in the regular way. Return whether the server is down now."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        down = bool(self._next()["down"])
        self._end()
        return down

    def kill(self) -> None:
        self.process.kill()
        self._end()

    def _end(self) -> None:
        self.process.wait(timeout=60)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()

    def _next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the user ended with status {self.process.wait(timeout=60)}"
        said: dict[str, Any] = json.loads(line)
        return said


def modes(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode, owner and group of a folder and of everything above it."""
    return {
        str(path): (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in (folder, *folder.parents)
    }
