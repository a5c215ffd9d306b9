"""A timestamp service with a raw ledger: `openssl ts` behind a small handler.

python -m bench.services.timestamps FOLDER --ledger LEDGER      # its certificate is FOLDER/tsa.pem
"""

from __future__ import annotations

import argparse

from aiohttp import web
from asn1crypto import tsp

from bench.services.program import Service, run
from tests.channels.doubles.ledger import Ledger
from tests.timestamps.openssl_tsa import OpensslTsa


class SlowTimestamps:
    """The service. A request is in the ledger before openssl runs, and the serial number of the timestamp before the
    answer."""

    losing = frozenset({"/tsr"})

    def __init__(self, arguments: argparse.Namespace, ledger: Ledger) -> None:
        self._openssl, self._ledger = OpensslTsa(arguments.folder), ledger

    async def started(self, origin: str) -> None: ...

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/tsr", self._stamp)]

    async def _stamp(self, request: web.Request) -> web.Response:
        query = await request.read()
        imprint = tsp.TimeStampReq.load(query)["message_imprint"]["hashed_message"].native.hex()
        self._ledger.write("asked", imprint=imprint)
        reply = await self._openssl.reply(query)
        token = tsp.TimeStampResp.load(reply)["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        self._ledger.write("stamped", imprint=imprint, serial=str(token["serial_number"].native))
        return web.Response(body=reply, content_type="application/timestamp-reply")


def make(arguments: argparse.Namespace, ledger: Ledger) -> Service:
    return SlowTimestamps(arguments, ledger)


if __name__ == "__main__":
    run(make)
