"""A seal whose certificate is revoked, or expires, before the contract is completed: no state is a dead end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from hub.doctor import examine
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.sealing.retry_stalled import CANNOT, SEAL_ENDED
from hub.lifecycle.services import SealKey
from hub.model.contract.contract import Contract, ContractState
from hub.model.signing.signature_request import RequestState, SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.signing.issued_certificates import IssuedCertificate
from hub.tokens.softkey import SoftKey
from hub.worker.worker import Worker
from tests.changed_services import change_services
from tests.custody.outside_authority import OutsideAuthority, name_of, outside_authority
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.one_step import one_step
from tests.lifecycle.signer import contract_now, record_of, signed, staff_tasks
from tests.lifecycle.trouble import hub_rounds
from tests.running import Running

HOUR = timedelta(hours=1)


@dataclass
class School:
    running: Running
    authority: OutsideAuthority
    clock: StandingClock

    def sealed_by(self, label: str, ends: timedelta = timedelta(days=365)) -> SealKey:
        """Change the hub as a restart with another certificate would. Return the seal."""
        key = SoftKey.generate(label)
        public = load_der_public_key(key.spki)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        certificate = self.authority.issue(public, name_of("合同专用章", "启明教育集团"), ends=ends)
        chain = (*self.authority.chain(certificate), self.authority.root.public_bytes(Encoding.DER))
        seal = SealKey(key, chain, "启明教育集团")
        self.running.hub = replace(
            self.running.hub, services=change_services(self.running.hub.services, "sealing", seal=seal)
        )
        self.running.worker = Worker(self.running.hub)
        return seal

    def revoke(self, seal: SealKey) -> None:
        self.authority.revoked.add(x509.load_der_x509_certificate(seal.chain[0]).serial_number)

    async def seals(self, contract: Contract) -> list[SignatureRequest]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [each for each in await tx.signatures.list_of_contract(contract.id) if each.is_seal]

    async def signed_until(self, state: RequestState) -> Contract:
        """Issue and sign a contract, and seal it only until its seal request is in this state."""
        contract = await self.running.issue_minor()
        await signed(self.running, contract)
        while [each.state for each in await self.seals(contract)] != [state]:
            await one_step(self.running.hub.services, contract.id)
        return contract

    async def stuck(self, contract: Contract) -> str | None:
        assert await advance(self.running.hub.services, contract.id) is ContractState.SIGNED
        return (await contract_now(self.running, contract)).stuck_reason

    async def completed_with(self, contract: Contract, seal: SealKey) -> None:
        await hub_rounds(self.running, self.clock, self.clock() + 2 * HOUR)
        now = await contract_now(self.running, contract)
        assert (now.state, now.stuck_since) == (ContractState.COMPLETED, None)
        seals = await self.seals(contract)
        (used,) = [each for each in seals if each.state is RequestState.EMBEDDED]
        assert used.chain[0] == seal.chain[0]
        assert len(seals) > 1 and {each.state for each in seals if each != used} == {RequestState.LAPSED}


@asynccontextmanager
async def school() -> AsyncIterator[School]:
    clock = StandingClock(moment=datetime.now(UTC))
    async with outside_authority() as authority, quiet_hub(clock) as running:
        yield School(running, authority, clock)


@pytest.mark.parametrize("state", [RequestState.PREPARED, RequestState.ACCEPTED])
async def test_a_revoked_certificate_holds_the_contract_up_until_there_is_another(state: RequestState) -> None:
    async with school() as here:
        revoked = here.sealed_by("first")
        contract = await here.signed_until(state)
        here.revoke(revoked)
        for _ in range(2):  # it stays so, and that key signs nothing more
            assert await here.stuck(contract) == "certificate-revoked"
        uses = (await record_of(here.running, contract)).count("seal-used")
        assert uses == (state is RequestState.ACCEPTED)
        assert await staff_tasks(here.running, contract.id) == ["stuck"]
        await here.completed_with(contract, here.sealed_by("second"))
        kinds = await record_of(here.running, contract)
        assert kinds.count("seal-used") == uses + 1
        assert kinds.count("signature-lapsed") == uses


@pytest.mark.parametrize("state", [RequestState.PREPARED, RequestState.ACCEPTED])
async def test_a_certificate_that_ran_out_holds_the_contract_up_until_there_is_another(state: RequestState) -> None:
    async with school() as here:
        here.sealed_by("first", ends=HOUR)
        contract = await here.signed_until(state)
        here.clock.advance(2 * HOUR)
        for _ in range(2):
            assert await here.stuck(contract) == "certificate-not-valid"
        async with here.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.staff_tasks.list_open_tasks(contract.id)
        assert task.text == f"{CANNOT}\n{SEAL_ENDED}"
        (found,) = (each for each in await examine(here.running.hub) if each.part == "seal certificate")
        assert found.words.endswith("renew it by `qianda seal request`, `qianda seal install`")
        await here.completed_with(contract, here.sealed_by("second"))


async def test_a_seal_that_was_accepted_is_set_anew_at_once_where_there_is_another_certificate() -> None:
    async with school() as here:
        revoked = here.sealed_by("first")
        contract = await here.signed_until(RequestState.ACCEPTED)
        here.revoke(revoked)
        here.sealed_by("second")
        assert await advance(here.running.hub.services, contract.id) is ContractState.COMPLETED
        assert "stuck" not in await record_of(here.running, contract)


async def test_an_accepted_seal_whose_certificate_is_still_good_stays_though_there_is_another() -> None:
    async with school() as here:
        first = here.sealed_by("first")
        contract = await here.signed_until(RequestState.ACCEPTED)
        here.sealed_by("second")
        assert await advance(here.running.hub.services, contract.id) is ContractState.COMPLETED
        (seal,) = await here.seals(contract)
        assert seal.chain[0] == first.chain[0]


async def test_nothing_is_sealed_while_nobody_says_whether_the_certificate_is_good() -> None:
    async with school() as here:
        here.sealed_by("first")
        contract = await here.signed_until(RequestState.PREPARED)
        here.authority.away = True
        assert await here.stuck(contract) == "authority-unavailable"
        assert "seal-used" not in await record_of(here.running, contract)
        here.authority.away = False
        assert await advance(here.running.hub.services, contract.id) is ContractState.COMPLETED


async def test_a_seal_of_the_built_in_authority_is_asked_about_too() -> None:
    clock = StandingClock(moment=datetime.now(UTC))
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        services = running.hub.services
        certificate = x509.load_der_x509_certificate(services.sealing.seal.chain[0])
        async with services.database.transaction(EVERYTHING) as tx:
            serial, ends = certificate.serial_number, certificate.not_valid_after_utc
            await tx.certificates.add(
                IssuedCertificate(services.sealing.authority_name, serial, services.sealing.seal.chain[0], tx.now, ends)
            )
            assert await tx.certificates.revoke(services.sealing.authority_name, serial, tx.now, "key_compromise")
        assert await advance(services, contract.id) is ContractState.SIGNED
        assert (await contract_now(running, contract)).stuck_reason == "certificate-revoked"
        assert "seal-used" not in await record_of(running, contract)
