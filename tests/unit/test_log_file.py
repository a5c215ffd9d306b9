"""The log of a service: what cannot be written is lost, and what comes later is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import resource, sys
from hub.processes.streams import protect_log
protect_log()
print("before")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
print("lost")
print("lost as well", file=sys.stderr)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print("after 签达")
"""


CUT = """
import resource
from hub.processes.streams import protect_log
protect_log()
print("before")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (len("before") + 1 + len("half"), hard))
print("half of this line")
print("lost")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print("after 签达")
print("no end", end="", flush=True)
print(", and its end")
"""


def test_after_a_line_that_was_cut_the_next_one_begins_on_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("a") as file:
        done = subprocess.run([sys.executable, "-c", CUT], stdout=file, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert log.read_text("utf-8") == "before\nhalf\nafter 签达\nno end, and its end\n"


def test_a_log_is_written_again_once_there_is_space(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("a") as file:
        done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=file, stderr=file, check=False)
    assert (done.returncode, log.read_text("utf-8")) == (0, "before\nafter 签达\n")
