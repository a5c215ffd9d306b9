"""Ports of this machine for programs that are told a number and bind it later."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from functools import cache
from pathlib import Path
from random import SystemRandom

# Below those that the system chooses for connections and for servers that want any port: in the meantime nobody gets
# one of these by chance. Chromium opens no page at port 10080.
PORTS = range(10_081, 32_000)
_given: set[int] = set()


def free_port(count: int = 1) -> int:
    """Return the first of `count` free ports that follow each other. Whoever else asks here gets none of them before
    this process has ended, even while nobody has bound it."""
    while True:
        first = SystemRandom().choice(PORTS)
        ports = range(first, first + count)
        with contextlib.suppress(OSError), contextlib.ExitStack() as taken:
            fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
            for port in ports:
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            if _given.isdisjoint(ports):  # a process is never in the way of its own locks
                _given.update(ports)
                return first


@cache
def _reservations() -> int:
    """Return a file, open until this process ends, whose locked bytes are the numbers of ports that processes have been
    given."""
    return os.open(Path(tempfile.gettempdir()) / f"qianda-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
