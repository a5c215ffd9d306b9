"""Who may sign when: order, leases, stale revisions, repeated and late submissions, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from hub.errors import (
    AlreadySigned,
    ContractNotFound,
    DocumentBusy,
    DocumentChanged,
    IllegalMove,
    NotVerified,
    NotYourTurn,
    SessionNotValid,
    WrongConsent,
    WrongDocument,
    WrongProof,
    WrongSignature,
)
from hub.lifecycle.contract.decline import decline
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing import sign, signer_certificates
from hub.lifecycle.signing.device_keys import KeyEvidence, ShownKey
from hub.lifecycle.signing.entry import open_link
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff.signer_questions import finish_staff_task
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import TaskState
from hub.model.staff.scope import EVERYTHING
from qianda.holder import SoftwareKey
from tests.lifecycle.clockwork import StandingClock, quiet_hub, round_of_work, sent
from tests.lifecycle.people import ADULT, MOTHER_PHONE, adult, father, head, two_guardians
from tests.lifecycle.signer import (
    completed,
    contract_now,
    deliver,
    person,
    ready_to_sign,
    record_of,
    signed,
    staff_tasks,
    tasks_of,
)
from tests.lifecycle.trouble import Timestamps
from tests.running import GUARDIAN_PHONE, Running, minor_with_guardian

pytestmark = pytest.mark.asyncio(loop_scope="module")
IN_ANY_ORDER, IN_ORDER = two_guardians(1, 1), two_guardians(1, 2)


async def states(running: Running, contract: Contract) -> list[TaskState]:
    """Return the states of the contract's tasks, in the order of the signers' fields."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [
            (await tx.tasks.get_of_signer(signer.id)).state
            for signer in sorted(await tx.contracts.list_signers(contract.id), key=lambda each: each.field)
        ]


async def test_in_order_the_second_is_invited_when_the_first_signature_is_in_the_file() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=IN_ORDER)
        await round_of_work(running)
        assert await states(running, contract) == [TaskState.OPEN, TaskState.WAITING]
        second = await person(running, contract, 1)
        await second.enter()
        with pytest.raises(NotYourTurn):
            await second.certify()
        await signed(running, contract, 0)
        assert await states(running, contract) == [TaskState.SIGNED, TaskState.WAITING]
        assert await advance(running.hub.services, contract.id) is ContractState.ISSUED
        assert await states(running, contract) == [TaskState.SIGNED, TaskState.OPEN]
        await round_of_work(running)
        assert (await sent(running, MOTHER_PHONE))[-1][0] == "your-turn"
        await second.fresh_challenge()
        await second.sign()
        await completed(running, contract)


async def test_in_any_order_the_second_waits_for_the_lease_and_then_signs_the_new_revision() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=IN_ANY_ORDER)
        first, second = await person(running, contract, 0), await person(running, contract, 1)
        for each in (first, second):
            await each.enter()
            await each.certify()
        seen = await second.shown()
        request = await first.prepare()
        clock.advance(timedelta(minutes=1))
        with pytest.raises(DocumentBusy) as busy:
            await second.prepare()
        assert busy.value.retry_after == timedelta(minutes=2)
        await first.accept(request)
        clock.advance(timedelta(hours=5))  # an accepted signature holds the revision for as long as it takes
        second = await ready_to_sign(running, contract, 1)
        with pytest.raises(DocumentBusy):
            await second.prepare()
        await advance(running.hub.services, contract.id)
        with pytest.raises(DocumentChanged):
            await second.prepare(seen)
        await second.sign()
        await completed(running, contract)


async def test_after_the_lease_somebody_else_may_begin_and_the_late_signature_is_refused_without_loss() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=IN_ANY_ORDER)
        first, second = await person(running, contract, 0), await person(running, contract, 1)
        for each in (first, second):
            await each.enter()
            await each.certify()
        late = await first.prepare()
        clock.advance(timedelta(minutes=3))
        request = await second.prepare()
        with pytest.raises(DocumentChanged):
            await first.accept(late)
        await second.accept(request)
        with pytest.raises(DocumentChanged):
            await first.accept(late)
        await advance(running.hub.services, contract.id)
        with pytest.raises(DocumentChanged):
            await first.accept(late)
        await first.sign()
        await completed(running, contract)


async def test_a_signature_after_the_lease_counts_while_nobody_else_has_begun() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        request = await guardian.prepare()
        clock.advance(timedelta(minutes=30))
        assert await guardian.accept(request) is TaskState.SIGNED


async def test_a_repeated_submission_is_success_and_changes_nothing() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.enter()
        request = await guardian.sign()
        before = await record_of(running, contract)
        assert await guardian.accept(request) is TaskState.SIGNED
        with pytest.raises(AlreadySigned):
            await guardian.prepare()
        results = await asyncio.gather(*(guardian.accept(request) for _ in range(4)))
        assert set(results) == {TaskState.SIGNED}
        assert await record_of(running, contract) == before
        await completed(running, contract)
        assert await guardian.accept(request) is TaskState.SIGNED


async def test_what_does_not_fit_is_refused_and_nothing_changes() -> None:
    async with quiet_hub() as running:
        services, contract = running.hub.services, await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.land()
        with pytest.raises(NotVerified):
            await guardian.certify()
        with pytest.raises(SessionNotValid):
            await signer_certificates.certify_key(
                services, "nobody", None, ShownKey(guardian.key.spki, b"", "browser"), KeyEvidence()
            )
        await guardian.verify(await guardian.ask_code())
        shown = await guardian.shown()
        with pytest.raises(WrongProof):  # no key yet
            await guardian.prepare()
        proof = guardian.proof()
        await guardian.certify()
        with pytest.raises(WrongProof):  # a replayed proof
            await signer_certificates.certify_key(
                services, guardian.secret, None, ShownKey(guardian.key.spki, proof, "browser"), KeyEvidence()
            )
        with pytest.raises(WrongDocument):
            await guardian.prepare(shown + b" ")
        right = sign.consent_for(services, contract, "zh")
        wrong = sign.AgreedConsent(right.version, "0" * 64)
        with pytest.raises(WrongConsent):
            await sign.prepare(services, guardian.secret, None, sign.PrepareRequest(str(contract.document), wrong))
        request = await guardian.prepare()
        for forged in (SoftwareKey().sign(request.to_be_signed), guardian.key.sign(b"else"), b"", bytes(64)):
            with pytest.raises(WrongSignature):
                await sign.accept_signature(services, guardian.secret, request.id, forged)
        assert await states(running, contract) == [TaskState.OPEN]
        assert "signature-accepted" not in await record_of(running, contract)
        await guardian.accept(request)


async def test_a_key_that_came_after_prepare_does_not_sign_for_the_earlier_certificate() -> None:
    """Two tabs of one session: the second one made a key of its own between the first one's prepare and signature."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        request = await guardian.prepare()
        other_tab = replace(guardian, key=SoftwareKey())
        await other_tab.fresh_challenge()
        await other_tab.certify()
        with pytest.raises(WrongSignature):
            await other_tab.accept(request)
        await guardian.accept(request)
        await completed(running, contract)


async def test_another_session_cannot_submit_or_refuse_this_request_or_read_its_file() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=IN_ANY_ORDER)
        first, second = await person(running, contract, 0), await person(running, contract, 1)
        for each in (first, second):
            await each.enter()
            await each.certify()
        request = await first.prepare()
        with pytest.raises(WrongSignature):
            await second.accept(request, first.key.sign(request.to_be_signed))
        with pytest.raises(WrongSignature):
            await sign.prepared_file(running.hub.services, second.secret, request.id)
        with pytest.raises(WrongSignature):
            await sign.note_refusal(running.hub.services, second.secret, request.id, "not what was shown")


async def test_nobody_signs_after_void_and_nobody_voids_after_a_signature() -> None:
    async with quiet_hub() as running:
        services = running.hub.services
        voided, kept = await running.issue_minor(), await running.issue_minor()
        guardian = await ready_to_sign(running, voided)
        request = await guardian.prepare()
        await void(services, EVERYTHING, voided.id, "wrong course", "staff:test")
        with pytest.raises(IllegalMove):
            await guardian.accept(request)
        with pytest.raises(IllegalMove):
            await guardian.prepare()
        in_bundle = replace(guardian, contract=kept)
        accepted = await in_bundle.prepare()
        await in_bundle.accept(accepted)
        with pytest.raises(IllegalMove):
            await void(services, EVERYTHING, kept.id, "too late", "staff:test")
        await completed(running, kept)
        with pytest.raises(IllegalMove):
            await void(services, EVERYTHING, kept.id, "too late", "staff:test")


async def test_after_the_deadline_nobody_signs_even_before_the_worker_has_noticed() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(deadline=clock() + timedelta(hours=1))
        guardian = await ready_to_sign(running, contract)
        request = await guardian.prepare()
        clock.advance(timedelta(hours=1))
        with pytest.raises(IllegalMove):
            await guardian.accept(request)
        with pytest.raises(IllegalMove):
            await guardian.prepare()
        await round_of_work(running)
        assert (await contract_now(running, contract)).state is ContractState.EXPIRED


async def test_siblings_one_visit_one_key_two_signatures() -> None:
    async with quiet_hub() as running:
        older = await running.issue_minor()
        younger = await issue(
            running.hub.services, EVERYTHING, replace(minor_with_guardian(), course="english-b"), "test"
        )
        father_ = await person(running, older)
        verified = await father_.enter()
        assert [contract.id for contract, _ in verified.contracts] == [older.id, younger.id]
        await father_.certify()
        for contract in (older, younger):
            await replace(father_, contract=contract).sign()
        finals = [await completed(running, contract) for contract in (older, younger)]
        assert len(set(finals)) == 2
        async with running.hub.database.transaction(EVERYTHING) as tx:
            chains = {
                request.chain
                for contract in (older, younger)
                for request in await tx.signatures.list_of_contract(contract.id)
                if not request.is_seal
            }
        assert len(chains) == 1


async def test_a_session_holds_nobody_elses_contract() -> None:
    async with quiet_hub() as running:
        own = await running.issue_minor()
        other = await running.issue_minor(student=ADULT, signers=(adult(),))
        guardian = await person(running, own)
        await guardian.enter()
        with pytest.raises(ContractNotFound):
            await replace(guardian, contract=other).certify()


async def test_representative_and_guardian_both_sign_before_the_seal() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=(father(), head()))
        for number in (0, 1):
            await signed(running, contract, number)
            await advance(running.hub.services, contract.id)
        assert await completed(running, contract)
        assert contract.fields == ("guardian-1", "representative-1")


async def test_a_refused_prepared_file_gives_the_lease_back_and_alarms_staff() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=IN_ANY_ORDER)
        first, second = await person(running, contract, 0), await person(running, contract, 1)
        for each in (first, second):
            await each.enter()
            await each.certify()
        request = await first.prepare()
        await sign.note_refusal(running.hub.services, first.secret, request.id, "2: the digest differs")
        assert await staff_tasks(running, contract.id) == ["refused-by-client"]
        assert "signing-refused-by-client" in await record_of(running, contract)
        await second.prepare()


async def test_declining_ends_it_for_everybody() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=IN_ORDER)
        first, second = await person(running, contract, 0), await person(running, contract, 1)
        for each in (first, second):
            await each.enter()
        for _ in range(2):
            state = await decline(running.hub.services, first.secret, None, "we move away")
            assert state is ContractState.DECLINED
        assert await states(running, contract) == [TaskState.DECLINED, TaskState.CLOSED]
        assert await staff_tasks(running, contract.id) == ["declined"]
        with pytest.raises(IllegalMove):
            await second.certify()


async def test_only_whoever_can_sign_now_can_decline() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=IN_ORDER)
        second = await person(running, contract, 1)
        await second.enter()
        with pytest.raises(NotYourTurn):
            await decline(running.hub.services, second.secret, None, "too early")
        first = await signed(running, contract, 0)
        with pytest.raises(AlreadySigned):
            await decline(running.hub.services, first.secret, None, "too late")
        assert await staff_tasks(running, contract.id) == []


async def test_coming_back_finds_the_place_and_gets_a_fresh_challenge() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.enter()
        session, found = await open_link.resume_session(running.hub.services, guardian.secret)
        assert session.key_challenge != guardian.challenge
        assert [(each.id, task.state) for each, task in found] == [(contract.id, TaskState.OPEN)]


async def test_a_question_silences_every_task_at_that_number_until_staff_have_settled_it() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contracts = [await running.issue_minor() for _ in range(2)]
        await round_of_work(running)
        stranger = await person(running, contracts[0])
        await stranger.land()
        await ask(running.hub.services, stranger.secret, "not-me", "wrong number")
        clock.advance(timedelta(days=1, hours=1))
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation"]  # one for both
        assert [(await tasks_of(running, each))[0].paused for each in contracts] == [True, True]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.staff_tasks.list_open_tasks(contracts[0].id)
        assert await finish_staff_task(running.hub.services, EVERYTHING, task.id, "staff:test")
        assert not await finish_staff_task(running.hub.services, EVERYTHING, task.id, "staff:test")
        clock.advance(timedelta(days=2))
        await round_of_work(running)
        await deliver(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)][1:] == ["reminder"]


async def test_a_signature_that_waits_for_its_timestamp_keeps_the_second_signer_waiting() -> None:
    clock = StandingClock()
    timestamps = Timestamps(clock, away=True)
    async with quiet_hub(clock) as running:
        timestamps.serve(running)
        contract = await running.issue_minor(signers=IN_ANY_ORDER)
        await signed(running, contract, 0)
        await advance(running.hub.services, contract.id)
        second = await ready_to_sign(running, contract, 1)
        with pytest.raises(DocumentBusy):
            await second.prepare()
        timestamps.away = False
        await advance(running.hub.services, contract.id)
        await second.sign()
        await completed(running, contract)
