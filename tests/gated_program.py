"""A program that waits at a gate, so that a test can kill whoever started it at that moment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def gated(folder: Path, name: str, when: str = "*") -> tuple[Path, dict[str, str]]:
    """Return the gate of this program, and the environment that finds it first.

    The program waits there if its first argument matches `when`, until someone has opened the gate to write, and has
    closed it. To open it waits until the program is there.
    """
    real = shutil.which(name)
    assert real is not None
    gate, program = folder / "gate", folder / "bin" / name
    os.mkfifo(gate)
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$1" in {when}) read -r line <{gate};; esac\nexec {real} "$@"\n')
    program.chmod(0o755)
    return gate, os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
