"""A contract that is issued as PDF and as OFD: the signer signs the PDF, the school's seal is set on both, once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from asn1crypto import x509
from sqlalchemy import text

from hub.doctor import examine
from hub.errors import CertificateNotValid, SealWithoutSm2
from hub.lifecycle.evidence.make_addendum import add_addendum, open_addendum
from hub.lifecycle.evidence.make_package import make_package
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.lifecycle.sealing.seals.grant_seal import NewGrant, grant_seal, revoke_grant
from hub.lifecycle.sealing.seals.manage_seals import move_seal
from hub.lifecycle.sealing.seals.sm2_seals import make_sm2_seal
from hub.lifecycle.signing.sign import consent_for
from hub.model.contract.contract import Contract, ContractState
from hub.model.sealing.finalise import FinaliseStep
from hub.model.sealing.seal import SealAct, SealState
from hub.model.sealing.seal_use import UseOutcome
from hub.model.signing.signature_request import SEAL_FIELD
from hub.model.staff.scope import EVERYTHING, Actor
from hub.store.transaction import Transaction
from hub.web.pages.doctor_words import say_found
from qianda.verify import verify_bytes
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.catalogues import catalogues
from tests.evidence.forged_packages import items_of
from tests.lifecycle.evidence.test_person import owner_of
from tests.lifecycle.one_step import one_step
from tests.lifecycle.sealing.test_seal_management import active_seal
from tests.lifecycle.signer import completed, contract_now, person, record_of, signed
from tests.running import Running, demanding_templates, running_hub
from tests.web.staff_visit import COOKIE, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEEPER = Actor("test", EVERYTHING)


@contextlib.asynccontextmanager
async def hub_with_ofd(folder: Path) -> AsyncIterator[Running]:
    templates = demanding_templates(folder / "templates", "with_ofd = true")
    async with running_hub(templates=Path(templates), with_worker=False) as hub:
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with hub_with_ofd(tmp_path_factory.mktemp("ofd")) as hub:
        yield hub


async def give_sm2_side(running: Running) -> None:
    running.clock.advance(timedelta(minutes=3))  # each test asks for a code of the same person
    async with running.hub.database.transaction(EVERYTHING) as tx:
        seal = await get_configured_seal(running.hub.services, tx)
    await make_sm2_seal(running.hub.services, KEEPER, seal.id)


async def ended(tx: Transaction, ends: timedelta) -> None:
    """Let the SM2 side of the configured seal end so far from now."""
    (side,) = await tx.sm2_seals.list_all()
    await tx.sm2_seals.put(replace(side, ends_at=tx.now + ends))


async def uses_of(running: Running, contract: Contract) -> list[tuple[str, str]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        seal = await get_configured_seal(running.hub.services, tx)
        uses = await tx.seal_register.list_of_seal(seal.id, 50)
    return [(use.document_sha256, use.outcome.value) for use in uses if use.about == f"contract:{contract.id}"]


async def test_none_is_issued_without_an_sm2_side_that_is_valid(running: Running) -> None:
    async with owner_of(running) as owner, owner.transaction(EVERYTHING) as tx:
        await tx.connection.execute(text("DELETE FROM seal_sm2"))  # of another test
    with pytest.raises(SealWithoutSm2):
        await running.issue_minor()
    await give_sm2_side(running)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await ended(tx, timedelta(seconds=-1))
    with pytest.raises(CertificateNotValid):
        await running.issue_minor()
    await give_sm2_side(running)


async def test_doctor_says_how_each_kind_of_sm2_side_is_renewed(running: Running) -> None:
    """`make-sm2` alone would put a trial seal in the place of a bought one."""
    await give_sm2_side(running)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await ended(tx, timedelta(days=30))
    (found,) = [each for each in await examine(running.hub) if each.part == "seals"]
    said = say_found(found.words, catalogues().translator("zh"))
    assert not found.well and "SM2 部分即将到期" in said and "install-sm2" in said and "make-sm2" in said


async def test_consent_names_both_files_and_both_are_sealed(running: Running) -> None:
    await give_sm2_side(running)
    services, contract = running.hub.services, await running.issue_minor()
    ofd = await services.files.get(str(contract.issued_ofd_sha256))
    guardian = await person(running, contract)
    consent = consent_for(services, contract, guardian.signer.language)
    assert all(sha256 in consent.text for sha256 in (contract.document_sha256, hashlib.sha256(ofd).hexdigest()))
    await guardian.enter()
    request = await guardian.sign()
    assert (request.consent_version, request.consent_sha256) == (consent.version, consent.sha256)
    final = await completed(running, contract)
    now = await contract_now(running, contract)
    assert now.issued_ofd_sha256 == contract.issued_ofd_sha256
    sealed = await services.files.get(str(now.final_ofd_sha256))
    assert check_finished(final, [*now.fields, SEAL_FIELD]) == []
    report = verify_bytes(sealed, Trust.load([running.hub.settings.data / "trust"]))
    assert not report.failed and report.contract.number == contract.number, report
    assert [party.is_seal for party in report.parties] == [True]
    kinds = await record_of(running, contract)
    assert [kinds.count(kind) for kind in ("seal-used", "ofd-sealed", "completed")] == [1, 1, 1]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (told,) = [entry.facts for entry in await tx.record.list_entries(contract.id) if entry.kind == "ofd-sealed"]
    assert (told["custody"], told["ofd_sha256"]) == ("school-software", now.final_ofd_sha256)
    uses = await uses_of(running, contract)
    assert (str(contract.issued_ofd_sha256), "sealed") in uses and len(uses) == 2


async def test_whoever_may_read_the_contract_gets_its_ofd(running: Running) -> None:
    await give_sm2_side(running)
    contract, api = await running.issue_minor(), {"Authorization": f"Bearer {running.api_key}"}
    address, console = f"{running.origin}/api/v1/contracts/{contract.id}", await console_of(running)
    async with running.http.get(f"{address}/final.ofd", headers=api) as answer:
        assert answer.status == 409
    cookie, staff = (
        {"Cookie": f"{COOKIE}={console.cookie}"},
        f"{running.origin}/staff/contracts/{contract.id}/document.ofd",
    )
    async with running.http.get(staff, headers=cookie) as answer:
        assert hashlib.sha256(await answer.read()).hexdigest() == contract.issued_ofd_sha256
    async with running.hub.database.transaction(EVERYTHING) as tx:
        seal = await get_configured_seal(running.hub.services, tx)
    assert "a software key" in (await console.get(f"/staff/seals/{seal.id}")).words
    await signed(running, contract)
    await completed(running, contract)
    assert "Download as OFD" in (await console.get(f"/staff/contracts/{contract.id}")).words
    now = await contract_now(running, contract)
    async with running.http.get(f"{address}/final.ofd", headers=api) as answer:
        assert (answer.status, answer.content_type) == (200, "application/ofd")
        assert hashlib.sha256(await answer.read()).hexdigest() == now.final_ofd_sha256
    await make_package(running.hub.services, contract.id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        package = await tx.packages.find_newest(contract.id)
    assert package is not None
    items = items_of(await running.hub.services.files.get(package.sha256))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in items.items() if name.endswith(".ofd")}
    assert hashes == {"contract/issued.ofd": now.issued_ofd_sha256, "contract/final.ofd": now.final_ofd_sha256}
    assert str(now.issued_ofd_sha256) in items["signers/guardian-1/consent-now.txt"].decode()
    assert b"BEGIN CERTIFICATE" in items["trust/sm2.pem"]


async def told_later(running: Running, contract: Contract) -> list[tuple[str, str]]:
    """Make an addendum. Return field and serial of each revocation in it."""
    assert await add_addendum(running.hub.services, contract.id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        made = await open_addendum(tx, contract, "staff:test")
    text = items_of(await running.hub.services.files.get(made.sha256))["revocations.json"]
    return [(each["field"], each["serial"]) for each in json.loads(text)]


async def test_the_end_of_the_seal_is_told_of_the_ofd_as_well(running: Running) -> None:
    await give_sm2_side(running)
    contract = await running.issue_minor()
    await signed(running, contract)
    await completed(running, contract)
    await make_package(running.hub.services, contract.id)
    running.clock.advance(timedelta(minutes=1))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        seal = await get_configured_seal(running.hub.services, tx)
        (side,) = await tx.sm2_seals.list_all()
        await tx.seals.save(replace(seal, state=SealState.REVOKED, changed_at=tx.now))
    pdf, ofd = (f"{x509.Certificate.load(each.chain[0]).serial_number:x}" for each in (seal, side))
    try:
        assert await told_later(running, contract) == [("seal", pdf), ("ofd-seal", ofd)]
    finally:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.seals.save(seal)


async def test_two_processes_at_the_same_moment_leave_one_ofd(running: Running) -> None:
    await give_sm2_side(running)
    contract = await running.issue_minor()
    await signed(running, contract)
    while (await contract_now(running, contract)).state is not ContractState.SIGNED:
        await one_step(running.hub.services, contract.id)
    await asyncio.gather(*(one_step(running.hub.services, contract.id) for _ in range(3)), return_exceptions=True)
    first = (await contract_now(running, contract)).final_ofd_sha256
    assert first is not None
    await completed(running, contract)
    assert (await contract_now(running, contract)).final_ofd_sha256 == first
    assert (await record_of(running, contract)).count("ofd-sealed") == 1
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [version["kind"] for version in await tx.contracts.list_versions(contract.id)]
    assert kinds.count("final-ofd") == 1


async def test_an_expired_sm2_certificate_holds_the_contract_up_until_there_is_another(running: Running) -> None:
    await give_sm2_side(running)
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await ended(tx, timedelta(seconds=-1))
    await signed(running, contract)
    assert await advance(running.hub.services, contract.id) is ContractState.SIGNED
    now = await contract_now(running, contract)
    assert (now.stuck_reason, now.final_ofd_sha256) == ("certificate-not-valid", None)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        failed = [
            each for each in await tx.signatures.list_attempts(contract.id) if each["kind"] == FinaliseStep.SEAL_OFD
        ]
    assert [each["state"] for each in failed] == ["failed"]
    await give_sm2_side(running)
    await completed(running, contract)


async def test_the_hubs_clock_says_whether_the_seals_time_has_come(tmp_path: Path) -> None:
    """The demo's clock can be days ahead of the machine's, by which the other tests verify their files."""
    async with hub_with_ofd(tmp_path) as running:
        await give_sm2_side(running)
        running.clock.advance(timedelta(days=3))
        contract = await running.issue_minor()
        await signed(running, contract)
        await completed(running, contract)
        assert (await contract_now(running, contract)).final_ofd_sha256


async def test_a_seal_that_was_refused_has_no_line_about_what_another_sealed(tmp_path: Path) -> None:
    async with hub_with_ofd(tmp_path) as running:
        await give_sm2_side(running)
        services, refused = running.hub.services, await active_seal(running)
        await make_sm2_seal(services, KEEPER, refused.id)
        grant = await grant_seal(services, KEEPER, refused.id, NewGrant("contracts", "", "hefei"))
        contract = await running.issue_minor()
        await signed(running, contract)
        await move_seal(services, KEEPER, refused.id, SealAct.SUSPEND)
        assert await advance(services, contract.id) is ContractState.SIGNED
        assert (await contract_now(running, contract)).stuck_reason == "seal-use-refused"
        await revoke_grant(services, KEEPER, refused.id, grant.id)
        assert await advance(services, contract.id) is ContractState.COMPLETED
        async with running.hub.database.transaction(EVERYTHING) as tx:
            lines = await tx.seal_register.list_of_seal(refused.id)
        assert [(line.document_sha256, line.outcome) for line in lines] == [
            (contract.issued_ofd_sha256, UseOutcome.REFUSED)
        ]
        used = await uses_of(running, contract)
        assert (str(contract.issued_ofd_sha256), "sealed") in used and len(used) == 2
