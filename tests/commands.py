"""The command `qianda` in forked children of a warm process, which has imported once what every start imports.

Each run is a process of its own, with its own environment, streams and exit code. Programs that `Program` starts, and
runs under another clock, are started as a user starts them.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.checkout import ROOT

_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(
    [
        "qianda.cli",
        "qianda.evidence.package_check",
        "qianda.verify.guard",
        "qianda.verify.pdf.ades",
        "qianda.verify.report",
        "qianda.verify.validation_report",
        "hub.__main__",
        "hub.wiring",
        "hub.doctor",
        "hub.lifecycle.contract.issue",
        "hub.lifecycle.school.import_roster",
        "phonenumbers",
    ]
)
# Seconds.
COMMAND_TIMEOUT = 120


def run_command(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, in the project's folder."""
    with tempfile.TemporaryDirectory(prefix="qianda-command-") as name:
        said = Path(name) / "stdout", Path(name) / "stderr"
        process = _WARM.Process(target=_be_the_command, args=(list(words), dict(environment), said))
        process.start()
        process.join(COMMAND_TIMEOUT)
        if process.exitcode is None:
            process.kill()
            process.join()
        out, error = (path.read_text("utf-8") for path in said)
    assert process.exitcode is not None
    return subprocess.CompletedProcess(["qianda", *words], process.exitcode, out, error)


def verify_command(file: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """Run `qianda verify --json`, which trusts the authorities of this data folder."""
    return run_command(["verify", str(file), "--json"], os.environ | {"QIANDA_DATA": str(data)})


def _be_the_command(words: list[str], environment: dict[str, str], said: tuple[Path, Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    os.setsid()
    for number, path in enumerate((Path(os.devnull), *said)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    if words[:1] == ["verify"]:
        # The command checks a file in a child of its own, under limits. Here that is forked too: started anew, each
        # would import for half a second. `tests/verify/test_command.py` also starts commands as a user starts them.
        multiprocessing.get_context = _forking  # type: ignore[assignment]
    sys.argv = ["qianda", *words]
    from qianda.cli import main

    main()


def _forking(_method: str | None = None) -> multiprocessing.context.ForkContext:
    return multiprocessing.context.ForkContext()
