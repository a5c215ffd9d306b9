"""What an operator or a periodic task does in one process, which may be killed, and the verdict on what is left.

Each subject is prepared, acted upon and judged in a process of its own. An act that was killed is simply run again.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509

from hub.doctor.records import examine_files, examine_records
from hub.errors import NotFound
from hub.initialise import initialise
from hub.lifecycle.evidence.build_tree import add_proofs, build_tree
from hub.lifecycle.evidence.person import erase_person, find_persons
from hub.lifecycle.evidence.renew import hash_anew, plan_renewal, renew
from hub.lifecycle.evidence.renewed_record import add_renewed_version
from hub.lifecycle.evidence.retention import list_prunable, prune
from hub.lifecycle.sealing.seals.make_seal import renew_seal
from hub.lifecycle.sealing.seals.manage_seals import find_seal
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.settings import Settings
from hub.store.transaction import Database
from hub.wiring import build
from hub.worker.worker import Worker
from qianda.evidence.container import open_container
from qianda.evidence.package_check import check_package
from qianda.verify.trust import Trust
from tests.evidence.ended_contracts import ended, package_of
from tests.evidence.renewed import NEARLY_ALL_OF_IT, change_timestamps
from tests.faults.steps import Steps
from tests.lifecycle.evidence.test_person import RETENTION, about, family
from tests.lifecycle.evidence.test_prune import DAY, ROWS, put
from tests.lifecycle.sealing.test_seal_management import ASKED, CAI, active_seal
from tests.running import GUARDIAN_ID, MovableClock, Running


@dataclass(frozen=True)
class Plan:
    """The orders for one process. `part`: `prepare`, `act` or `judge` of the subject. `kill_at`: a step, see `Steps`.
    `ends_after`: seconds after which the process is ended wherever it is; 0 for never."""

    subject: str
    part: str
    data: str
    dsn: str
    owner: str
    ledger: str
    kill_at: int = 0
    ends_after: float = 0

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Acting:
    """A hub in this process, and its database as the role `owner`."""

    running: Running
    owner: Database


@dataclass(frozen=True)
class Subject:
    """`later`: how much time passes between preparation and act."""

    prepare: Callable[[Acting], Awaitable[None]]
    act: Callable[[Acting], Awaitable[None]]
    judge: Callable[[Acting], Awaitable[None]]
    later: timedelta = timedelta(0)


def tell(plan: Plan) -> None:
    asyncio.run(_tell(plan))


async def _tell(plan: Plan) -> None:
    subject = SUBJECTS[plan.subject]
    settings = Settings.load(data=Path(plan.data), origin="https://sign.school.example")
    clock = MovableClock(timedelta(0) if plan.part == "prepare" else subject.later)
    await initialise(settings, plan.owner, clock)
    hub = await build(settings, plan.dsn, demo=True, clock=clock)
    owner = Database(plan.owner, hub.database.keys, clock, pool_size=2)
    async with aiohttp.ClientSession() as http:
        acting = Acting(Running(hub, hub.services.origin, clock, Worker(hub), http), owner)
        if plan.part == "act":
            Steps(Path(plan.ledger), settings.data, plan.kill_at).watch()
        if plan.ends_after:
            signal.setitimer(signal.ITIMER_REAL, plan.ends_after)
        await getattr(subject, plan.part)(acting)
        if plan.part != "act":
            await _is_well(acting)
    await owner.close()
    await hub.close()


async def _is_well(acting: Acting) -> None:
    """Raise AssertionError unless all records and all files that a row names are as they were written."""
    for look in (examine_records, examine_files):
        findings = [finding async for finding in look(acting.running.hub, lambda _: None)]
        assert findings and all(finding.well for finding in findings), [str(each) for each in findings if not each.well]


async def _contracts(running: Running) -> list[Contract]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.list_page(limit=100)


async def _count(running: Running, kind: str) -> int:
    return [entry.kind for entry in await running.school_record()].count(kind)


# ---- what has been kept long enough


async def _prepare_old(acting: Acting) -> None:
    running = acting.running
    for how in ("completed", "completed", "voided"):
        running.clock.advance(timedelta(minutes=2))
        await ended(running, how)
    for kind in ROWS:
        await put(running, kind, timedelta(0))
    await running.hub.services.files.put(b"no row names this file")


async def _prune(acting: Acting) -> None:
    async for _ in prune(acting.running.hub.services, "command-line"):
        pass


async def _judge_pruned(acting: Acting) -> None:
    running = acting.running
    assert [each async for each in list_prunable(running.hub.services) if each.number] == []
    assert await _count(running, "pruned") > 0
    assert sorted(each.state for each in await _contracts(running)) == ["COMPLETED", "COMPLETED", "VOIDED"]


# ---- a person


async def _prepare_family(acting: Acting) -> None:
    await family(acting.running)


async def _erase(acting: Acting) -> None:
    try:
        await erase_person(acting.running.hub.services, acting.owner, about(GUARDIAN_ID))
    except NotFound:
        return  # the process was killed after its last commit


async def _judge_erased(acting: Acting) -> None:
    running = acting.running
    assert await find_persons(running.hub.services, about(GUARDIAN_ID)) == []
    contracts = await _contracts(running)
    assert len(contracts) == 2
    for contract in contracts:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            gone, _ = await tx.contracts.list_signers(contract.id)
            entries = [entry.kind for entry in await tx.record.list_entries(contract.id)]
        assert (gone.name, gone.phone, gone.id_number) == ("–", "", "")
        assert entries.count("signer-erased") == 1
    assert not [path for path in (running.hub.settings.data / "files").rglob("*") if path.is_file()]


# ---- evidence that would run out


async def _prepare_evidence(acting: Acting) -> None:
    running = acting.running
    for how in ("completed", "voided"):
        await package_of(running, await ended(running, how))
    assert await build_tree(running.hub.services) and await add_proofs(running.hub.services) == 2


async def _renew_evidence(acting: Acting) -> None:
    await change_timestamps(acting.running)
    services = acting.running.hub.services
    await renew(services)
    await hash_anew(services, "sha512")
    for contract in await _contracts(acting.running):
        await add_renewed_version(services, contract.id)


async def _judge_renewed(acting: Acting) -> None:
    running = acting.running
    plan = await plan_renewal(running.hub.services)
    assert not plan.due and not plan.ended and await hash_anew(running.hub.services, "sha512") == 0
    trust = Trust.load([running.hub.settings.data / "trust"])
    for contract in await _contracts(running):
        assert not await add_renewed_version(running.hub.services, contract.id)
        package = await package_of(running, contract)
        report = await asyncio.to_thread(check_package, package, trust)
        assert report.fault is None and report.proven_since is not None
        assert [proof.renewals >= 2 for proof in open_container(package).proofs.values()] == [True]


# ---- the certificate of a seal


async def _prepare_seal(acting: Acting) -> None:
    await active_seal(acting.running)


async def _renew_seal(acting: Acting) -> None:
    seal = await find_seal(acting.running.hub.services, EVERYTHING, ASKED.name)
    await renew_seal(acting.running.hub.services, CAI, seal.id)


async def _judge_seal(acting: Acting) -> None:
    running = acting.running
    seal = await find_seal(running.hub.services, EVERYTHING, ASKED.name)
    serial = x509.load_der_x509_certificate(seal.chain[0]).serial_number
    async with running.hub.database.transaction(EVERYTHING) as tx:
        known = await tx.certificates.list_of_seals(running.hub.services.sealing.authority_name)
    assert [each for each, _ in known].count(serial) == 1, "a certificate that could not be revoked"
    assert len(known) == 1 + await _count(running, "seal-renewed") > 1


# ---- a backup


async def _nothing(acting: Acting) -> None:
    pass


async def _judge_restored(acting: Acting) -> None:
    assert len(await _contracts(acting.running)) == 2
    assert await _count(acting.running, "restored") == 1
    async with acting.running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.pause.is_on()


SUBJECTS = {
    "prune": Subject(_prepare_old, _prune, _judge_pruned, 40 * DAY),
    "erase": Subject(_prepare_family, _erase, _judge_erased, RETENTION),
    "renew-evidence": Subject(_prepare_evidence, _renew_evidence, _judge_renewed, NEARLY_ALL_OF_IT),
    "renew-seal": Subject(_prepare_seal, _renew_seal, _judge_seal),
    "restore": Subject(_prepare_family, _nothing, _judge_restored),
}
