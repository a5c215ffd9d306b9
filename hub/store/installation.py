"""What a database is for is written once, by the role `owner`: the demo never touches a database that it did not
make."""

from __future__ import annotations

from datetime import datetime

import asyncpg


async def mark(owner_dsn: str, kind: str, at: datetime) -> str:
    """Write `demo` or `production` unless something is written already; returns what stands there now."""
    connection = await asyncpg.connect(owner_dsn, timeout=10)
    try:
        await connection.execute(
            "INSERT INTO installation (one, kind, clock_offset, created_at) VALUES (true, $1, interval '0', $2)"
            " ON CONFLICT DO NOTHING", kind, at,
        )  # fmt: skip
        return str(await connection.fetchval("SELECT kind FROM installation"))
    finally:
        await connection.close()


async def kind_of(dsn: str) -> str:
    """What the database says it is for: `demo`, `production`, or nothing yet."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        if not await connection.fetchval("SELECT to_regclass('installation') IS NOT NULL"):
            return ""
        return str(await connection.fetchval("SELECT kind FROM installation") or "")
    finally:
        await connection.close()
