"""Outside judges in Java. Maven fetches their libraries once, into a folder that is kept between runs.

A project is a folder with a `pom.xml`, which pins the versions, and programs in `src`. A change of `pom.xml` fetches
anew, a change of a program compiles anew.
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

PROJECTS = Path(__file__).parent / "real" / "judges"
KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qianda-judges"
FETCH_TIMEOUT = 300  # seconds


@cache
def class_path(project: Path) -> str:
    """Return where the compiled judges and their libraries are. Skips the test if one cannot be had here."""
    compiler, maven = program("javac"), program("mvn")
    pom, sources = (project / "pom.xml").read_bytes(), sorted(project.glob("src/*.java"))
    state = hashlib.sha256(b"".join([pom, *(file.read_bytes() for file in sources)])).hexdigest()[:16]
    libraries = KEPT / hashlib.sha256(pom).hexdigest()[:16]
    if not libraries.is_dir():
        _fetch(maven, project, libraries)
    classes = KEPT / f"classes-{state}"
    if not classes.is_dir():
        fresh = _fresh(classes)
        run(compiler, "-d", fresh, "-cp", f"{libraries}/*", *sources)
        _settle(fresh, classes)
    return f"{classes}:{libraries}/*"


def _fetch(maven: str, project: Path, libraries: Path) -> None:
    fresh = _fresh(libraries)
    where = ["-f", str(project / "pom.xml"), f"-DoutputDirectory={fresh}", "-DincludeScope=runtime"]
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
