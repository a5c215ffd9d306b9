"""A timestamp service as a program of its own, with a raw ledger: `openssl ts` behind a small handler.

python -m bench.timestamp_service FOLDER LEDGER      # its address stands on standard output
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web
from asn1crypto import tsp

from tests.channels.doubles.ledger import Ledger
from tests.timestamps.openssl_tsa import OpensslTsa


async def serve(folder: Path, ledger: Ledger) -> None:
    ended, service = asyncio.Event(), OpensslTsa(folder)
    answer = service._answer

    async def noted(request: web.Request) -> web.Response:
        query = tsp.TimeStampReq.load(await request.read())
        reply = await answer(request)
        ledger.write("stamped", imprint=query["message_imprint"]["hashed_message"].native.hex())
        return reply

    service._answer = noted  # type: ignore[method-assign]  # before it is served
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    async with service.serving():
        print(service.url, flush=True)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Ledger.at(Path(sys.argv[2]))))
