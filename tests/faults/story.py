"""The story of one contract in one process: the hub with its worker, and the person who signs. A story can be resumed.
It ends a day later, when the files are deleted that nobody needs any more.

A person who was interrupted does what people would do: open the link of the invitation again, ask for a new code, and
sign unless that is done.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp import web
from sqlalchemy import text

from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.fonts import ContractFont
from hub.documents.ofd.write import OfdFacts, write_ofd
from hub.errors import WrongAnswer
from hub.initialise import initialise
from hub.lifecycle.evidence.delete_files import delete_superseded
from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.lifecycle.sealing.seals.sm2_seals import make_sm2_seal
from hub.lifecycle.signing.entry import open_link, verify_identity
from hub.lifecycle.signing.entry.see_page import see_page
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import TaskState
from hub.model.staff.scope import EVERYTHING, Actor
from hub.settings import PACKED, Settings
from hub.web.app import make_app
from hub.wiring import Hub, build
from hub.worker.worker import Worker, WorkerTimings
from tests.connected_providers import carried_by
from tests.documents.contract_samples import ISSUED_AT, minor
from tests.faults.boundaries import Boundary, Watch, watch
from tests.faults.provider import ProviderChannel, texts
from tests.lifecycle.signer import Person
from tests.running import API_KEY, CHEAP, MINOR_ID, ONE_TIME_CODE, MovableClock, Running

TICKET = re.compile(r"/s/(\w+)")
# By then the files that a signature has superseded go.
A_DAY_LATER = timedelta(days=1, hours=1)
TIMINGS = WorkerTimings(upkeep_every=0.25, job_lease=timedelta(seconds=1.5), queue_rests=timedelta(seconds=0.5))


@dataclass(frozen=True)
class Plan:
    """The orders for one process. `ahead`: seconds by which its clock is ahead of real time, because a story is resumed
    later."""

    data: str
    dsn: str
    owner: str
    provider: str
    number: int
    ahead: float
    ledger: str
    seal_ledger: str
    kill_at: str = ""

    def json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def external_id(self) -> str:
        return f"story-{self.number}"

    @property
    def phone(self) -> str:
        return f"+86190001{self.number:05d}"


def warm_up() -> None:
    """Write the OFD of a contract, so that stories inherit what a hub keeps of one. A child of its own lays it out."""
    writer = ClauseWriter()
    printer = ContractPrinter(ContractTemplates(PACKED / "templates" / "contracts"), writer, ContractFont())
    laid_out = printer.lay_out_by(printer.templates.get("course", "zh"), minor(), guarded=True)
    write_ofd(laid_out.pdf, OfdFacts(laid_out.title, "HF-1", "示范学校", ISSUED_AT))
    printer.close()
    writer.close()


def tell(plan: Plan) -> None:
    """Bring the contract from its present state to its end. Returns when nothing is left to do."""
    asyncio.run(_tell(plan))


async def _tell(plan: Plan) -> None:
    settings = Settings.load(data=Path(plan.data), origin="https://sign.school.example")
    clock = MovableClock(timedelta(seconds=plan.ahead))
    await initialise(settings, plan.owner, clock)
    hub = await build(settings, plan.dsn, demo=True, clock=clock)
    hub = replace(hub, services=replace(hub.services, password_cost=CHEAP))  # pages hash one password at their start
    await _give_sm2_side(hub)
    stop = asyncio.Event()
    async with aiohttp.ClientSession() as http:
        channel = ProviderChannel(http, plan.provider)
        hub.services.messaging.router.providers = carried_by(sms=channel)
        kill_at = Boundary.parse(plan.kill_at) if plan.kill_at else None
        watch(hub.services, {"sms": channel}, Watch(Path(plan.ledger), kill_at), Path(plan.seal_ledger))
        worker = Worker(hub, TIMINGS)
        working = asyncio.create_task(worker.run(stop))
        await worker.ready.wait()
        async with _served(hub) as address:
            await _live(Running(hub, address, clock, worker, http), plan, channel)
        stop.set()
        await working
        clock.advance(A_DAY_LATER)
        await delete_superseded(hub.services)
    await hub.close()


@asynccontextmanager
async def _served(hub: Hub) -> AsyncIterator[str]:
    """Serve the pages and the API. Yields their address."""
    runner = web.AppRunner(make_app(hub))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _give_sm2_side(hub: Hub) -> None:
    """Let the school's seal seal OFD files, if no story before did so."""
    async with hub.database.transaction(EVERYTHING) as tx:
        seal = await get_configured_seal(hub.services, tx)
        side = await tx.sm2_seals.get(seal.id)
    if side is None:
        await make_sm2_seal(hub.services, Actor("test", EVERYTHING), seal.id)


async def _live(running: Running, plan: Plan, channel: ProviderChannel) -> None:
    contract = await _contract(running, plan)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        signer = (await tx.contracts.list_signers(contract.id))[0]
        task = await tx.tasks.get_of_signer(signer.id)
    if task.state is TaskState.OPEN:
        invitation = (await texts(channel, plan.phone, "invitation"))[-1]
        found = TICKET.search(invitation)
        assert found, "an invitation has a link"
        await Visitor(running, contract, signer).visit(found[1], channel)
    await _finished(running.hub, contract)


async def _contract(running: Running, plan: Plan) -> Contract:
    """Issue the contract as another system does: after a crash, it asks again with the same Idempotency-Key."""
    guardian = {"role": "guardian", "name": "陈建国", "phone": plan.phone, "id_number": guardian_id(plan.number)}
    body = {
        "campus": "hefei",
        "course": "math-a",
        "student": {"name": "陈小满", "id_number": MINOR_ID},
        "signers": [guardian | {"relation": "父亲"}],
        "external_id": plan.external_id,
    }
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": plan.external_id}
    async with running.http.post(f"{running.origin}/api/v1/contracts", json=body, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        issued = UUID((await answer.json())["id"])
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.get(issued)


class Visitor(Person):
    """A person whose messages come from the provider."""

    async def visit(self, ticket: str, channel: ProviderChannel) -> None:
        landed = await open_link.open_ticket(self.running.hub.services, ticket)
        self.secret, self.challenge = landed.secret, landed.session.key_challenge
        await self._identify(channel)
        await see_page(self.running.hub.services, self.secret, self.contract.id, 1)
        await self.sign()

    async def _identify(self, channel: ProviderChannel) -> None:
        """Enter codes until one is right: a code of an earlier session may arrive late, and is wrong then."""
        seen = len([each for each in await channel.phone(self.signer.phone) if each["purpose"] == "code"])
        await verify_identity.send_code(self.running.hub.services, self.secret)
        while True:
            codes = await texts(channel, self.signer.phone, "code", seen)
            seen += 1
            found = ONE_TIME_CODE.search(codes[seen - 1])
            assert found, "a code message has a code"
            try:
                await self.verify(found[0])
                return
            except WrongAnswer:
                continue


async def _finished(hub: Hub, contract: Contract) -> None:
    """Wait until the contract is completed and has its evidence package, every message has its fate, and no job that
    can run is left in the queue."""
    while True:
        async with hub.database.transaction(EVERYTHING) as tx:
            now = await tx.contracts.get(contract.id)
            far = tx.planning_now + timedelta(days=1)
            open_ones = await tx.deliveries.list_unsettled(far)
            waiting = await tx.connection.scalar(
                text("SELECT count(*) FROM pgqueuer WHERE status IN ('queued', 'picked')")
            )
            package = await tx.packages.find_newest(contract.id)
        if now.state is ContractState.COMPLETED and package and not open_ones and not waiting:
            return
        await asyncio.sleep(0.1)


def guardian_id(number: int) -> str:
    """Return an identity number with a valid check digit (GB 11643), another one for each story."""
    digits = f"34010419850101{number % 1000:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return digits + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11]
