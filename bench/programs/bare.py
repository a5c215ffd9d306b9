"""Serve a prepared page after two SELECTs by hash, with only aiohttp and asyncpg. It uses no code of the product.

`bench.land` starts it as a program: `python -m bench.programs.bare PORT`, with DSN, hashes and page as JSON on input.
"""

from __future__ import annotations

import json
import sys

import asyncpg
from aiohttp import web

SESSION = "SELECT * FROM signing_session WHERE secret_hash = $1"
LINK = "SELECT * FROM sign_link WHERE ticket_hash = $1"


async def _app(asked: dict[str, str]) -> web.Application:
    pool = await asyncpg.create_pool(asked["dsn"], min_size=1, max_size=4)
    session, link = bytes.fromhex(asked["session"]), bytes.fromhex(asked["link"])

    async def land(request: web.Request) -> web.Response:
        async with pool.acquire() as connection:
            found = await connection.fetchrow(SESSION, session), await connection.fetchrow(LINK, link)
        if None in found:
            raise web.HTTPNotFound
        return web.Response(text=asked["page"], content_type="text/html")

    app = web.Application()
    app.router.add_get("/s/{ticket}", land)
    return app


if __name__ == "__main__":
    web.run_app(_app(json.loads(sys.stdin.readline())), host="127.0.0.1", port=int(sys.argv[1]), print=None)
