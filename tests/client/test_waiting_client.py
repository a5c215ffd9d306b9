"""A program that waits for a person does not run its event loop, so it does not see that a connection was closed."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from qianda import wire
from qianda.client import SigningClient


class Impatient(BaseHTTPRequestHandler):
    """Answers, and closes a connection that is idle for a moment."""

    protocol_version = "HTTP/1.1"
    timeout = 0.2

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_request(self, *values: object) -> None:
        """Print nothing."""


async def test_a_person_may_take_longer_than_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "KEEPALIVE_TIMEOUT", 0.1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Impatient)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        async with SigningClient(f"http://127.0.0.1:{server.server_port}") as client:
            await client.code()
            time.sleep(0.6)  # as `input` does
            await client.code()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
