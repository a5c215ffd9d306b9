"""One hub for many tests and modules, each of which finds it as new: its rows and files are put back when it is lent
again.

That takes a sixth of the time of making a hub, and the connections of the hub keep what they know of the schema. What
else the hub keeps in memory stays: a test that changes that makes a hub of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import asyncpg

from hub.model.staff.scope import EVERYTHING
from tests.running import BuiltHub, MovableClock, Running, built_hub, running_hub

# Hubs that a process keeps besides those that are lent. All their connections go to the one server of the test run.
MAX_IDLE = 4
# In seconds. A transaction that a test has left open makes the next test fail, instead of waiting for it for ever.
LOCK_TIMEOUT = 10
_NAMES = "SELECT oid::regclass::text FROM pg_class WHERE relkind::text = $1 AND relnamespace = 'public'::regnamespace"
_COLUMNS = (
    "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
    " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
)
# What no test may leave changed, since only rows are put back: tables, columns, functions, rights, triggers,
# constraints and policies.
_SCHEMA = """
SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
  SELECT concat_ws(' ', oid, relname, relacl, relrowsecurity, relhasrules) AS line FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', attrelid, attname, atttypid, atttypmod, attnotnull, atthasdef, attacl)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', oid, proname, md5(prosrc), prosecdef, proconfig, proacl) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
  UNION ALL SELECT concat_ws(' ', tgrelid, tgname, tgfoid, tgenabled) FROM pg_trigger
  UNION ALL SELECT concat_ws(' ', conrelid, conname) FROM pg_constraint
  UNION ALL SELECT concat_ws(' ', polrelid, polname, polcmd, polroles, polqual, polwithcheck) FROM pg_policy
) AS lines
"""


@dataclass
class LentClock(MovableClock):
    """The clock of whoever has the hub at the moment."""

    of: MovableClock = field(default_factory=MovableClock)

    def __call__(self) -> datetime:
        return self.of()


class LentHub:
    """A hub with a copy of what its database and its folder contained when it was new. Nobody else may use it while it
    is lent."""

    def __init__(self, built: BuiltHub, clock: LentClock, admin: asyncpg.Connection, copy: Path, restore: str) -> None:
        self.key, self.lent, self.closing = "", False, AsyncExitStack()
        self._built, self._clock, self._admin, self._copy, self._restore = built, clock, admin, copy, restore
        self._schema = ""
        self._providers, self._used = built.hub.services.messaging.router.providers, False

    @contextlib.asynccontextmanager
    async def lend(self, clock: MovableClock, *, with_web: bool, with_worker: bool) -> AsyncIterator[Running]:
        """Lend the hub as it was when it was new. Its pages and its worker are new."""
        self._clock.of = clock
        try:
            await self._be_as_new()
        except BaseException:  # it stays lent: nobody else gets what the test before has broken
            await self.closing.aclose()
            raise
        try:
            async with self._built.run(clock, with_web=with_web, with_worker=with_worker) as running:
                yield running
        except BaseException as error:
            try:
                await self._take_back()
            except Exception as further:
                error.add_note(f"and then: {further!r}")
            raise
        await self._take_back()

    async def _take_back(self) -> None:
        """Let the hub be lent again. Close it and raise an error if its schema was changed or cannot be read."""
        is_changed = True
        try:
            is_changed = await self._admin.fetchval(_SCHEMA) != self._schema
        finally:
            if is_changed:
                await self.closing.aclose()  # it stays lent, as above
        if is_changed:
            raise AssertionError("this test has changed the schema of a lent hub: take `running_hub`")
        self.lent = False

    async def _be_as_new(self) -> None:
        hub = self._built.hub
        if self._used:
            await self._admin.execute(self._restore)
            shutil.rmtree(hub.settings.data)
            shutil.copytree(self._copy, hub.settings.data)
            hub.services.messaging.router.providers = self._providers
        else:
            self._schema = str(await self._admin.fetchval(_SCHEMA))
        self._used = True
        # The hub does not look for texts again for seconds, and would send those of the test before.
        async with hub.database.transaction(EVERYTHING) as tx:
            await hub.services.messaging.texts.refresh(tx, at_once=True)


class Lender:
    """The hubs of one event loop, each made when none of its kind is free."""

    of: ClassVar[dict[asyncio.AbstractEventLoop, Lender]] = {}

    def __init__(self) -> None:
        self._hubs: list[LentHub] = []

    async def get(self, clock: MovableClock, configured: Mapping[str, Any], host: str) -> LentHub:
        """Return a hub that was made with the same arguments and, by its clock, at the same moment."""
        made_at = clock.offset if type(clock) is MovableClock else clock()
        key = json.dumps([str(made_at), configured, host], sort_keys=True)
        idle = [hub for hub in self._hubs if not hub.lent and hub.key != key]
        await self._close(idle[:-MAX_IDLE])  # those that were lent longest ago
        found = next((hub for hub in reversed(self._hubs) if hub.key == key and not hub.lent), None)
        if found:
            self._hubs.remove(found)
        else:
            found = await self._make(LentClock(of=clock), configured, host)
            found.key = key
        self._hubs.append(found)
        found.lent = True
        return found

    async def close(self) -> None:
        await self._close(self._hubs.copy())

    async def _close(self, hubs: list[LentHub]) -> None:
        async with AsyncExitStack() as each:  # closes the others even if one fails
            for hub in hubs:
                self._hubs.remove(hub)
                each.push_async_callback(hub.closing.aclose)

    async def _make(self, clock: LentClock, configured: Mapping[str, Any], host: str) -> LentHub:
        async with AsyncExitStack() as stack:
            built = await stack.enter_async_context(built_hub(clock, configured, host=host))
            data = built.hub.settings.data
            copy = data.with_name(f"{data.name}-new")
            shutil.copytree(data, copy)
            stack.callback(shutil.rmtree, copy)
            admin = await asyncpg.connect(built.hub.database.dsn.replace("//app@", "//superuser@"))
            stack.push_async_callback(admin.close)
            hub = LentHub(built, clock, admin, copy, await _restoring(admin))
            hub.closing = stack.pop_all()
            return hub


@contextlib.asynccontextmanager
async def lending() -> AsyncIterator[None]:
    """Let `lent_hub` lend hubs in this event loop."""
    loop = asyncio.get_running_loop()
    lender = Lender.of[loop] = Lender()
    try:
        yield
    finally:
        del Lender.of[loop]
        await lender.close()


@contextlib.asynccontextmanager
async def lent_hub(
    clock: MovableClock | None = None,
    *,
    with_web: bool = True,
    with_worker: bool = True,
    configured: Mapping[str, Any] | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[Running]:
    """Lend a hub that looks as new. Where no lender is in this event loop, make one. The arguments are those of
    `running_hub`."""
    clock, configured = clock or MovableClock(), configured or {}
    if found := Lender.of.get(asyncio.get_running_loop()):
        hub = await found.get(clock, configured, host)
        async with hub.lend(clock, with_web=with_web, with_worker=with_worker) as running:
            yield running
        return
    made = running_hub(clock=clock, with_web=with_web, with_worker=with_worker, configured=configured, host=host)
    async with made as running:
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
