"""Run the product's own command in processes of their own, and observe them as an administrator would."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.checkout import ROOT
from tests.commands import run_command

QIANDA = Path(sys.executable).with_name("qianda")
UP_TIMEOUT, DOWN_TIMEOUT, ANSWER_TIMEOUT = 180.0, 60.0, 60.0


def environment(data: Path, **more: str) -> dict[str, str]:
    """Return our environment with this data folder and without any other setting of a hub."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("QIANDA_")}
    return ours | {"QIANDA_DATA": str(data)} | more


SCHOOL = """[school]
name = "合肥市明德培训学校"
credit_code = "52340100MJ0000001X"
licence = "教民234010000000001号"
"""


def real_school(folder: Path) -> dict[str, str]:
    """Write the configuration of a school, not of a demo, into this folder. Return the variable that names it."""
    path = folder / "own.toml"
    if not path.exists():
        path.write_text(SCHOOL, "utf-8")
    return {"QIANDA_CONFIG": str(path)}


def run(data: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return run_command(words, environment(data, **more))


class Program:
    """A long-running command. It leads a process group, as a terminal's job does."""

    def __init__(self, data: Path, command: str, *, become: tuple[str, ...] = (), variables: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [*become, str(QIANDA), command],
            env=environment(data, **variables),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.data = data
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, words: str) -> None:
        """Wait until the command has printed these words."""
        eventually(lambda: words in self.output or self.process.poll() is not None, UP_TIMEOUT, self)
        assert words in self.output, self.output

    def ended(self) -> int:
        """Wait for the end of the command, for at most a minute, and for all its output. Return its exit code."""
        code = self.process.wait(DOWN_TIMEOUT)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def ctrl_c(self) -> int:
        """Send SIGINT to the whole group, as a terminal does. Return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.ended()

    def clear(self) -> None:
        """End the command after a test, whatever became of it. Only processes of this group, which is ours, are
        killed."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(DOWN_TIMEOUT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()


def eventually(look: Callable[[], Any], seconds: float = UP_TIMEOUT, program: Program | None = None) -> Any:
    """Ask again until there is an answer, and return it. If none comes in time, the test fails with the program's
    output."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain\n{program.output if program else ''}"
        time.sleep(0.05)
    return found


def ask(url: str, *, key: str = "", body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    """Return status and JSON (or text) of one request; status 0 if nobody answers."""
    request = urllib.request.Request(url, method="GET" if body is None else "POST")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT) as answer:
            return int(answer.status), _content(answer.read())
    except HTTPError as error:
        with error:
            return error.code, _content(error.read())
    except OSError:
        return 0, None


def _content(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def alive(pid: int) -> bool:
    """Return whether a process runs. One that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(pid: int) -> dict[str, int]:
    """Return the supervisor's web and worker process, by what they do: `{"web": 71, "work": 72}`."""
    found = {}
    for child in _spawned_by(pid):
        found["web" if _listens(child) else "work"] = child
    return found


def _spawned_by(pid: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"--multiprocessing-fork" in (folder / "cmdline").read_bytes():
                yield int(folder.name)


def _listens(pid: int) -> bool:
    listening = {
        line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    }
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("socket:[") and target[8:-1] in listening:
                return True
    return False
