"""Ports of this machine for programs that are told a number and bind it later."""

from __future__ import annotations

import contextlib
import socket
from random import SystemRandom

# Below those that the system chooses for connections and for servers that want any port: in the meantime nobody gets
# one of these by chance. Chromium opens no page at port 10080.
PORTS = range(10_081, 32_000)


def free_port(count: int = 1) -> int:
    """Return the first of `count` free ports that follow each other."""
    while True:
        first = SystemRandom().choice(PORTS)
        with contextlib.suppress(OSError), contextlib.ExitStack() as taken:
            for port in range(first, first + count):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
