"""Outside judges of OFD files: ofdrw, the reference implementation, and a small program on Bouncy Castle.

Maven fetches their libraries once, into a folder that is kept between runs; a change of `pom.xml` fetches anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.judges import program, run

PROJECT = Path(__file__).parents[1] / "real" / "judges"
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qianda-judges"
FETCH_TIMEOUT = 300  # seconds


@cache
def class_path() -> str:
    """Return where the compiled judges and their libraries are. Skips the test if one cannot be had here."""
    compiler, maven = program("javac"), program("mvn")
    sources = sorted(PROJECT.glob("src/*.java"))
    state = hashlib.sha256(b"".join(file.read_bytes() for file in (PROJECT / "pom.xml", *sources))).hexdigest()[:16]
    libraries = KEPT / hashlib.sha256((PROJECT / "pom.xml").read_bytes()).hexdigest()[:16]
    if not libraries.is_dir():
        _fetch(maven, libraries)
    classes = KEPT / f"classes-{state}"
    if not classes.is_dir():
        fresh = _fresh(classes)
        run(compiler, "-d", fresh, "-cp", f"{libraries}/*", *sources)
        _settle(fresh, classes)
    return f"{classes}:{libraries}/*"


def _fetch(maven: str, libraries: Path) -> None:
    fresh = _fresh(libraries)
    where = ["-f", str(PROJECT / "pom.xml"), f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"]
    command = [maven, "-q", "-B", *where, "dependency:copy-dependencies"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT, check=False)
    if done.returncode:
        pytest.skip(f"Maven cannot fetch the judges: {done.stdout[-300:]}")
    _settle(fresh, libraries)


def _fresh(final: Path) -> Path:
    """Return an empty folder beside the final one: a run that is cut off leaves nothing half-made behind."""
    fresh = final.with_name(f"{final.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def _settle(fresh: Path, final: Path) -> None:
    try:
        fresh.rename(final)
    except OSError:  # another process was faster
        shutil.rmtree(fresh)


def ask(name: str, *arguments: str | Path) -> list[str]:
    """Run one of the programs. Return the lines that it prints."""
    # Makers write the local time without its zone, and mean that of China.
    return run(program("java"), "-Duser.timezone=Asia/Shanghai", "-cp", class_path(), name, *arguments).splitlines()


def verdicts(name: str, *files: Path) -> dict[str, str]:
    """Have a judge look at files. Return its answer by the file's name."""
    said = [
        line.rpartition(": ") if line.endswith(": accepted") else line.partition(": ") for line in ask(name, *files)
    ]
    return {Path(path).name: answer for path, _, answer in said}
