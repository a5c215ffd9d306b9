"""Of two acts at the same moment one counts, and what was overtaken is refused: signatures, embedding, completion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from hub.errors import DocumentChanged, KeyRevoked
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing import sign
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import TaskState
from hub.model.signing.signature_request import RequestState
from hub.model.staff.scope import EVERYTHING
from hub.tokens import SigningKey, SignsEach
from tests.changed_services import change_services
from tests.lifecycle.clockwork import StandingClock, quiet_hub, waiting
from tests.lifecycle.one_step import one_step
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import (
    completed,
    contract_now,
    ready_to_sign,
    record_of,
    signed,
    staff_tasks,
    tasks_of,
)
from tests.lifecycle.trouble import Overtaken
from tests.running import Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

IN_ANY_ORDER = two_guardians(1, 1)


# ---- a signature that comes too late


async def test_a_signature_over_a_stale_revision_is_refused_whatever_its_request_says() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        request = await guardian.prepare()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            locked = await tx.contracts.lock_contract(contract.id)
            await tx.contracts.change(locked, document="0" * 64, revision=locked.revision + 1)
        with pytest.raises(DocumentChanged):
            await guardian.accept(request)
        assert "signature-accepted" not in await record_of(running, contract)


async def test_a_request_that_has_lapsed_is_refused_although_nobody_else_has_begun() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        request = await guardian.prepare()
        await sign.note_refusal(running.hub.services, guardian.secret, request.id, "2: the digest differs")
        with pytest.raises(DocumentChanged):
            await guardian.accept(request)
        with pytest.raises(DocumentChanged):
            await sign.prepared_file(running.hub.services, guardian.secret, request.id)
        assert "signature-accepted" not in await record_of(running, contract)
        await guardian.accept(await guardian.prepare())


async def test_a_key_that_is_revoked_at_this_very_moment_signs_nothing() -> None:
    """Revoking locks no contract: the revocation is seen only when the signature is written."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        request = await guardian.prepare()
        async with running.hub.database.transaction(EVERYTHING) as revoking:
            assert await revoking.signatures.lapse(request.id)
            accepting = asyncio.create_task(guardian.accept(request))
            await until(lambda: waiting(running, 1))
        with pytest.raises(KeyRevoked):
            await accepting
        assert [task.state for task in await tasks_of(running, contract)] == [TaskState.OPEN]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (known,) = await tx.signatures.list_of_contract(contract.id)
        assert (known.state, known.signature) == (RequestState.LAPSED, None)
        assert "signature-accepted" not in await record_of(running, contract)


# ---- two processes at one contract


def serve(running: Running, clock: StandingClock, number: int) -> Overtaken:
    timestamps = Overtaken(clock, number=number)
    timestamps.serve(running)
    return timestamps


async def test_a_signature_that_another_process_has_embedded_is_not_embedded_again() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        timestamps = serve(running, clock, number=1)
        contract = await running.issue_minor(signers=IN_ANY_ORDER)
        await signed(running, contract, 0)
        timestamps.overtaken_by = lambda: advance(running.hub.services, contract.id)
        with capture_logs() as logs:
            await advance(running.hub.services, contract.id)
        now = await contract_now(running, contract)
        assert (len(timestamps.asked), now.revision) == (2, 1)
        assert (await record_of(running, contract)).count("signature-embedded") == 1
        assert "contract stuck" not in {each["event"] for each in logs}
        await signed(running, contract, 1)
        await completed(running, contract)


async def revoke_certificate(running: Running, contract: Contract) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (issued,) = [each for each in await tx.record.list_entries(contract.id) if each.kind == "certificate-issued"]
        authority = running.hub.services.sealing.authority_name
        await tx.certificates.revoke(authority, int(str(issued.facts["serial"])), tx.now, "key_compromise")


@pytest.mark.parametrize(
    ("number", "kinds", "asked"),
    [(1, {"signature-embedded": 0, "signature-lapsed": 1}, 2), (2, {"signature-lapsed": 0, "completed": 1}, 6)],
    ids=["of-the-signature", "of-the-seal"],
)
async def test_what_is_revoked_during_a_timestamp_is_in_the_file_or_keeps_it_away(
    number: int, kinds: dict[str, int], asked: int
) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        timestamps = serve(running, clock, number=number)
        contract = await running.issue_minor()
        await signed(running, contract)
        timestamps.overtaken_by = lambda: revoke_certificate(running, contract)
        await advance(running.hub.services, contract.id)
        record = await record_of(running, contract)
        assert {kind: record.count(kind) for kind in kinds} == kinds
        assert len(timestamps.asked) == asked  # the file that lacked the revocation was thrown away


async def test_a_contract_that_another_process_has_completed_is_not_completed_again() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        timestamps = serve(running, clock, number=2)  # the seal's timestamp
        contract = await running.issue_minor()
        await signed(running, contract)
        timestamps.overtaken_by = lambda: advance(running.hub.services, contract.id)
        with capture_logs() as logs:
            assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED
        assert len(timestamps.asked) == 6
        kinds = await record_of(running, contract)
        assert [kinds.count(kind) for kind in ("signed", "seal-used", "completed")] == [1, 1, 1]
        assert "contract stuck" not in {each["event"] for each in logs}


@dataclass
class SealedBy(SignsEach):
    """A seal key. `before` is run after the key was asked to sign, and before it answers."""

    key: SigningKey
    before: Callable[[], Awaitable[object]] | None = None

    @property
    def label(self) -> str:
        return self.key.label

    @property
    def spki(self) -> bytes:
        return self.key.spki

    async def sign(self, message: bytes) -> bytes:
        if other := self.before:
            self.before = None
            await other()
        return await self.key.sign(message)

    async def check(self) -> None:
        await self.key.check()


def seal_with(running: Running, key: SigningKey) -> None:
    services = running.hub.services
    running.hub = replace(
        running.hub, services=change_services(services, "sealing", seal=replace(services.sealing.seal, key=key))
    )


async def test_a_seal_that_another_process_has_made_counts_alone() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        key = SealedBy(running.hub.services.sealing.seal.key)
        seal_with(running, key)
        key.before = lambda: advance(running.hub.services, contract.id)
        assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED
        kinds = await record_of(running, contract)
        assert [kinds.count(kind) for kind in ("seal-used", "completed")] == [1, 1]


async def test_a_file_with_another_signature_of_the_seal_than_the_stored_one_is_thrown_away() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        key = SealedBy(running.hub.services.sealing.seal.key)
        seal_with(running, key)
        key.before = lambda: one_step(running.hub.services, contract.id)
        assert await advance(running.hub.services, contract.id) is ContractState.COMPLETED
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (seal,) = [each for each in await tx.signatures.list_of_contract(contract.id) if each.is_seal]
        assert seal.signature is not None
        final = await running.hub.services.files.get(str((await contract_now(running, contract)).document))
        assert seal.signature.hex().encode() in final.lower()
        assert (await record_of(running, contract)).count("seal-used") == 1


# ---- the file is checked before anybody is told that it is finished


@dataclass
class AnotherKey(SealedBy):
    """A token that answers with a key other than that of the certificate."""

    async def sign(self, message: bytes) -> bytes:
        return ec.generate_private_key(ec.SECP256R1()).sign(message, ec.ECDSA(hashes.SHA256()))


async def test_a_file_that_fails_its_check_is_not_completed_and_staff_hear_of_it() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        seal_with(running, AnotherKey(running.hub.services.sealing.seal.key))
        assert await advance(running.hub.services, contract.id) is ContractState.SIGNED
        assert (await contract_now(running, contract)).stuck_reason == "file-failed-check"
        assert "completed" not in await record_of(running, contract)
        assert "stuck" in await staff_tasks(running, contract.id)
