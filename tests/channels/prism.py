"""Prism (npm `@stoplight/prism-cli`): a proxy that checks each request and each answer against an OpenAPI description.

It stands between our channel and our double, so that an error about the provider's protocol which both share is found
as well. npm installs it into `.venv/prism` the first time; if that fails, the tests that need it are skipped with the
reason.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.programs.ports import free_port

ROOT = Path(__file__).parents[2]
VERSION = "5.14.2"
HOME = ROOT / ".venv" / "prism"
PROGRAM = HOME / "node_modules" / ".bin" / "prism"
PEERS = ROOT.parent / "shared" / "peers"
INSTALLING, STARTING = 300, 60  # seconds


def description(name: str) -> Path:
    """Return the path of a provider's own OpenAPI file, which is not part of this repository. Skips the test without
    it."""
    path = PEERS / name
    if not path.exists():
        pytest.skip(f"{name} is missing: it belongs in ../shared/peers, beside the repository")
    return path


def installed() -> Path:
    """Return the path of the program in the right version. Skips the test if it cannot be installed."""
    if not _is_there():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("Prism needs npm, which is not installed")
        HOME.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                [
                    npm,
                    "install",
                    "--prefix",
                    str(HOME),
                    "--no-save",
                    "--no-audit",
                    "--no-fund",
                    "--ignore-scripts",
                    f"@stoplight/prism-cli@{VERSION}",
                ],
                cwd=HOME,
                check=True,
                capture_output=True,
                text=True,
                timeout=INSTALLING,
                stdin=subprocess.DEVNULL,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm could not install Prism {VERSION} ({type(error).__name__})")
    return PROGRAM


def _is_there() -> bool:
    if not PROGRAM.exists():
        return False
    answered = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False)
    return answered.stdout.strip() == VERSION


@contextlib.contextmanager
def proxy(description: Path, upstream: str, log: Path) -> Iterator[str]:
    """Yield the address of a proxy in front of `upstream`. What violates the description is answered with an error."""
    port = free_port()
    command = [
        str(installed()),
        "proxy",
        str(description),
        upstream,
        "--errors",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_until_it_listens(process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it has child processes
        process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + STARTING
    while "Prism is listening" not in log.read_text("utf-8", "replace"):
        if process.poll() is not None or time.monotonic() > ends:
            pytest.fail(f"Prism does not listen: {log.read_text('utf-8', 'replace')[-500:]}")
        time.sleep(0.05)
