"""Folders for the embedded database, outside pytest's own folder, which is closed to other accounts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store.server.embedded import find_programs
from hub.store.server.system_account import DatabaseOwner
from tests.database import scratch_folder
from tests.store.embedded_places import CHECKOUT, USER_PROGRAM, Place, User

SERVER = ("embedded.py", "system_account.py")
MODULES = ("__init__.py", "errors/__init__.py", "errors/kinds.py", *(f"store/server/{each}" for each in SERVER))


@pytest.fixture(scope="session")
def programs() -> Path:
    return DatabaseOwner().reachable_programs(find_programs())


@pytest.fixture
def playground() -> Iterator[Path]:
    """Yield a folder open to all accounts. What still runs there at the end is stopped."""
    with tempfile.TemporaryDirectory(prefix="qianda-place-", dir=scratch_folder()) as name:
        Path(name).chmod(0o755)
        yield Path(name)
        User.kill_all(Path(name))
        for file in Path(name).glob("**/postmaster.pid"):
            os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)


def _place(playground: Path, programs: Path, mode: int) -> Place:
    folder = playground / "data"
    folder.mkdir()
    folder.chmod(mode)
    return Place(folder, playground / "state", programs, is_open=mode == 0o755)


@pytest.fixture(params=[pytest.param(0o755, id="open", marks=pytest.mark.real), pytest.param(0o700, id="closed")])
def place(request: pytest.FixtureRequest, playground: Path, programs: Path) -> Place:
    return _place(playground, programs, request.param)


@pytest.fixture
def open_place(playground: Path, programs: Path) -> Place:
    return _place(playground, programs, 0o755)


@pytest.fixture
def closed_place(playground: Path, programs: Path) -> Place:
    return _place(playground, programs, 0o700)


@pytest.fixture
def ordinary_python(playground: Path) -> list[str]:
    """Return the command that runs `embedded_user.py` as `nobody`, from a copy, since only root may be able to read the
    checkout."""
    library = playground / "library"
    for module in MODULES:
        (library / "hub" / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / "hub" / module, library / "hub" / module)
    (library / "hub/store/__init__.py").touch()
    (library / "hub/store/server/__init__.py").touch()
    program = shutil.copy(USER_PROGRAM, library)
    subprocess.run(["chmod", "-R", "go+rX", str(library)], check=True)
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", f"PYTHONPATH={library}"]
    for python in (sys.executable, "/usr/bin/python3"):
        command = [*nobody, python]
        importing = [*command, "-c", "import hub.store.server.embedded"]
        tried = subprocess.run(importing, check=False, capture_output=True, cwd="/")
        if tried.returncode == 0:
            return [*command, str(program)]
    pytest.skip("no Python 3.11 or newer here that the account nobody may run")
