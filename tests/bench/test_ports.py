"""Ports that are given away before somebody binds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# So many that two processes which know nothing of each other choose one twice, but for once in ten million times.
MANY = 600
PROGRAM = f"""
import sys
from bench.programs.ports import free_port
print(*(free_port() for _ in range({MANY})), flush=True)
sys.stdin.read()
"""


def test_a_port_is_given_to_one_process_alone_and_once() -> None:
    command, root = [sys.executable, "-c", PROGRAM], Path(__file__).parents[2]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=root, text=True) as one,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=root, text=True) as other,
    ):
        assert one.stdout and other.stdout
        given = [set(said.readline().split()) for said in (one.stdout, other.stdout)]
        for each in (one, other):
            each.communicate()  # both have lived until here
    assert [len(each) for each in given] == [MANY, MANY] and not given[0] & given[1]
