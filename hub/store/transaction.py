"""The unit of work: one transaction with one scope, and all repositories of the store.

    async with database.transaction(scope) as tx:
        contract = await tx.contracts.lock_contract(contract_id)
        ...

Leaving the block commits; an exception rolls back. No outside call is made inside the block.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg

from hub.errors import BadInput, DatabaseUnavailable, DiskFull
from hub.model.staff.accounts import ApiKey
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys
from hub.store.files.free_space import explain_full_disk
from hub.store.inbound.callback_writer import CallbackWriter
from hub.store.kernel.connection import PLAN_FOR_VALUES, Connection, Driver, Row, open_connection
from hub.store.kernel.database_clock import DatabaseClock
from hub.store.kernel.opening import Entrance, Opening, by_key, by_scope
from hub.store.kernel.pool import ConnectionPool
from hub.store.kernel.statement import SqlStatement
from hub.store.repositories import Repositories
from hub.store.staff.accounts import key_hash
from hub.store.staff.api_keys import read_caller

Clock = Callable[[], datetime]
# Timeouts in seconds: to open a connection, to run a statement, to roll back a failed transaction.
CONNECT_TIMEOUT, STATEMENT_TIMEOUT, ROLLBACK_TIMEOUT = 10.0, 30.0, 5.0
# Seconds for which a process may encrypt with the key that was current in its last transaction.
SEALING_KEY_KNOWN_FOR = 2.0
# Errors after which the same transaction may succeed in a moment: the server is down, is stopping (perhaps in the
# middle of a statement) or starting, has no connection left, or rolled back one of two transactions in a deadlock;
# or it refuses new connections, because the password was changed or the database is being restored.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InternalClientError,
)

_SET_SCOPE = SqlStatement("SELECT set_config('qianda.scope', :scope, true)")


class Transaction(Repositories):
    """One transaction with its repositories.

    `now` is real time. `planning_now` is the time of the planning clock, for planning, sending and deadlines. Only a
    demo can set it ahead of real time.
    """

    def __init__(self, database: Database, connection: Connection, scope: Scope, planning_offset: timedelta) -> None:
        super().__init__(connection, database.cipher, database.keys, scope, database.clock())
        self.planning_now = self.now + planning_offset

    async def read_together(self, reads: Sequence[Opening]) -> None:
        """Run these reads as one statement. The rows of each are kept until the transaction runs it."""
        first, *others = reads
        await self.connection.read_together(replace(first, also=others))

    @asynccontextmanager
    async def all_campuses(self) -> AsyncIterator[None]:
        """Lift the scope inside the block. Use this only for the school's record: it is one chain for all campuses, and
        a transaction that sees only a part of it would append to the wrong entry."""
        await self.connection.execute(_SET_SCOPE, {"scope": EVERYTHING.setting})
        yield
        await self.connection.flush()  # the kept writes belong to the block
        await self.connection.execute(_SET_SCOPE, {"scope": self.scope.setting})


async def _nothing() -> None:
    pass


class Database:
    """The connection pool, with the database role `app`."""

    def __init__(self, dsn: str, keys: Keys, clock: Clock, pool_size: int = 12) -> None:
        self.dsn = dsn
        self.keys = keys
        self.clock = clock
        self.cipher = Cipher(keys)
        self.callback_writer = CallbackWriter(self._connect)
        self.pool = ConnectionPool(self._connect, pool_size)
        self._entered_at = 0.0
        # Awaited before each commit. Tests use this to end a process there, or to let another transaction go first. A
        # write that is a whole transaction commits by itself, so this is awaited before it.
        self.before_commit = _nothing

    async def _connect(self) -> Driver:
        return await open_connection(self.dsn, CONNECT_TIMEOUT, STATEMENT_TIMEOUT)

    @asynccontextmanager
    async def transaction(self, scope: Scope, opening: Opening | None = None) -> AsyncIterator[Transaction]:
        """Open one transaction. Raises DatabaseUnavailable if no server answers, DiskFull, BadInput for NUL in a text.

        `opening`: what the transaction reads first.
        """
        async with self._entered(by_scope(scope.setting), opening) as (connection, entered):
            yield Transaction(self, connection, scope, entered["clock_offset"] or timedelta(0))

    @asynccontextmanager
    async def transaction_by_key(
        self, secret: str, opening: Opening | None = None
    ) -> AsyncIterator[tuple[Transaction, ApiKey]]:
        """Open one transaction in the scope of an API key, and yield the key too. The key is looked up in the statement
        that also runs the opening. Raises KeyNotValid, and what `transaction` raises.
        """
        assert opening is None or not opening.is_write, "it would be committed before the end of the key is checked"
        async with self._entered(by_key(key_hash(secret)), opening) as (connection, entered):
            key, scope = read_caller(entered["caller"], self.clock())
            yield Transaction(self, connection, scope, entered["clock_offset"] or timedelta(0)), key

    @asynccontextmanager
    async def _entered(self, entrance: Entrance, opening: Opening | None) -> AsyncIterator[tuple[Connection, Row]]:
        """Open one transaction and enter it as `_enter` does. Commit it at the end; raise the hub's own errors."""
        with _own_errors():
            driver = await self.pool.take()
            try:
                async with _begun(driver, opening):
                    connection, entered = await self._enter(driver, entrance, opening)
                    with explain_full_disk():  # what the caller writes beside the database
                        yield connection, entered
                    await connection.flush()
                    if opening is None or not opening.is_write:
                        await self.before_commit()
            finally:
                self.pool.give_back(driver)

    async def _enter(self, driver: Driver, entrance: Entrance, opening: Opening | None) -> tuple[Connection, Row]:
        """Set the scope and run the opening. Note the clock and the keys of the database."""
        connection = Connection(driver, opening is not None and opening.plans_for_values)
        if opening is not None and opening.is_write:
            await self.before_commit()
        entered = await connection.enter(entrance, opening)
        if opening is not None and opening.is_all:
            connection.end()
        if isinstance(self.clock, DatabaseClock):
            self.clock.observe(entered["theirs"])
        self._entered_at = time.monotonic()
        self.cipher.observe(entered["sealing_key"] or "", bool(entered["refuses_unbound"]))
        return connection, entered

    async def know_sealing_key(self) -> None:
        """Ask which key is current, unless a transaction did so a moment ago. Call this before encrypting outside a
        transaction."""
        if time.monotonic() - self._entered_at > SEALING_KEY_KNOWN_FOR:
            async with self.transaction(EVERYTHING):
                pass

    async def close(self) -> None:
        await self.callback_writer.close()
        await asyncio.shield(self.pool.close())


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise the hub's own error in place of the driver's inside the block."""
    try:
        yield
    except asyncpg.CharacterNotInRepertoireError as error:
        raise BadInput("a text contains a character that cannot be stored (NUL)") from error
    except asyncpg.DiskFullError as error:
        raise DiskFull("no space is left for the database") from error
    except (OSError, *AWAY) as error:
        raise DatabaseUnavailable(type(error).__name__) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a value that does not fit its column: nothing is wrong with the server
            raise
        raise DatabaseUnavailable(type(error).__name__) from error


@asynccontextmanager
async def _begun(driver: Driver, opening: Opening | None) -> AsyncIterator[None]:
    """Begin a transaction, and commit it at the end; roll it back when anything is raised. An opening that is the whole
    transaction needs no BEGIN, unless it is planned for its values."""
    plans_for_values = opening is not None and opening.plans_for_values
    if opening is not None and opening.is_all and not plans_for_values:
        yield
        return
    await driver.execute(f"BEGIN; {PLAN_FOR_VALUES}" if plans_for_values else "BEGIN")
    try:
        yield
        if await driver.execute("COMMIT") != "COMMIT":  # the server rolls back after an error that nobody has raised
            raise RuntimeError("an error in a transaction was not raised")
    except BaseException:
        await _roll_back(driver)
        raise


async def _roll_back(driver: Driver) -> None:
    """Roll back. If the connection cannot even do this, close it, so that the server rolls back."""
    if not driver.is_closed():
        try:
            await asyncio.shield(driver.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            driver.terminate()
