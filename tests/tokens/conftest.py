"""A SoftHSM2 token of its own for each test: processes share nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.errors import TokenUnavailable
from hub.tokens import softhsm


@pytest.fixture(scope="session")
def module() -> Path:
    try:
        return softhsm.module_path()
    except TokenUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def in_child(tmp_path: Path, module: Path) -> Callable[[str], str]:
    """Run a program in a child process with FOLDER and MODULE set: a crash of the module must not end pytest."""

    def run(program: str) -> str:
        head = f"FOLDER, MODULE = {str(tmp_path / 'token')!r}, {str(module)!r}\n"
        child = subprocess.run(
            [sys.executable, "-W", "error", "-c", head + program],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert child.returncode == 0, (child.returncode, child.stderr)
        return child.stdout

    return run
