"""Clients that keep a server busy: slow uploads, files that are expensive to check, clients that never read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

PAGES = 190_000
# Bytes per second.
DRIP = 1500
# States in the system's list of connections (/proc/net/tcp) that are not counted: FIN_WAIT2 and TIME_WAIT, for which
# the system keeps hardly any data, and LISTEN.
NOTHING_KEPT = ("05", "06", "0A")


def page_bomb(pages: int = PAGES) -> bytes:
    """Return a PDF of `pages` empty pages, about 100 bytes each: correct by the standard, with an invalid signature."""
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[3 0 R]/SigFlags 3>>>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, kids),
        b"<</Type/Annot/Subtype/Widget/FT/Sig/T(guardian-1)/Rect[0 0 0 0]/P 5 0 R/V 4 0 R>>",
        b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/ByteRange[0 100 200 100]/Contents<00>>>",
    ]
    file, places = BytesIO(), list[int]()
    file.write(b"%PDF-1.7\n")
    for number in range(1, 5 + pages):
        places.append(file.tell())
        body = objects[number - 1] if number < 5 else b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = file.tell()
    file.write(b"xref\n0 %d\n0000000000 65535 f \n" % (5 + pages))
    file.writelines(b"%010d 00000 n \n" % place for place in places)
    file.write(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (5 + pages, table))
    return file.getvalue()


@dataclass(frozen=True)
class Target:
    """A web server at a loopback address of this machine, and the host name that its visitors use."""

    host: str
    port: int
    name: str

    @classmethod
    def at(cls, origin: str, public: str = "") -> Target:
        host, _, port = origin.removeprefix("http://").partition(":")
        return cls(host, int(port), (public or origin).removeprefix("http://"))

    def head(self, line: str, **fields: str | int) -> bytes:
        """Return the head of a request. `fields`: its header fields, with _ for -."""
        lines = [f"{line} HTTP/1.1", f"Host: {self.name}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def kept(self) -> set[int]:
        """Return the client ports of all connections that the server's system still keeps, closed by it or not."""
        found = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, *_ = line.split()
            if int(local.rpartition(":")[2], 16) == self.port and state not in NOTHING_KEPT:
                found.add(int(remote.rpartition(":")[2], 16))
        return found


async def drip(target: Target, address: str) -> int | None:
    """Upload a file slowly to the check page, DRIP bytes a second. Return the status of the answer, or None if the hub
    hangs up."""
    reader, writer = await asyncio.open_connection(target.host, target.port)
    writer.write(
        target.head("POST /verify", X_Forwarded_For=address, Content_Type="application/pdf", Content_Length=19 << 20)
    )
    answered = asyncio.create_task(_status(reader))
    while not (await asyncio.wait([answered], timeout=0.1))[0]:
        writer.write(b"%" * (DRIP // 10))
    writer.transport.abort()
    return answered.result()


async def _status(reader: asyncio.StreamReader) -> int | None:
    with contextlib.suppress(OSError):
        words = (await reader.readline()).split()
        return int(words[1]) if words else None
    return None


class Stalled:
    """A connection that sends a request and then reads little or nothing. Its receive buffer is tiny."""

    def __init__(self, target: Target, sent: bytes) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.connect((target.host, target.port))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        with contextlib.suppress(BlockingIOError):
            self._socket.send(sent)

    async def read(self, per_second: int, most: int = 1 << 40) -> bytes:
        """Read `per_second` bytes a second until `most` bytes have come or the server has hung up. Return the bytes."""
        loop, came = asyncio.get_running_loop(), bytearray()
        with contextlib.suppress(ConnectionError):
            while len(came) < most and (piece := await loop.sock_recv(self._socket, per_second // 10)):
                came += piece
                await asyncio.sleep(0.1)
        return bytes(came)

    def close(self) -> None:
        self._socket.close()


async def drop_seconds(target: Target, stalled: Sequence[Stalled], seconds: float) -> list[float]:
    """Wait until the server's system has dropped each connection, for at most `seconds`. Return how long each one was
    kept, in seconds; those that are still kept count as `seconds`."""
    loop = asyncio.get_running_loop()
    begun, left = loop.time(), {each.port for each in stalled}
    dropped: list[float] = []
    while left and loop.time() - begun < seconds:
        await asyncio.sleep(0.1)
        gone = left - target.kept()
        dropped += [loop.time() - begun] * len(gone)
        left -= gone
    return dropped + [seconds] * len(left)
