"""The agent as a process with a terminal of its own, and a user who reads and types there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.custody.usb_token import UsbToken

# The terminal becomes the process's controlling terminal, so that the PIN is asked for there and nowhere else.
_IN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
)
STEP_TIMEOUT = 60


@dataclass
class AgentProcess:
    process: asyncio.subprocess.Process
    terminal: int
    text: str = ""
    _read_to: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def readable(self) -> None:
        try:
            content = os.read(self.terminal, 65536)
        except OSError:  # the process has ended and closed its side
            content = b""
        if not content:
            asyncio.get_running_loop().remove_reader(self.terminal)
        self.text += content.decode(errors="replace").replace("\r\n", "\n")
        self._news.set()

    async def read(self, pattern: str) -> re.Match[str]:
        """Wait until the pattern appears after what was read before."""
        async with asyncio.timeout(STEP_TIMEOUT):
            while not (found := re.search(pattern, self.text[self._read_to :])):
                assert self.process.returncode is None, self.text
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.2)
        self._read_to += found.end()
        return found

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode() + b"\n")

    async def answer(self, pattern: str, text: str) -> None:
        await self.read(pattern)
        self.type(text)

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), STEP_TIMEOUT)


@contextlib.asynccontextmanager
async def agent(token: UsbToken, *arguments: str, language: str = "en") -> AsyncIterator[AgentProcess]:
    inside, outside = pty.openpty()
    environment = token.environment | {
        "XDG_CONFIG_HOME": str(token.folder),
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-m", "qianda", "agent", "--language", language, *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _IN_TERMINAL,
        *command,
        stdin=outside,
        stdout=outside,
        stderr=outside,
        env=environment,
        start_new_session=True,
    )
    os.close(outside)
    person = AgentProcess(process, inside)
    asyncio.get_running_loop().add_reader(inside, person.readable)
    try:
        yield person
    finally:
        asyncio.get_running_loop().remove_reader(inside)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(inside)
