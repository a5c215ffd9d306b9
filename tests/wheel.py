"""The wheel of this checkout, and an empty environment that has it and its dependencies, but not the checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import ROOT

# Seconds.
BUILD_TIMEOUT, COMMAND_TIMEOUT, END_TIMEOUT = 300, 120, 60


@dataclass(frozen=True)
class InstalledWheel:
    """An installed wheel. `command`: the path of `qianda`. `folder`: outside of the checkout; commands run in it."""

    command: Path
    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return our environment without settings of a hub and without Python's variables, with `more` added."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("QIANDA_", "PYTHON"))}
        return ours | {"PYTHONDONTWRITEBYTECODE": "1"} | more

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        command = [str(self.command), *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    @contextmanager
    def running(self, *words: str, **more: str) -> Iterator[Path]:
        """Run a long-running command in a process group of its own; gives the file of what it says.

        At the end it gets SIGTERM, and has to end by itself.
        """
        said = self.folder / f"{words[0]}.log"
        with said.open("w") as log:
            process = subprocess.Popen(
                [str(self.command), *words],
                cwd=self.folder,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield said
            os.killpg(process.pid, signal.SIGTERM)
            assert process.wait(END_TIMEOUT) in (0, 130), said.read_text("utf-8")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def packed_files() -> list[str]:
    """Return the paths, below the checkout, of the files that git tracks and that exist."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def build_wheel(folder: Path) -> Path:
    """Build the wheel in a copy of the tracked files, with the installed build backend. Needs no network. Return its
    path."""
    source = folder / "source"
    source.mkdir()
    archive = folder / "source.tar"
    with tarfile.open(archive, "w") as tar:
        for name in packed_files():
            tar.add(ROOT / name, name)
    subprocess.run(["tar", "-xf", archive, "-C", source], check=True)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", source, "-w", folder / "dist")
    (wheel,) = (folder / "dist").glob("qianda-*.whl")
    return wheel


def install_wheel(wheel: Path, folder: Path) -> InstalledWheel:
    """Install the wheel into a new environment, which finds the dependencies in ours.

    Paths that a `.pth` file of ours adds, such as the checkout, are not followed from there.
    """
    place = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True, timeout=BUILD_TIMEOUT)
    python = place / "bin" / "python"
    _pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    (packages,) = (place / "lib").glob("python3*/site-packages")
    dependencies = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in dependencies), "utf-8")
    return InstalledWheel(place / "bin" / "qianda", folder)


def _pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
