"""One hub for many tests, each of which finds it as new: its rows and files are put back when it is lent again.

That takes a sixth of the time of making a hub, and the connections of the hub keep what they know of the schema. What
else the hub keeps in memory stays: a test that changes that makes a hub of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest_asyncio

from hub.worker.worker import Worker
from tests.running import MovableClock, Running, running_hub

# In seconds. A transaction that a test has left open makes the next test fail, instead of waiting for it for ever.
LOCK_TIMEOUT = 10
_NAMES = "SELECT oid::regclass::text FROM pg_class WHERE relkind::text = $1 AND relnamespace = 'public'::regnamespace"
_COLUMNS = (
    "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
    " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
)


@dataclass
class LentClock(MovableClock):
    """The clock of whoever has the hub at the moment."""

    of: MovableClock = field(default_factory=MovableClock)

    def __call__(self) -> datetime:
        return self.of()


class LentHub:
    """A hub with a copy of what its database and its folder contained when it was new. Nobody else may use it while it
    is lent."""

    def __init__(self, running: Running, clock: LentClock, admin: asyncpg.Connection, copy: Path, restore: str) -> None:
        self.lent = False
        self._running, self._clock, self._admin, self._copy, self._restore = running, clock, admin, copy, restore
        self._providers, self._used = running.hub.services.messaging.router.providers, False

    @contextlib.asynccontextmanager
    async def lend(self, clock: MovableClock) -> AsyncIterator[Running]:
        """Lend the hub as it was when it was new."""
        if self._used:
            await self._admin.execute(self._restore)
            data = self._running.hub.settings.data
            shutil.rmtree(data)
            shutil.copytree(self._copy, data)
            self._running.hub.services.messaging.router.providers = self._providers
        self.lent = self._used = True
        self._clock.of = clock
        try:
            yield replace(self._running, clock=clock, worker=Worker(self._running.hub))
        finally:
            self.lent = False


class Lender:
    """The hubs of one module, in the module's event loop, each made when it is first asked for."""

    current: Lender | None = None

    def __init__(self, stack: AsyncExitStack) -> None:
        self.loop = asyncio.get_running_loop()
        self._stack = stack
        self._hubs: dict[tuple[datetime | None, bool], LentHub] = {}

    async def get(self, clock: MovableClock, *, with_web: bool) -> LentHub:
        """Return the hub that was made in real time or, for a clock that stands still, at the same moment."""
        key = (None if type(clock) is MovableClock else clock()), with_web
        if key not in self._hubs:
            self._hubs[key] = await self._make(LentClock(of=clock), with_web)
        return self._hubs[key]

    async def _make(self, clock: LentClock, with_web: bool) -> LentHub:
        making = running_hub(with_web=with_web, with_worker=False, clock=clock)
        running = await self._stack.enter_async_context(making)
        data = running.hub.settings.data
        copy = data.with_name(f"{data.name}-new")
        shutil.copytree(data, copy)
        self._stack.callback(shutil.rmtree, copy)
        admin = await asyncpg.connect(running.hub.database.dsn.replace("//app@", "//superuser@"))
        self._stack.push_async_callback(admin.close)
        return LentHub(running, clock, admin, copy, await _restoring(admin))


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def lender() -> AsyncIterator[None]:
    """Let `lent_hub` lend hubs to the tests that run in the module's event loop."""
    async with AsyncExitStack() as stack:
        Lender.current = Lender(stack)
        yield
        Lender.current = None


@contextlib.asynccontextmanager
async def lent_hub(clock: MovableClock | None = None, *, with_web: bool) -> AsyncIterator[Running]:
    """Lend a hub without a worker that looks as new. Where no lender is in this event loop, or the hub is lent already,
    make one."""
    clock, current = clock or MovableClock(), Lender.current
    hub = (
        await current.get(clock, with_web=with_web) if current and current.loop is asyncio.get_running_loop() else None
    )
    made = running_hub(with_web=with_web, with_worker=False, clock=clock)
    async with hub.lend(clock) if hub and not hub.lent else made as running:
        yield running


async def _restoring(admin: asyncpg.Connection) -> str:
    """Return the statements that put the present rows back, in one transaction, whatever triggers would say."""
    tables, sequences = [[each[0] for each in await admin.fetch(_NAMES, kind)] for kind in "rS"]
    statements = ["SET session_replication_role = replica", f"SET lock_timeout = '{LOCK_TIMEOUT}s'"]
    statements += [f"DELETE FROM {table}" for table in tables]
    for table in tables:
        if rows := await admin.fetchval(f"SELECT quote_literal(json_agg({table})) FROM {table}"):
            columns = await admin.fetchval(_COLUMNS, table)
            found = f"SELECT {columns} FROM json_populate_recordset(NULL::{table}, {rows})"
            statements.append(f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE {found}")
    for name in sequences:
        set_back = f"SELECT format('SELECT setval(%L, %s, %L)', '{name}', last_value, is_called) FROM {name}"
        statements.append(await admin.fetchval(set_back))
    return ";".join(statements)
