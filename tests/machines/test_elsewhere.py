"""Workers on other machines: they reach the database over TCP, and each of them may be stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import text

from hub.initialise import initialise
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.lifecycle.school.import_roster import load_school
from hub.lifecycle.school.issue_enrolments import begin_issuing
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_list import EnrolmentFilter
from hub.model.school.issue_many import IssueAct, IssueOutcome, IssueProgress, IssueSelection
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED, Settings
from hub.settings.sections import ChannelSettings
from hub.store.server.installation import mark
from hub.wiring import Hub, build
from tests.channels.doubles.sms_twilio import Double
from tests.database import fresh_database, scratch_folder
from tests.poster_visits import cn_id
from tests.processes.programs import Program, real_school
from tests.running import token_settings, until

# Seconds for which the provider delays a call: long enough to stop the worker meanwhile.
DELAY = 8.0


LISTENING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%plan_changed%'
"""


@dataclass
class Site:
    """A hub that issues contracts, its provider, and the settings of a worker on another machine."""

    hub: Hub
    twilio: Double
    data: Path
    variables: dict[str, str]

    async def issue(self, number: int) -> Contract:
        guardian = NewSigner(
            Role.GUARDIAN, "陈建国", f"+1202555{number:04}", f"E2555{number:04}", "passport", relation="父亲"
        )
        student = NewStudent("陈小满", "cn-id", "340104201209010016")
        return await issue(self.hub.services, EVERYTHING, NewContract("hefei", student, (guardian,), "math-a"), "test")

    async def deliveries(self, contract: Contract) -> list[str]:
        async with self.hub.database.transaction(EVERYTHING) as tx:
            return [each.state.value for each in await tx.deliveries.list_of_contract(contract.id)]

    async def nobody_listens(self) -> bool:
        """Return whether no worker listens for due steps any more."""
        async with self.hub.database.transaction(EVERYTHING) as tx:
            return not await tx.connection.scalar(text(LISTENING))

    @contextlib.contextmanager
    def worker(self) -> Iterator[Program]:
        program = Program(self.data, "work", variables=self.variables)
        try:
            yield program
        finally:
            program.clear()


@contextlib.asynccontextmanager
async def over_tcp(dsn: str) -> AsyncIterator[str]:
    """Make the database reachable over TCP, as it is from another machine. Yields the address."""
    address = urlsplit(dsn)
    path = f"{parse_qs(address.query)['host'][0]}/.s.PGSQL.5432"

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while block := await source.read(65536):
                sink.write(block)
                await sink.drain()
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, ours), pump(theirs, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://{address.username}@127.0.0.1:{port}{address.path}?sslmode=disable"
    finally:
        server.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    data = Path(tempfile.mkdtemp(prefix="qianda-elsewhere-", dir=scratch_folder()))
    twilio = Double(delay=DELAY)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, data, True)
        dsns = await stack.enter_async_context(fresh_database())
        await mark(dsns.owner, "production", datetime.now(UTC))
        address = await stack.enter_async_context(over_tcp(dsns.app))
        await stack.enter_async_context(twilio.serving())
        options = dict(twilio.options())
        origin = "https://sign.school.example"
        token = token_settings()
        channels = {"sms_twilio": ChannelSettings(**options)}
        settings = Settings.load(data=data, origin=origin, channels=channels, token=token)
        await initialise(settings, dsns.owner)
        hub = await build(settings, address, demo=False)
        stack.push_async_callback(hub.close)
        await load_school(hub.database, PACKED / "demo" / "seeds")
        variables = {"QIANDA_DATABASE": address, "QIANDA_ORIGIN": origin} | real_school(data)
        variables |= {f"QIANDA_TOKEN__{name.upper()}": str(getattr(token, name)) for name in ("module", "label", "pin")}
        variables["SOFTHSM2_CONF"] = os.environ["SOFTHSM2_CONF"]
        variables |= {f"QIANDA_CHANNELS__SMS_TWILIO__{name.upper()}": str(value) for name, value in options.items()}
        yield Site(hub, twilio, data, variables)


@pytest.mark.real
async def test_who_is_told_to_stop_finishes_the_call_in_hand_and_begins_nothing(site: Site) -> None:
    held = await site.issue(101)
    with site.worker() as worker:

        async def called() -> bool:
            assert worker.process.poll() is None, worker.output
            return site.twilio.requests == 1

        await until(called, 90)
        assert await site.deliveries(held) == ["sending"]
        worker.process.send_signal(signal.SIGTERM)
        await until(site.nobody_listens, DELAY)
        left = await site.issue(102)
        assert await site.deliveries(held) == ["sending"], "the call is still in hand"
        assert await asyncio.to_thread(worker.ended) == 0, worker.output
    assert await site.deliveries(held) == ["sent"]
    assert site.twilio.requests == 1 and await site.deliveries(left) == []
    async with site.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.tasks.claim_due(tx.planning_now, timedelta(minutes=1), 10)  # no worker has claimed it


@pytest.mark.real
async def test_a_worker_killed_amid_many_contracts_leaves_each_to_be_issued_once(site: Site) -> None:
    enrolments = [await enrolled(site, number) for number in range(12)]
    selection = IssueSelection(EnrolmentFilter(), [each.id for each in enrolments])
    async with site.hub.database.transaction(EVERYTHING) as tx:
        act = IssueAct(uuid4(), "hefei", "staff:x", tx.now, send="none")
        await begin_issuing(site.hub.services, tx, selection, act)

    async def progress() -> IssueProgress:
        async with site.hub.database.transaction(EVERYTHING) as tx:
            return await tx.issue_acts.get_progress(act)

    async def some() -> bool:
        return (await progress()).done >= 2

    async def all_of_them() -> bool:
        return (await progress()).left == 0

    with site.worker() as killed:
        await until(some, 90)
        killed.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(killed.process.wait)
    before = await progress()
    assert before.left, "it was killed in the middle"
    with site.worker():
        await until(all_of_them, 90)
    assert (await progress()).counts == {IssueOutcome.ISSUED: len(enrolments)}
    async with site.hub.database.transaction(EVERYTHING) as tx:
        drawn = await tx.connection.execute(text("SELECT enrolment, count(*) FROM contract GROUP BY enrolment"))
    assert {row[0]: row[1] for row in drawn} == {each.id: 1 for each in enrolments}


async def enrolled(site: Site, number: int) -> Enrolment:
    student = {"name": "陈小满", "id_type": "cn-id", "id_number": cn_id("20120901", number), "birth_date": None}
    parent = {"role": "guardian", "name": "陈建国", "id_type": "passport", "id_number": f"E4555{number:04}"}
    people = {"student": student, "signers": [parent | {"phone": f"+1202555{number:04}", "relation": "父亲"}]}
    enrolment = Enrolment(uuid4(), "hefei", "math-a", "陈小满", people)
    async with site.hub.database.transaction(EVERYTHING) as tx:
        person = tx.cipher.person("cn-id", student["id_number"] or "")
        assert await tx.school.add_enrolment(enrolment, person, tx.now)
    return enrolment
