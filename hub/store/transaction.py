"""The unit of work: one transaction with one scope, and all repositories of the store.

    async with database.transaction(scope) as tx:
        contract = await tx.contracts.locked(contract_id)
        ...

Leaving the block commits; an exception rolls back. No outside call is made inside the block.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cached_property

import asyncpg

from hub.errors import BadInput, DatabaseUnavailable
from hub.model.staff.accounts import EVERYTHING, Scope
from hub.store.contract.cases import Cases
from hub.store.contract.contracts import Contracts
from hub.store.contract.tasks import Tasks
from hub.store.evidence.old_rows import OldRowStore
from hub.store.evidence.packages import EvidencePackages
from hub.store.evidence.person_erasure import PersonErasure
from hub.store.evidence.person_rows import PersonRows
from hub.store.evidence.record import Record
from hub.store.evidence.stored_files import StoredFiles
from hub.store.evidence.trees import HashTrees
from hub.store.inbound.callback_writer import Inlet
from hub.store.inbound.callbacks import Callbacks
from hub.store.inbound.chat_accounts import Chats
from hub.store.inbound.inbound_sms import InboundMessages
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.connection import Connection, Driver, open_connection
from hub.store.kernel.database_clock import DatabaseClock
from hub.store.kernel.heartbeats import Operations
from hub.store.kernel.jobs import Jobs
from hub.store.kernel.keys import Keys
from hub.store.kernel.operator_figures import OperatorFigures
from hub.store.kernel.periodic_tasks import Duties
from hub.store.kernel.pool import ConnectionPool
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.budgets import Budgets
from hub.store.messaging.deliveries import Deliveries
from hub.store.messaging.delivery_items import Shares
from hub.store.messaging.message_facts import MessageFactsReader
from hub.store.messaging.opt_outs import OptOuts
from hub.store.messaging.pause import SendingPauses
from hub.store.messaging.providers import Providers
from hub.store.messaging.reported_deliveries import ReportedDeliveries
from hub.store.reminders.bulk import Many
from hub.store.reminders.due_steps import DueSteps
from hub.store.reminders.ledger import Reminders
from hub.store.reminders.plans import Plans
from hub.store.reminders.policies import Policies
from hub.store.school.campuses import School
from hub.store.school.enrolments import Enrolments
from hub.store.school.guests import Visitors
from hub.store.school.issue_acts import IssueActs
from hub.store.school.posters import Posters
from hub.store.school.roster_imports import RosterImports
from hub.store.school.rosters import Rosters
from hub.store.signing.device_keys import AppKeys
from hub.store.signing.issued_certificates import Certificates
from hub.store.signing.links import Links
from hub.store.signing.pairings import Pairings
from hub.store.signing.passkeys import Passkeys
from hub.store.signing.sessions import Sessions
from hub.store.signing.signature_requests import Signatures
from hub.store.staff.accounts import Accounts
from hub.store.staff.alerts import Alerts
from hub.store.staff.api_keys import ApiKeys
from hub.store.staff.dashboard import Board
from hub.store.staff.idempotency import Idempotency
from hub.store.staff.phone_changes import PhoneChanges
from hub.store.staff.second_factors import SecondFactors
from hub.store.staff.staff_tasks import StaffTasks
from hub.store.staff.task_assignment import Owners

Clock = Callable[[], datetime]
# Seconds until a new connection stands, until a statement is cut off, until a lost transaction is undone.
CONNECT_TIMEOUT, STATEMENT_TIMEOUT, ROLLBACK_TIMEOUT = 10.0, 30.0, 5.0
# Seconds for which a process goes on to seal with the key that its last transaction found current.
SEALING_KEY_KNOWN_FOR = 2.0
# Errors after which the same transaction may succeed in a moment: the server is down, is stopping (perhaps in the
# middle of a statement) or starting, has no connection left, or rolled back one of two transactions in a deadlock.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InternalClientError,
)

# One statement, because every transaction begins with it.
_ENTER = SqlStatement(
    "SELECT (SELECT clock_offset FROM demo_clock) AS clock_offset, clock_timestamp() AS theirs, key.id AS sealing_key,"
    " key.refuses_unbound FROM set_config('qianda.scope', :scope, true) LEFT JOIN sealing_key AS key ON key.is_current"
)
_SET_SCOPE = SqlStatement("SELECT set_config('qianda.scope', :scope, true)")


class Transaction:
    """One transaction with its repositories, each of which is built when it is first used.

    `now` is real time. `planning_now` is the planning clock, which counts for planning, sending and deadlines. Only a
    demo can set it ahead of real time.
    """

    def __init__(self, database: Database, connection: Connection, scope: Scope, planning_offset: timedelta) -> None:
        self.connection = connection
        self.scope = scope
        self.cipher = database.cipher
        self._keys = database.keys
        self.now = database.clock()
        self.planning_now = self.now + planning_offset

    @asynccontextmanager
    async def all_campuses(self) -> AsyncIterator[None]:
        """Lift the scope inside the block. For the school's record alone: its chain is one for all campuses. Whoever
        sees only a part of it would append to the wrong end."""
        await self.connection.execute(_SET_SCOPE, {"scope": EVERYTHING.setting})
        yield
        await self.connection.flush()  # writes that wait belong to the block
        await self.connection.execute(_SET_SCOPE, {"scope": self.scope.setting})

    @cached_property
    def record(self) -> Record:
        return Record(self.connection, self.cipher, self.now)

    @cached_property
    def packages(self) -> EvidencePackages:
        return EvidencePackages(self.connection)

    @cached_property
    def trees(self) -> HashTrees:
        return HashTrees(self.connection)

    @cached_property
    def contracts(self) -> Contracts:
        return Contracts(self.connection, self.cipher)

    @cached_property
    def cases(self) -> Cases:
        return Cases(self.connection, self.contracts, self.record)

    @cached_property
    def tasks(self) -> Tasks:
        return Tasks(self.connection)

    @cached_property
    def links(self) -> Links:
        return Links(self.connection, self._keys)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.connection)

    @cached_property
    def signatures(self) -> Signatures:
        return Signatures(self.connection)

    @cached_property
    def certificates(self) -> Certificates:
        return Certificates(self.connection)

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.connection, self.cipher)

    @cached_property
    def reported_deliveries(self) -> ReportedDeliveries:
        return ReportedDeliveries(self.connection)

    @cached_property
    def message_facts(self) -> MessageFactsReader:
        return MessageFactsReader(self.connection, self.cipher)

    @cached_property
    def shares(self) -> Shares:
        return Shares(self.connection)

    @cached_property
    def stored_files(self) -> StoredFiles:
        return StoredFiles(self.connection)

    @cached_property
    def old_rows(self) -> OldRowStore:
        return OldRowStore(self.connection)

    @cached_property
    def reminders(self) -> Reminders:
        return Reminders(self.connection)

    @cached_property
    def school(self) -> School:
        return School(self.connection, self.cipher)

    @cached_property
    def enrolments(self) -> Enrolments:
        return Enrolments(self.connection, self.cipher, self.scope)

    @cached_property
    def roster_imports(self) -> RosterImports:
        return RosterImports(self.connection)

    @cached_property
    def issue_acts(self) -> IssueActs:
        return IssueActs(self.connection, self.cipher)

    @cached_property
    def rosters(self) -> Rosters:
        return Rosters(self.connection, self.cipher)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.connection)

    @cached_property
    def second_factors(self) -> SecondFactors:
        return SecondFactors(self.connection, self.cipher)

    @cached_property
    def staff_tasks(self) -> StaffTasks:
        return StaffTasks(self.connection)

    @cached_property
    def api_keys(self) -> ApiKeys:
        return ApiKeys(self.connection, self.now)

    @cached_property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.connection, self.cipher)

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self.connection)

    @cached_property
    def duties(self) -> Duties:
        return Duties(self.connection)

    @cached_property
    def board(self) -> Board:
        return Board(self.connection, self.cipher)

    @cached_property
    def many(self) -> Many:
        return Many(self.connection)

    @cached_property
    def operations(self) -> Operations:
        return Operations(self.connection)

    @cached_property
    def figures(self) -> OperatorFigures:
        return OperatorFigures(self.connection)

    @cached_property
    def owners(self) -> Owners:
        return Owners(self.connection)

    @cached_property
    def providers(self) -> Providers:
        return Providers(self.connection)

    @cached_property
    def budgets(self) -> Budgets:
        return Budgets(self.connection)

    @cached_property
    def callbacks(self) -> Callbacks:
        return Callbacks(self.connection, self.cipher)

    @cached_property
    def inbound(self) -> InboundMessages:
        return InboundMessages(self.connection, self.cipher)

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self.connection)

    @cached_property
    def chats(self) -> Chats:
        return Chats(self.connection)

    @cached_property
    def opt_outs(self) -> OptOuts:
        return OptOuts(self.connection, self.cipher)

    @cached_property
    def pause(self) -> SendingPauses:
        return SendingPauses(self.connection)

    @cached_property
    def pairings(self) -> Pairings:
        return Pairings(self.connection, self.cipher)

    @cached_property
    def passkeys(self) -> Passkeys:
        return Passkeys(self.connection)

    @cached_property
    def app_keys(self) -> AppKeys:
        return AppKeys(self.connection, self.cipher)

    @cached_property
    def phone_changes(self) -> PhoneChanges:
        return PhoneChanges(self.connection, self.cipher)

    @cached_property
    def plans(self) -> Plans:
        return Plans(self.connection)

    @cached_property
    def due_steps(self) -> DueSteps:
        return DueSteps(self.connection, self.contracts, self.record)

    @cached_property
    def policies(self) -> Policies:
        return Policies(self.connection)

    @cached_property
    def posters(self) -> Posters:
        return Posters(self.connection, self._keys)

    @cached_property
    def persons(self) -> PersonRows:
        return PersonRows(self.connection, self.cipher, self.contracts)

    @cached_property
    def person_erasure(self) -> PersonErasure:
        return PersonErasure(self.connection, self.cipher)

    @cached_property
    def visitors(self) -> Visitors:
        return Visitors(self.connection, self.cipher)


class Database:
    """The connection pool, with the database role `app`."""

    def __init__(self, dsn: str, keys: Keys, clock: Clock, pool_size: int = 12) -> None:
        self.dsn = dsn
        self.keys = keys
        self.clock = clock
        self.cipher = Cipher(keys)
        self.inlet = Inlet(self._connect)
        self.pool = ConnectionPool(self._connect, pool_size)
        self._entered_at = 0.0

    async def _connect(self) -> Driver:
        return await open_connection(self.dsn, CONNECT_TIMEOUT, STATEMENT_TIMEOUT)

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncIterator[Transaction]:
        """Open one transaction. Raises DatabaseUnavailable if no server answers, BadInput for a NUL in a text."""
        try:
            driver = await self.pool.take()
            try:
                async with _begun(driver):
                    connection = Connection(driver)
                    entered = (await connection.execute(_ENTER, {"scope": scope.setting})).one()
                    if isinstance(self.clock, DatabaseClock):
                        self.clock.observe(entered["theirs"])
                    self._entered_at = time.monotonic()
                    self.cipher.observe(entered["sealing_key"] or "", bool(entered["refuses_unbound"]))
                    yield Transaction(self, connection, scope, entered["clock_offset"] or timedelta(0))
                    await connection.flush()
                    await self.before_commit()
            finally:
                self.pool.give_back(driver)
        except asyncpg.CharacterNotInRepertoireError as error:
            raise BadInput("a text contains a character that cannot be stored (NUL)") from error
        except (OSError, *AWAY) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        except asyncpg.InterfaceError as error:
            if isinstance(error, ValueError):  # a value that does not fit its column: nothing is wrong with the server
                raise
            raise DatabaseUnavailable(type(error).__name__) from error

    async def know_sealing_key(self) -> None:
        """Ask which key is current, unless a transaction has in the last moments: for values sealed outside of one."""
        if time.monotonic() - self._entered_at > SEALING_KEY_KNOWN_FOR:
            async with self.transaction(EVERYTHING):
                pass

    async def before_commit(self) -> None:
        """Do nothing. A test that kills processes at each commit overrides this."""

    async def close(self) -> None:
        await self.inlet.close()
        await asyncio.shield(self.pool.close())


@asynccontextmanager
async def _begun(driver: Driver) -> AsyncIterator[None]:
    """Begin a transaction, and commit it at the end; roll it back when anything is raised."""
    await driver.execute("BEGIN")
    try:
        yield
        await driver.execute("COMMIT")
    except BaseException:
        await _roll_back(driver)
        raise


async def _roll_back(driver: Driver) -> None:
    """A connection that cannot even do this is ended, and its server undoes the rest."""
    if not driver.is_closed():
        try:
            await asyncio.shield(driver.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            driver.terminate()
