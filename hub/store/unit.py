"""Unit of work: one transaction, one scope, and everything the store can do inside it.

    async with database.unit(scope) as unit:
        contract = await unit.contracts.locked(contract_id)
        ...

Leaving the block commits; an exception rolls back. Nothing may leave the building before the block is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hub.errors import DatabaseUnavailable
from hub.model.staff.accounts import Scope
from hub.store.contract.contracts import Contracts
from hub.store.contract.tasks import Tasks
from hub.store.evidence.record import Record
from hub.store.inbound.callback_writer import Inlet
from hub.store.inbound.callbacks import Callbacks
from hub.store.inbound.chat_accounts import Chats
from hub.store.inbound.inbound_sms import InboundMessages
from hub.store.joint import Joint
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.database_clock import DatabaseClock
from hub.store.kernel.heartbeats import Operations
from hub.store.kernel.jobs import Jobs
from hub.store.kernel.keys import Keys
from hub.store.kernel.periodic_tasks import Duties
from hub.store.messaging.budgets import Budgets
from hub.store.messaging.deliveries import Deliveries
from hub.store.messaging.delivery_items import Shares
from hub.store.messaging.opt_outs import OptOuts
from hub.store.messaging.providers import Providers
from hub.store.reminders.bulk import Many
from hub.store.reminders.ledger import Reminders
from hub.store.reminders.plans import Plans
from hub.store.reminders.policies import Policies
from hub.store.school.campuses import School
from hub.store.school.guests import Visitors
from hub.store.school.posters import Posters
from hub.store.signing.device_keys import AppKeys
from hub.store.signing.issued_certificates import Certificates
from hub.store.signing.links import Links
from hub.store.signing.pairings import Pairings
from hub.store.signing.passkeys import Passkeys
from hub.store.signing.sessions import Sessions
from hub.store.signing.signature_requests import Signatures
from hub.store.staff.alerts import Alerts
from hub.store.staff.dashboard import Board
from hub.store.staff.desk import Desk
from hub.store.staff.phone_changes import PhoneChanges
from hub.store.staff.task_assignment import Owners

Clock = Callable[[], datetime]
STATEMENT_SECONDS = 30
AWAY = (
    asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError, asyncpg.TooManyConnectionsError, asyncpg.DeadlockDetectedError,
    asyncpg.InternalClientError,
)  # fmt: skip
"""The server is down, going down (the driver may be surprised in the middle of a statement) or coming up, has no
connection left, or undid one of two that waited for each other: the same works again in a moment."""

# One statement, because every transaction begins with it.
_ENTER = text(
    "SELECT (SELECT clock_offset FROM demo_clock), clock_timestamp() FROM set_config('qianda.scope', :scope, true)"
)


class Unit:
    def __init__(
        self, connection: AsyncConnection, scope: Scope, cipher: Cipher, keys: Keys, now: datetime,
        clock_offset: timedelta,
    ) -> None:  # fmt: skip
        self.connection = connection
        self.scope = scope
        self.cipher = cipher
        self.now = now
        self._clock_offset = clock_offset
        self.record = Record(connection, cipher, self.now)
        self.contracts = Contracts(connection, cipher)
        self.tasks = Tasks(connection)
        self.links = Links(connection, keys)
        self.sessions = Sessions(connection)
        self.signatures = Signatures(connection)
        self.certificates = Certificates(connection)
        self.deliveries = Deliveries(connection, cipher)
        self.shares = Shares(connection)
        self.reminders = Reminders(connection)
        self.school = School(connection, cipher)
        self.desk = Desk(connection, cipher)
        self.jobs = Jobs(connection)
        self.duties = Duties(connection)
        self.board = Board(connection, cipher)
        self.many = Many(connection)
        self.operations = Operations(connection)
        self.owners = Owners(connection)
        self.providers = Providers(connection)
        self.budgets = Budgets(connection)
        self.callbacks = Callbacks(connection, cipher)
        self.inbound = InboundMessages(connection, cipher)
        self.alerts = Alerts(connection)
        self.chats = Chats(connection)
        self.opt_outs = OptOuts(connection, cipher)
        self.pairings = Pairings(connection, cipher)
        self.passkeys = Passkeys(connection)
        self.app_keys = AppKeys(connection, cipher)
        self.phone_changes = PhoneChanges(connection, cipher)
        self.plans = Plans(connection)
        self.policies = Policies(connection)
        self.posters = Posters(connection, keys)
        self.visitors = Visitors(connection, cipher)

    async def planning_now(self) -> datetime:
        """Now on the planning clock: planning, sending and deadlines go by it. Only a demo can move it ahead of the
        real one."""
        return self.now + self._clock_offset


class Database:
    """The pool of connections as the role `app`."""

    def __init__(self, dsn: str, keys: Keys, clock: Clock, pool_size: int = 8) -> None:
        self.dsn = dsn
        self.keys = keys
        self.clock = clock
        self.cipher = Cipher(keys)
        self.inlet = Inlet(self._connect)
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=pool_size,
            max_overflow=4,
            hide_parameters=True,  # an error is logged with its statement, and values may be anybody's
        )
        event.listen(self.engine.sync_engine, "checkout", _check_alive)

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(self.dsn, timeout=10, command_timeout=STATEMENT_SECONDS)

    @asynccontextmanager
    async def unit(self, scope: Scope, *, together: bool = False) -> AsyncIterator[Unit]:
        """One transaction. Raises DatabaseUnavailable when the server is away. `together`: for the steps of many, which
        read ahead and write at the end (see `hub.store.joint`)."""
        try:
            async with self.engine.begin() as connection:
                offset, theirs = (await connection.execute(_ENTER, {"scope": scope.setting})).one()
                if isinstance(self.clock, DatabaseClock):
                    self.clock.observe(theirs)
                used = Joint(connection) if together else connection
                yield Unit(used, scope, self.cipher, self.keys, self.clock(), offset or timedelta(0))
                if isinstance(used, Joint):
                    await used.bring_out()
                await self.before_commit()
        except (OSError, InterfaceError, *AWAY) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        except DBAPIError as error:
            if error.connection_invalidated or _is_away(error):
                raise DatabaseUnavailable(type(error).__name__) from error
            raise

    async def before_commit(self) -> None:
        """Nothing. A harness that kills processes at every commit overrides it."""

    async def close(self) -> None:
        await self.inlet.close()
        await asyncio.shield(self.engine.dispose())


def _check_alive(dbapi_connection: Any, *_: object) -> None:
    """A connection that its server has ended is not handed out. It costs no question: the socket has told us."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


def _is_away(error: BaseException | None) -> bool:
    """Whether any error behind this one says so: SQLAlchemy wraps asyncpg's twice."""
    while error is not None:
        if isinstance(error, AWAY):
            return True
        error = error.__cause__
    return False
