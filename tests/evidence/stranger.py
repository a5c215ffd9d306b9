"""A stranger who has openssl, unzip and a shell, and follows CHECK.md to the letter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.settings import PACKED

INSTRUCTIONS = PACKED / "templates" / "evidence" / "CHECK.md"
PROGRAMS = ("openssl", "unzip", "sh")
LAST_WORDS = "ALL CHECKS PASSED"
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LIBRARY = re.compile(r"(/\S+) \(0x")


@dataclass(frozen=True)
class CheckRun:
    """How CHECK.md ended. `passed`: every command succeeded, and the last one said so."""

    passed: bool
    output: str


def commands() -> str:
    """Return the commands of CHECK.md, exactly as they stand there."""
    return "".join(_BLOCK.findall(INSTRUCTIONS.read_text("utf-8")))


def follow(folder: Path, package: bytes, trusted: bytes | None, path: str | None = None) -> CheckRun:
    """Follow CHECK.md in a new folder, with the programs of this machine, or with those on `path` alone."""
    folder.mkdir()
    _lay_out(folder, package, trusted)
    environment = {"PATH": path} if path else None
    return _ended(subprocess.run(["sh", "check.sh"], cwd=folder, capture_output=True, check=False, env=environment))


def follow_alone(root: Path, package: bytes, trusted: bytes | None) -> CheckRun:
    """Follow CHECK.md in a root folder that holds nothing but the three programs and their libraries."""
    if os.geteuid() != 0:
        pytest.skip("only root may change the root folder")
    for program in PROGRAMS:
        _bring(root, program)
    work = root / "work"
    work.mkdir()
    _lay_out(work, package, trusted)
    return _ended(
        subprocess.run(
            ["/usr/sbin/chroot", str(root), "/bin/sh", "-c", "cd /work && /bin/sh check.sh"],
            capture_output=True,
            check=False,
            env={"PATH": "/bin"},
        )
    )


def _lay_out(folder: Path, package: bytes, trusted: bytes | None) -> None:
    (folder / "evidence.zip").write_bytes(package)
    if trusted is not None:
        (folder / "trusted.pem").write_bytes(trusted)
    (folder / "check.sh").write_text(commands(), "utf-8")


def _ended(run: subprocess.CompletedProcess[bytes]) -> CheckRun:
    said = run.stdout.decode(errors="replace").splitlines()
    passed = run.returncode == 0 and bool(said) and said[-1].startswith(LAST_WORDS)
    return CheckRun(passed, "\n".join([*said, run.stderr.decode(errors="replace")]))


def _bring(root: Path, program: str) -> None:
    """Copy a program, and the libraries that the loader names for it, to the same places below `root`."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is missing")
    real = Path(found).resolve()
    libraries = subprocess.run(["ldd", str(real)], capture_output=True, text=True, check=True).stdout
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy2(real, root / "bin" / program)
    for library in _LIBRARY.findall(libraries):
        to = root / library.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(library).resolve(), to)
