"""Standard output and standard error that never stop a service, whatever becomes of the log."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any


class LogFile(io.FileIO):
    """A descriptor of the log. What the system does not take is lost: on a full disk, or if its reader has ended.

    If a line was cut, what is written next begins on a line of its own, so that a reader of JSON lines loses no more.
    """

    _is_cut = False

    def write(self, content: Any, /) -> int:
        """Write what can be written. Return the whole length, so that nothing is kept and written later."""
        whole = (b"\n" if self._is_cut else b"") + bytes(content)
        with contextlib.suppress(OSError):
            if written := super().write(whole):
                self._is_cut = written < len(whole) and whole[written - 1 : written] != b"\n"
        return memoryview(content).nbytes


def protect_log() -> None:
    """Write standard output and standard error to this process's log from now on, line by line."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = io.BufferedWriter(LogFile(number, "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(file, "utf-8", "backslashreplace", line_buffering=True))


def open_closed_streams() -> None:
    """Open the standard streams that whoever started us has closed, on the null device.

    Otherwise the next file that is opened, such as a lock or a connection, would take their numbers, and be written to.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115
