"""Measure how long the console's contract list takes with very many contracts (`qianda bench board`).

The web process runs as in production. A request is timed from its first byte to the last byte of its answer, on one
connection; the page is requested uncompressed and compressed.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import aiohttp
from argon2 import PasswordHasher

from bench.programs.server import Server, made_server
from bench.results import Result, median, percentile
from bench.simulated.asleep import add_waiting_contracts
from bench.simulated.crowd import Crowd
from hub.model.staff.accounts import Staff
from hub.model.staff.password import new_password
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.wiring import build

ROUNDS, ASLEEP = 20, 200_000
FIRST = 10_000_000
LOGIN = "bench"
# Of a hundred contracts, 60 are completed and 30 wait for their signers; some of these have passed their deadline, some
# were read, and a few messages did not arrive. One in ten thousand phone numbers ends with the digits searched for.
MIXED = """
UPDATE contract SET state = CASE WHEN place < 60 THEN 'COMPLETED' WHEN place < 90 THEN 'ISSUED'
    WHEN place < 95 THEN 'EXPIRED' WHEN place < 98 THEN 'VOIDED' ELSE 'DECLINED' END,
  student_name = substr('陈林黄张李王吴刘蔡杨', 1 + place % 10, 1) || substr('安宁书瑶思齐望舒明澈', 1 + n % 10, 1)
    || chr(19968 + n % 2000),
  created_at = now() - n * interval '1 minute', issued_at = now() - n * interval '13 seconds',
  signed_at = CASE WHEN place < 60 THEN now() - n * interval '10 seconds' END,
  deadline = now() + (place - 62) * interval '1 day'
FROM (SELECT id AS mine, (row_number() OVER ())::int AS n, abs(hashtext(id::text)) % 100 AS place
  FROM contract) AS drawn
WHERE id = mine;
UPDATE signing_task SET state = 'SIGNED', signed_at = now(), opened_at = now(), next_step = NULL, next_due_at = NULL
FROM contract WHERE contract.id = signing_task.contract AND contract.state = 'COMPLETED';
UPDATE signing_task SET state = 'CLOSED', next_step = NULL, next_due_at = NULL
FROM contract WHERE contract.id = signing_task.contract AND contract.state IN ('EXPIRED', 'VOIDED', 'DECLINED');
UPDATE signing_task SET opened_at = now() WHERE state = 'OPEN' AND abs(hashtext(id::text)) % 3 = 0;
UPDATE delivery SET created_at = issued_at FROM contract WHERE contract.id = delivery.contract;
UPDATE delivery SET state = 'undelivered', failure_kind = 'transient' WHERE abs(hashtext(id::text)) % 20 = 0;
UPDATE signer SET name = '家长' || substr(person, 8);
UPDATE signer SET phone_tail_hash = sha256((abs(hashtext(id::text)) % 10000)::text::bytea),
  id_tail_hash = sha256((abs(hashtext(id::text)) % 10000)::text::bytea)
WHERE abs(hashtext(id::text)) % 10000 <> 101;
"""
PATHS = {
    "board": "/staff",
    "pending": "/staff?view=pending",
    "unreached": "/staff?view=unreached",
    "overdue": "/staff?view=overdue",
    "expired": "/staff?state=EXPIRED",
    "undelivered": "/staff?receipt=undelivered",
    "phone": "/staff?q={phone}",
    "last_four": "/staff?q={tail}",
    "name": "/staff?q={name}",
    "number": "/staff?q={number}",
    "refreshed": "/staff?part=live",
    "report_day": "/staff/reports",
    "report_campus": "/staff/reports?by=campus",
    "report_course": "/staff/reports?by=course",
    "report_channel": "/staff/reports?by=channel",
}


def run(rounds: int, asleep: int = ASLEEP) -> Result:
    """Measure each address `rounds` times, over `asleep` contracts."""
    return asyncio.run(_measured(rounds, asleep))


async def _measured(rounds: int, asleep: int) -> Result:
    async with made_server() as server:
        crowd = await Crowd.of_school(server, {})
        await add_waiting_contracts(crowd, FIRST, asleep)
        password = await _staff(server)
        searched = await _mix(server)
        figures: dict[str, float] = {"contracts": asleep}
        rows: list[dict[str, Any]] = []
        async with server.running("serve"), aiohttp.ClientSession(server.origin, auto_decompress=False) as http:
            await _log_in(http, password)
            for name, path in PATHS.items():
                seconds, size = await _asked(http, path.format_map(searched), rounds)
                rows += [{"work": name, "wall_s": each, "bytes": size} for each in seconds]
                figures |= {f"{name}_ms": median(seconds) * 1000, f"{name}_p95_ms": percentile(seconds, 0.95) * 1000}
                figures[f"{name}_kb"] = size / 1024
        return Result("board", figures, rows)


async def _mix(server: Server) -> dict[str, str]:
    """Give the contracts different states and people. Return the values to search for."""
    for statement in MIXED.split(";\n"):
        if statement.strip():
            await server.database.execute(statement)
    await server.database.execute("VACUUM ANALYZE contract, signer, signing_task, delivery")
    found = await server.database.fetchrow(
        "SELECT contract.number, student_name FROM contract ORDER BY created_at OFFSET 100 LIMIT 1"
    )
    assert found
    return {"phone": "%2B12025550101", "tail": "0101", "name": found["student_name"], "number": found["number"]}


async def _staff(server: Server) -> str:
    """Add an account of the head office. Return its password."""
    hub = await build(server.settings(), server.postgres.dsn("app"), demo=False)
    try:
        password = new_password()
        campus = await server.database.fetchval("SELECT id FROM campus WHERE parent IS NULL")
        # The password need not be changed, and the role needs no second factor.
        staff = Staff(uuid4(), LOGIN, "测试", campus, StaffRole.AUDITOR)
        async with hub.database.transaction(EVERYTHING) as tx:
            await tx.accounts.put_staff(staff, PasswordHasher().hash(password), tx.now)
        return password
    finally:
        await hub.close()


async def _log_in(http: aiohttp.ClientSession, password: str) -> None:
    form = {"login": LOGIN, "password": password}
    async with http.post("/staff/login", data=form, allow_redirects=False) as answer:
        if answer.status != 303:
            raise RuntimeError(f"no login: HTTP {answer.status}")
        http.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]


async def _asked(http: aiohttp.ClientSession, path: str, rounds: int) -> tuple[list[float], int]:
    """Return the seconds for each answer, and the size of one."""
    seconds, size = [], 0
    for _ in range(rounds + 1):
        started = time.perf_counter()
        async with http.get(path, allow_redirects=False) as answer:
            size = len(await answer.read())
            if answer.status != 200:
                raise RuntimeError(f"{path}: HTTP {answer.status}")
        seconds.append(time.perf_counter() - started)
    return seconds[1:], size
