"""Debian's Kannel with its fake SMS centre, all in a network namespace of its own: nothing else on the machine can
reach it, and its ports are always free."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import aiohttp
import pytest

CLONE_NEWNET = 0x40000000
# Seconds. Nothing here takes longer unless it is broken.
WITHIN = 30.0
FAKE_CENTRE = "/usr/lib/kannel/test/fakesmsc"
USERNAME, PASSWORD, SENDER, ADMIN = "tester", "a-password-of-the-gateway", "10690000", "an-admin-password"
UNROUTABLE = "+1999"
SENDSMS = "http://127.0.0.1:13013/cgi-bin/sendsms"
STATUS = f"http://127.0.0.1:13000/status.txt?password={ADMIN}"
CONFIGURATION = """\
group = core
admin-port = 13000
admin-password = {admin}
admin-allow-ip = "127.0.0.1"
smsbox-port = 13001
box-allow-ip = "127.0.0.1"
store-type = file
store-file = "{folder}/store"
dlr-storage = internal
unified-prefix = "+,00;"

group = smsc
smsc = fake
smsc-id = FAKE
port = 10000
connect-allow-ip = 127.0.0.1
denied-prefix = "{unroutable}"

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = 13013
http-request-retry = 20
http-queue-delay = 1

group = sendsms-user
username = {username}
password = {password}
max-messages = 10
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{callbacks}?sender=%q&text=%b&charset=%C&at=%T&id=%I"
"""
GOT = re.compile(r"Got message \d+: <(\S+) (\S+) (?:udh \S+ )?(text|data|ucs-2) (.*)>$", re.MULTILINE)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def in_namespace(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a thread with a network of its own, which has only the loopback. Skips the test if that is not
    allowed."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    ip = program("ip")

    def inside() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        subprocess.run([ip, "link", "set", "lo", "up"], check=True)
        asyncio.run(story())

    # The thread ends with the pool, so no other work ever runs in its namespace.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(inside).result()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not condition():
            await asyncio.sleep(0.02)


class Kannel:
    """The three programs. `callbacks`: where the gateway calls with what people write."""

    def __init__(self, folder: Path, callbacks: str) -> None:
        self._folder = folder
        self._configuration = folder / "kannel.conf"
        self._configuration.write_text(
            CONFIGURATION.format(
                folder=folder,
                admin=ADMIN,
                username=USERNAME,
                password=PASSWORD,
                callbacks=callbacks,
                unroutable=UNROUTABLE,
            )
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        try:
            self._start("bearerbox", str(self._configuration))
            await self._until_open(13001)
            await self.start_gateway()
            await self.start_centre()
            yield
        finally:
            for name in list(self._running):
                self.stop(name)

    async def start_gateway(self) -> None:
        self._start("smsbox", str(self._configuration))
        await self._until_open(13013)

    async def start_centre(self) -> None:
        """Start a phone network with one phone. It prints what arrives, and sends what is written to it."""
        self._start(FAKE_CENTRE, "-H", "127.0.0.1", "-r", "10000")
        await self._until_status("online")

    async def stop_centre(self) -> None:
        self.stop("fakesmsc")
        await self._until_status("re-connecting")

    def stop(self, name: str) -> None:
        """Kill a program at once: none of them has anything to tidy up."""
        running = self._running.pop(name)
        running.kill()
        running.communicate()

    def write(self, line: str) -> None:
        """Send an SMS from a phone: `SENDER RECEIVER text WORDS`. The fake centre reads one line at a time."""
        pipe = self._running["fakesmsc"].stdin
        assert pipe
        pipe.write(line.encode() + b"\n")
        pipe.flush()

    def arrived(self) -> list[tuple[str, str, str]]:
        """Return sender, receiver and text of each SMS that the phone got. Parts of a long SMS are separate entries."""
        return [(sender, to, _decoded(kind, text)) for sender, to, kind, text in GOT.findall(self._log("fakesmsc"))]

    def _start(self, name: str, *arguments: str) -> None:
        short = Path(name).name
        # The programs end with the thread that started them, whatever becomes of the test.
        command = [program("setpriv"), "--pdeathsig", "KILL", program(name), *arguments]
        with (self._folder / f"{short}.log").open("ab") as log:
            self._running[short] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text("utf-8", "replace")

    async def _until_open(self, port: int) -> None:
        async with asyncio.timeout(WITHIN):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def _until_status(self, word: str) -> None:
        async with asyncio.timeout(WITHIN), aiohttp.ClientSession() as http:
            while True:
                async with http.get(STATUS) as answer:
                    if re.search(rf"FAKE.*\({word}", await answer.text()):
                        return
                await asyncio.sleep(0.05)


def _decoded(kind: str, text: str) -> str:
    """Decode a text as the fake centre shows it: plain, or as percent-encoded bytes."""
    if kind == "text":
        return text
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-16-be" if kind == "ucs-2" else "utf-8")
