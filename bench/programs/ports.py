"""Choose ports of this machine for programs that are given a number and bind it later."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import tempfile
from functools import cache
from pathlib import Path
from random import SystemRandom

# Below the ports that the system chooses for connections and for servers that accept any port, so nobody gets one of
# these by chance before it is bound. Chromium opens no page at port 10080.
PORTS = range(10_081, 32_000)
_given: set[int] = set()


def free_port(count: int = 1) -> int:
    """Return the first of `count` consecutive free ports. No other caller gets any of them before this process has
    ended, even while they are not bound."""
    while True:
        first = SystemRandom().choice(PORTS)
        ports = range(first, first + count)
        with contextlib.suppress(OSError), contextlib.ExitStack() as taken:
            fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
            for port in ports:
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            if _given.isdisjoint(ports):  # locks do not exclude their own process
                _given.update(ports)
                return first


@cache
def _reservations() -> int:
    """Return a file that stays open until this process ends. Its locked bytes are the port numbers that were given
    out."""
    return os.open(Path(tempfile.gettempdir()) / f"qianda-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
