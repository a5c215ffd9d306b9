"""The account of the embedded database on a machine that has none yet."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes system users")

PROGRAM = """
import sys
from hub.store.database_owner import DatabaseOwner
print("ready", flush=True)
sys.stdin.readline()
print(DatabaseOwner(system_user=sys.argv[1]).account.pw_uid)
"""


@pytest.fixture
def new_name() -> Iterator[str]:
    """A name that no account of this machine has; an account that gets it is removed."""
    name = f"qianda-{secrets.token_hex(4)}"
    yield name
    subprocess.run(["userdel", name], check=True)


def test_processes_that_start_at_once_on_a_new_machine_get_one_account(new_name: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, new_name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _process in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    numbers = {process.communicate(timeout=60)[0] for process in started}
    assert len(numbers) == 1
    assert numbers.pop().strip().isdigit()
