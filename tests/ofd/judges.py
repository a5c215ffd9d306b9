"""Outside judges of OFD files: ofdrw, the reference implementation, and a small program on Bouncy Castle."""

from __future__ import annotations

from pathlib import Path

from tests.judges import program, run
from tests.maven import PROJECTS, class_path


def ask(name: str, *arguments: str | Path) -> list[str]:
    """Run one of the programs. Return the lines that it prints."""
    # Makers write the local time without its zone, and mean that of China.
    command = (program("java"), "-Duser.timezone=Asia/Shanghai", "-cp", class_path(PROJECTS), name)
    return run(*command, *arguments).splitlines()


def verdicts(name: str, *files: Path) -> dict[str, str]:
    """Have a judge look at files. Return its answer by the file's name."""
    said = [
        line.rpartition(": ") if line.endswith(": accepted") else line.partition(": ") for line in ask(name, *files)
    ]
    return {Path(path).name: answer for path, _, answer in said}
