"""A whole hub for tests: real PostgreSQL, a real SoftHSM token, the demo school, the web application and a worker, in
this process.

async with running_hub() as running:
    contract = await running.issue_minor()
    ...
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import aiohttp
import jinja2
from aiohttp import web
from aiohttp_jinja2 import APP_KEY
from argon2 import PasswordHasher

from hub.documents.contract.clauses import LIMITS, ClauseWriter
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.fonts import ContractFont
from hub.documents.pages import PagePainter
from hub.initialise import initialise
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.school.import_roster import load_school, put_staff_and_key
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.evidence.record import RecordEntry
from hub.model.signing.link import DoorKind
from hub.model.staff.operator_figures import MIN_COUNT_INTERVAL
from hub.model.staff.password_cost import PasswordCost
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED, Settings
from hub.settings.sections import TimestampSettings, TokenSettings
from hub.store.encryption.keys import Keys
from hub.store.server.installation import mark
from hub.store.transaction import Database
from hub.timestamps import TimestampAuthority
from hub.tokens.softhsm import create_token, module_path
from hub.wiring import Hub, build
from hub.worker.periodic_tasks import PURGED_EVERY, REPORTS_LOOKED_AT_EVERY, TREE_LOOKED_AT_EVERY
from hub.worker.worker import Worker, WorkerTimings
from tests.changed_services import change_services
from tests.database import MIGRATED, Dsns, Template, fresh_database, scratch_folder

API_KEY, PASSWORD, PIN = "test-api-key", "test-password", "1234"
# By default, a password's hash costs a fifth of a second. Tests log in hundreds of times.
CHEAP = PasswordCost(passes=1, memory=1024)
QUICK = PasswordHasher(CHEAP.passes, CHEAP.memory, CHEAP.lanes)
# Rounds that a worker takes for done when it starts: together more than a hundred statements on an empty database.
FIRST_ROUNDS = {
    **dict.fromkeys(
        ("reconcile", "reroute", "process_remaining_callbacks", "upkeep", "call_webhooks"),
        timedelta(seconds=WorkerTimings.upkeep_every),
    ),
    "count_rows": MIN_COUNT_INTERVAL,
    "purge": PURGED_EVERY,
    "build_hash_tree": TREE_LOOKED_AT_EVERY,
    "mail_reports": REPORTS_LOOKED_AT_EVERY,
}
# A one-time code in a message. A link may have six digits in a row as well, between letters.
ONE_TIME_CODE = re.compile(r"(?<![0-9A-Za-z])([0-9]{6})(?![0-9A-Za-z])")
# Many tests share the processors: a child that has to start may take longer than in a hub.
PATIENT = replace(LIMITS, seconds=120)
Found = TypeVar("Found")
GUARDIAN_PHONE, STUDENT_PHONE = "+8619000000101", "+8619000000102"
GUARDIAN_ID, MINOR_ID, ADULT_ID = "340104198501010019", "340104201209010016", "340104199901010012"


@dataclass
class MovableClock:
    """Real time plus an offset that a test sets."""

    offset: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, step: timedelta) -> None:
        self.offset += step

    def advance_to_noon(self) -> None:
        """Go to noon of the next day in China: no day ends there or in UTC while a test counts by it."""
        now = self().astimezone(ZoneInfo("Asia/Shanghai"))
        self.advance(now.replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1) - now)


@dataclass
class Running:
    hub: Hub
    origin: str
    clock: MovableClock
    worker: Worker
    http: aiohttp.ClientSession
    api_key: str = API_KEY
    password: str = PASSWORD
    app: web.Application | None = None
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    async def issue_minor(self, *, hold: bool = False, **changes: Any) -> Contract:
        """Issue a contract of a minor, whose guardian signs."""
        asked = replace(minor_with_guardian(), **changes)
        return await issue(self.hub.services, EVERYTHING, asked, "test", hold=hold)

    async def messages(self, phone: str = GUARDIAN_PHONE) -> list[dict[str, str]]:
        """Return the messages that the outbox has accepted for a number, oldest first, as the person reads them."""
        async with self.hub.database.transaction(EVERYTHING) as tx:
            inbox = await tx.deliveries.list_inbox(phone)
        render = self.hub.services.messaging.router.renderer.render_with_link
        return [
            {"purpose": each.purpose, "text": render(each, link).text, "at": each.created_at.isoformat()}
            for each, link in inbox
        ]

    async def message(self, purpose: str, phone: str = GUARDIAN_PHONE, count: int = 1) -> str:
        """Wait for the `count`-th message of a purpose. Return its text."""

        async def arrived() -> str | None:
            texts = [each["text"] for each in await self.messages(phone) if each["purpose"] == purpose]
            return texts[count - 1] if len(texts) >= count else None

        return await until(arrived)

    async def invited(self, *contracts: Contract) -> None:
        """Wait until all signers of these contracts are invited, each for this contract."""

        async def all_invited() -> bool:
            async with self.hub.database.transaction(EVERYTHING) as tx:
                tasks = [task for each in contracts for task in await tx.tasks.list_of_contract(each.id)]
            return all(task.invited_at for task in tasks)

        assert await until(all_invited)

    async def asleep_after_invitation(self, *contracts: Contract) -> None:
        """Wait until the invitations of these contracts are settled, so that their next step is a later one."""

        async def all_asleep() -> bool:
            async with self.hub.database.transaction(EVERYTHING) as tx:
                tasks = [task for each in contracts for task in await tx.tasks.list_of_contract(each.id)]
            return all(task.invited_at and task.step and task.step.kind.value != "invitation" for task in tasks)

        assert await until(all_asleep)

    async def ticket(self, contract: Contract, door: DoorKind = DoorKind.COPY, number: int = 0) -> str:
        async with self.hub.database.transaction(EVERYTHING) as tx:
            signer = (await tx.contracts.list_signers(contract.id))[number]
            return tx.links.ticket(await tx.links.get_for_door(signer, door, tx.now))

    async def state(self, contract: Contract) -> str:
        async with self.hub.database.transaction(EVERYTHING) as tx:
            return (await tx.contracts.get(contract.id)).state.value

    async def school_record(self) -> list[RecordEntry]:
        async with self.hub.database.transaction(EVERYTHING) as tx:
            installation = await tx.school.find_installation()
            assert installation
            return await tx.record.list_entries(installation)

    async def completed(self, contract: Contract) -> bytes:
        """Wait until the contract is completed. Return the final file."""

        async def final() -> bytes | None:
            async with self.hub.database.transaction(EVERYTHING) as tx:
                now = await tx.contracts.get(contract.id)
            return await self.hub.services.files.get(str(now.document)) if now.state == "COMPLETED" else None

        return await until(final)


async def until(look: Callable[[], Awaitable[Found | None]], seconds: float = 120) -> Found:
    """Ask again until there is an answer. Return it. The test fails if there is none within `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    pause = 0.02
    while not (found := await look()):
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(pause)
        pause = min(pause * 1.2, 0.2)  # a long wait leaves the processor to what is waited for
    return found


def minor_with_guardian() -> NewContract:
    guardian = NewSigner(Role.GUARDIAN, "陈建国", GUARDIAN_PHONE, GUARDIAN_ID, relation="父亲")
    return NewContract("hefei", NewStudent("陈小满", "cn-id", MINOR_ID), (guardian,), course="math-a")


async def prepare_school(database: Database) -> None:
    """Load the demo school with an account of headquarters and an API key. None of it is sealed with the hub's own
    key."""
    await load_school(database, PACKED / "demo" / "seeds")
    await put_staff_and_key(database, login="demo", password=PASSWORD, api_key=API_KEY)


async def _school(dsns: Dsns) -> None:
    await mark(dsns.owner, "demo", datetime.now(UTC))
    database = Database(dsns.app, Keys.derived_from(secrets.token_bytes(32)), lambda: datetime.now(UTC))
    try:
        await prepare_school(database)
        async with database.transaction(EVERYTHING) as tx:
            demo = await tx.accounts.get_login("demo", tx.now)
            assert demo
            await tx.accounts.put_staff(demo.staff, QUICK.hash(PASSWORD), tx.now)
    finally:
        await database.close()


SCHOOL = Template("template_school", _school, base=MIGRATED)


@cache
def token_settings() -> TokenSettings:
    """Return one token for all hubs of this process: a PKCS#11 module is loaded once, and reads its configuration
    once."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-token-"))
    atexit.register(shutil.rmtree, folder)
    create_token(folder, "test", PIN)
    return TokenSettings(module=str(module_path()), label="test", pin=PIN)


@cache
def clause_writer() -> ClauseWriter:
    writer = ClauseWriter(PATIENT)
    atexit.register(writer.close)
    return writer


@cache
def documents(templates: Path = PACKED / "templates" / "contracts") -> tuple[ContractPrinter, PagePainter]:
    """Return one printer and one painter for all hubs of this process. The painter's child processes are reused;
    neither depends on a hub."""
    painter = PagePainter()
    atexit.register(painter.close)
    return ContractPrinter(ContractTemplates(templates), clause_writer(), ContractFont()), painter


def demanding_templates(folder: Path, demands: str) -> Path:
    """Copy the project's contract templates, with further lines in front of each `template.toml`. Return the folder."""
    shutil.copytree(PACKED / "templates" / "contracts", folder)
    for path in folder.glob("*/template.toml"):
        path.write_text(f"{demands}\n{path.read_text('utf-8')}", "utf-8")
    return folder


class CompiledPages(jinja2.BytecodeCache):
    """Page templates that this process has compiled once, for all hubs."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if code := self._code.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED_PAGES = CompiledPages()


@dataclass(frozen=True)
class BuiltHub:
    """A hub that does nothing by itself yet, and the socket of its address."""

    hub: Hub
    listening: socket.socket

    @contextlib.asynccontextmanager
    async def run(self, clock: MovableClock, *, with_web: bool, with_worker: bool) -> AsyncIterator[Running]:
        """Run the pages and a worker of this hub, each as new."""
        hub = self.hub
        async with contextlib.AsyncExitStack() as stack:
            app = await stack.enter_async_context(_served(hub, self.listening.dup())) if with_web else None
            # The hub closes idle connections before long: a test that comes later must not take one up again.
            connector = aiohttp.TCPConnector(keepalive_timeout=5)
            http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            worker = Worker(hub)
            if with_worker:
                async with hub.database.transaction(EVERYTHING) as tx:
                    for task, interval in FIRST_ROUNDS.items():
                        await tx.task_times.take(task, interval)
                await stack.enter_async_context(_working(worker))
            yield Running(hub, hub.services.origin, clock, worker, http, app=app)


@contextlib.asynccontextmanager
async def running_hub(
    *,
    with_worker: bool = True,
    with_web: bool = True,
    timestamps: TimestampAuthority | None = None,
    clock: MovableClock | None = None,
    tsa: TimestampSettings | None = None,
    configured: Mapping[str, Any] | None = None,
    templates: Path | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[Running]:
    """Run a hub in this process.

    `configured`: further settings, as a configuration file would contain them. `templates`: instead of the project's.
    `host`: this machine's name in the public address; passkeys need a name, `localhost`.
    """
    moving = clock or MovableClock()
    more = dict(configured or {}) | ({"timestamps": tsa} if tsa else {})
    async with built_hub(moving, more, host=host) as built:
        hub = built.hub
        if templates:
            printer, painter = documents(templates)
            hub = replace(hub, services=change_services(hub.services, "documents", printer=printer, pages=painter))
        if timestamps:
            hub = replace(hub, services=change_services(hub.services, "sealing", timestamps=timestamps))
        async with replace(built, hub=hub).run(moving, with_web=with_web, with_worker=with_worker) as running:
            yield running


@contextlib.asynccontextmanager
async def built_hub(
    clock: MovableClock, configured: Mapping[str, Any], *, host: str = "127.0.0.1"
) -> AsyncIterator[BuiltHub]:
    """Make the database and the data folder of a hub, and build it. The arguments are those of `running_hub`."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-hub-", dir=scratch_folder()))
    listening = socket.create_server(("127.0.0.1", 0))
    origin = f"http://{host}:{listening.getsockname()[1]}"
    usual = {"token": token_settings(), "timestamps": TimestampSettings()}
    settings = Settings.load(data=folder, origin=origin, **(usual | dict(configured)))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, True)
        stack.callback(listening.close)
        dsns = await stack.enter_async_context(fresh_database(SCHOOL))
        await initialise(settings, dsns.owner, clock)
        hub = await build(settings, dsns.app, demo=True, clock=clock)
        stack.push_async_callback(hub.close)
        printer, painter = documents()
        changed = change_services(hub.services, "documents", printer=printer, pages=painter)
        yield BuiltHub(replace(hub, services=replace(changed, password_cost=CHEAP)), listening)


@contextlib.asynccontextmanager
async def _served(hub: Hub, listening: socket.socket) -> AsyncIterator[web.Application]:
    from hub.web.app import make_app  # only tests that need the pages import them

    app = make_app(hub)
    app[APP_KEY].bytecode_cache = _COMPILED_PAGES
    runner = web.AppRunner(app)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    try:
        yield app
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _working(worker: Worker) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    await worker.ready.wait()
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)
