"""The system account of the embedded database, and the folders that it is given, when several processes start at
once."""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.gated_program import gated

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes system users and gives folders away")

AT_ONCE = 4
SIGNAL = """
import sys
from pathlib import Path
from hub.store.server.system_account import DatabaseOwner
print("ready", flush=True)
sys.stdin.readline()
"""
MAKE_ACCOUNT = SIGNAL + "print(DatabaseOwner(system_user=sys.argv[1]).account.pw_uid)"
MAKE_FOLDERS = (
    SIGNAL
    + """
owner = DatabaseOwner(system_user="nobody")
for number in range(200):
    owner.make_private(Path(sys.argv[1], str(number)))
print("made")
"""
)


def said_at_once(program: str, argument: str) -> set[str]:
    """Run AT_ONCE such programs that continue at the same moment. Return what they print."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _process in range(AT_ONCE)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return {process.communicate(timeout=60)[0] for process in started}


@pytest.fixture
def new_name() -> Iterator[str]:
    """Yield a name that no account of this machine has. An account that gets it is removed."""
    name = f"qianda-{secrets.token_hex(4)}"
    yield name
    subprocess.run(["userdel", name], check=True)


def test_processes_that_start_at_once_on_a_new_machine_get_one_account(new_name: str) -> None:
    said = said_at_once(MAKE_ACCOUNT, new_name)
    assert len(said) == 1
    assert said.pop().strip().isdigit()


def test_a_start_waits_for_the_useradd_of_a_killed_one(new_name: str, tmp_path: Path) -> None:
    gate, environment = gated(tmp_path, "useradd")
    command = [sys.executable, "-c", MAKE_ACCOUNT, new_name]
    first = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, cwd=ROOT)
    with gate.open("w"):
        first.kill()
        first.wait()
        lock = os.open("/etc", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(lock)
    said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    assert said.stdout.split() == ["ready", str(pwd.getpwnam(new_name).pw_uid)]
    assert [each.pw_name for each in pwd.getpwall()].count(new_name) == 1


def test_processes_that_start_at_once_find_no_folder_half_given_away(tmp_path: Path) -> None:
    assert said_at_once(MAKE_FOLDERS, str(tmp_path)) == {"made\n"}
