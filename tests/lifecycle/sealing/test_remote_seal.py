"""The school's seal at a remote signing service: contracts completed with it, and what follows from its failures."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hub.doctor import examine
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.services import SealKey
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.evidence.record import RecordEntry
from hub.model.staff.scope import EVERYTHING
from hub.plugins import seal_key
from hub.tokens import TokenContext
from hub.wiring import utc_now
from hub.wiring.seal import accepted_seal
from qianda.verify import verify_file
from qianda.verify.expectation import Expectation
from qianda.verify.trust import Trust
from tests.authorities.certomancer_pki import CertomancerPki
from tests.changed_services import change_services
from tests.judges import (
    judge_by_mutool,
    judge_by_pdfsig,
    judge_by_pyhanko,
    judge_by_qpdf,
    program,
    run,
)
from tests.lifecycle.signer import completed, contract_now, signed, staff_tasks
from tests.running import Running, running_hub
from tests.tokens.csc_service import PIN, CscService

pytestmark = [pytest.mark.custody, pytest.mark.asyncio(loop_scope="module")]
NAMES = ["guardian-1", "seal"]


@dataclass
class School:
    running: Running
    pki: CertomancerPki
    service: CscService
    people: Iterator[int] = field(default_factory=lambda: count(10))

    async def signed(self) -> Contract:
        """Issue a contract and have its guardian sign, another guardian each time. The hub has not processed the
        signature yet."""
        number = next(self.people)
        guardian = NewSigner(
            Role.GUARDIAN, "周文静", f"+86190000004{number}", f"E32345{number}", "passport", relation="母亲"
        )
        contract = await self.running.issue_minor(signers=(guardian,))
        await signed(self.running, contract)
        return contract

    async def uses(self, contract: Contract) -> list[RecordEntry]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [each for each in await tx.record.list_entries(contract.id) if each.kind == "seal-used"]

    @asynccontextmanager
    async def sealed_by(self, name: str) -> AsyncIterator[None]:
        """Change the hub as a restart with another credential of the service would."""
        before = self.running
        services, settings = before.hub.services, before.hub.settings
        entry = self.service.options(1, name, pin=PIN)
        key = await seal_key(entry, TokenContext(before.http))
        assert key is not None
        chain = await accepted_seal(
            settings.model_copy(update={"seal": entry}), key, services.sealing.authority.root, utc_now()
        )
        seal = SealKey(key, chain, settings.school.name, remote=True)
        self.running = replace(
            before, hub=replace(before.hub, services=change_services(services, "sealing", seal=seal))
        )
        try:
            yield
        finally:
            self.running = before

    def trust(self, folder: Path) -> Path:
        """Write what `qianda verify` trusts by default into one file. The timestamp service comes last."""
        path, kept = folder / "trust.pem", self.running.hub.settings.data / "trust"
        path.write_text("".join(each.read_text() for each in sorted(kept.glob("*.pem"))))
        return path


def verify(final: Path, trust: Path, clock: str) -> None:
    """Run `qianda verify` under another clock, and expect that no check fails."""
    run(program("faketime"), "-f", clock, sys.executable, "-m", "qianda", "verify", final, "--trust", trust)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[School]:
    pki = CertomancerPki(tmp_path_factory.mktemp("remote") / "pki")
    async with pki.serving():
        pki.add_key("seal", "启明教育集团")
        pki.add_key("later", "启明教育集团", "rsa")
        pki.add_key("to-revoke", "启明教育集团")
        pki.names = ("ocsp",)
        pki.add_key("ocsp-alone", "启明教育集团")
        pki.names = ("list",)
        pki.add_key("list-alone", "启明教育集团")
        async with CscService(pki, pin=PIN).serving() as service:
            configured: dict[str, Any] = {"seal": service.options(2, pin=PIN)}
            async with running_hub(with_web=False, with_worker=False, configured=configured) as running:
                yield School(running, pki, service)


@pytest.fixture
def school(hub: School) -> School:
    hub.service.lose, hub.service.away, hub.pki.away = 0, False, False
    return hub


async def test_a_contract_is_completed_and_lasts(school: School, tmp_path: Path) -> None:
    contract = await school.signed()
    final = tmp_path / "final.pdf"
    final.write_bytes(await completed(school.running, contract))
    judge_by_pdfsig(final, NAMES)
    judge_by_qpdf(final)
    judge_by_pyhanko(final, school.trust(tmp_path), NAMES, "+400d")
    report = await asyncio.to_thread(
        verify_file, final, Trust.load([school.trust(tmp_path)]), Expectation(tuple(NAMES))
    )
    assert not report.failed
    (used,) = await school.uses(contract)
    assert (used.facts["custody"], used.facts["key"]) == ("remote", "school/seal")


async def test_a_lost_reply_is_asked_for_again_and_the_contract_sealed_once(school: School) -> None:
    contract = await school.signed()
    school.service.lose = 1
    before = len(school.service.asked("signatures/signHash"))
    assert await advance(school.running.hub.services, contract.id) == "SIGNED"
    assert (await contract_now(school.running, contract)).stuck_reason == "token-unavailable"
    await completed(school.running, contract)
    first, second, _package = school.service.asked("signatures/signHash")[before:]
    assert first["hashes"] == second["hashes"]
    assert len(await school.uses(contract)) == 1


async def test_lists_that_cannot_be_had_hold_the_contract_up_and_no_longer(school: School) -> None:
    contract = await school.signed()
    school.pki.away = True
    assert await advance(school.running.hub.services, contract.id) == "SIGNED"
    assert (await contract_now(school.running, contract)).stuck_reason == "authority-unavailable"
    school.pki.away = False
    await completed(school.running, contract)
    assert len(await school.uses(contract)) == 1


@pytest.mark.real
@pytest.mark.parametrize("name", ["seal", "ocsp-alone", "list-alone"])
async def test_it_lasts_whatever_the_authority_answers_by(school: School, tmp_path: Path, name: str) -> None:
    """The seal's chain has a root and an authority below it. With CRLs alone pyHanko has no verdict once they are
    stale; our own verifier has."""
    contract = await school.signed()
    final = tmp_path / "final.pdf"
    async with school.sealed_by(name):
        final.write_bytes(await completed(school.running, contract))
    judge_by_mutool(final, len(NAMES))
    trust = school.trust(tmp_path)  # includes the certificate of the new seal
    for clock in ("+20m", "+2d", "+400d", "+1826d"):
        if name != "list-alone" or clock in ("+20m", "+2d"):
            judge_by_pyhanko(final, trust, NAMES, clock)
        verify(final, trust, clock)


async def test_what_was_prepared_for_another_certificate_is_prepared_again(school: School, tmp_path: Path) -> None:
    contract = await school.signed()
    services = school.running.hub.services
    school.service.away = True
    assert await advance(services, contract.id) == "SIGNED"  # prepared for the first certificate
    school.service.away = False
    final = tmp_path / "final.pdf"
    async with school.sealed_by("later"):
        final.write_bytes(await completed(school.running, contract))
    judge_by_pyhanko(final, school.trust(tmp_path), NAMES)
    (used,) = await school.uses(contract)
    assert used.facts["key"] == "school/later"


async def test_the_doctor_says_where_the_key_is_and_who_certified_it(school: School) -> None:
    found = {each.part: each for each in await examine(school.running.hub)}
    assert found["token"].well and "at the remote service signs" in found["token"].words
    assert found["seal certificate"].well and "CN=Certomancer issuing" in found["seal certificate"].words
    school.service.away = True
    found = {each.part: each for each in await examine(school.running.hub)}
    assert not found["token"].well and found["seal certificate"].well


async def test_with_a_revoked_certificate_nothing_is_completed(school: School) -> None:
    async with school.sealed_by("to-revoke"):
        contract = await school.signed()
        school.pki.revoke("to-revoke")
        assert await advance(school.running.hub.services, contract.id) == "SIGNED"
        assert (await contract_now(school.running, contract)).stuck_reason == "certificate-revoked"
        assert "stuck" in await staff_tasks(school.running, contract.id)
        found = {each.part: each for each in await examine(school.running.hub)}
        assert not found["seal certificate"].well and "revoked" in found["seal certificate"].words
