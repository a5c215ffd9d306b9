"""Everything that writes to a contract locks its row before all else: nothing holds what a reminder on its way
needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from channels import Inbound
from hub.errors import AlreadyEnrolled, DocumentChanged, WrongAnswer
from hub.lifecycle.inbound.inbound_sms import take_inbound
from hub.lifecycle.messaging.fallback import fall_back
from hub.lifecycle.messaging.resend_link import relink
from hub.lifecycle.messaging.send import NewMessage, write_message
from hub.lifecycle.reminders.bulk_remind import begin_reminding, remind_many
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.signing.entry.see_page import see_page
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.signing.sign import note_refusal
from hub.lifecycle.staff.change_phone import approve
from hub.model.contract.contract import ContractState
from hub.model.contract.contract_copy import CopyRecipient, CopyRole
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import COPY_TIMEOUT, DeliveryState, StateReport
from hub.model.messaging.message import Purpose
from hub.model.signing.device_key import AppKey, Attestation
from hub.model.signing.signature_request import RequestState
from hub.model.staff.accounts import UNREACHED, StaffTask
from hub.model.staff.phone_change import PhoneChangeState
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import MORNING, StandingClock, quiet_hub, waiting
from tests.lifecycle.enrolling import enrolled_by
from tests.lifecycle.people import two_guardians
from tests.lifecycle.phone_changes import HEFEI, OTHER, asked
from tests.lifecycle.signer import (
    Person,
    completed,
    person,
    ready_to_sign,
    record_of,
    signed,
    staff_tasks,
    wrong_code,
)
from tests.poster_visits import Family, make_poster
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID, Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Act = Callable[[Running, Person], Coroutine[None, None, None]]


async def code(running: Running, guardian: Person) -> None:
    await send_code(running.hub.services, guardian.secret)


async def question(running: Running, guardian: Person) -> None:
    await ask(running.hub.services, guardian.secret, "question", "When does the course begin?")


async def new_link(running: Running, guardian: Person) -> None:
    await relink(running.hub.services, phone=GUARDIAN_PHONE)


async def reply(running: Running, guardian: Person) -> None:
    provider = next(iter(running.hub.services.messaging.router.providers.list_able("sms", GUARDIAN_PHONE)))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await take_inbound(running.hub.services, tx, provider, Inbound("m-1", GUARDIAN_PHONE, "LINK"))


@pytest.mark.parametrize("act", [code, question, new_link, reply])
async def test_an_act_waits_for_a_message_on_its_way_and_the_message_not_for_the_act(act: Act) -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.land()
        services = running.hub.services
        async with running.hub.database.transaction(EVERYTHING) as tx:
            held = await tx.contracts.lock_contract(contract.id)
            await tx.record.append(contract.id, contract.campus, "note", "hub", {})
            acting = asyncio.create_task(act(running, guardian))
            await until(lambda: waiting(running, 1))
            await write_message(
                services, tx, held, guardian.signer, NewMessage(Purpose.REMINDER, "reminder-on-its-way")
            )
        await acting


async def test_codes_and_answers_wait_for_the_contract() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.land()

        async def wait(act: Coroutine[Any, Any, Any]) -> Any:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                await tx.contracts.lock_contract(contract.id)
                acting = asyncio.create_task(act)
                await until(lambda: waiting(running, 1))
            return await acting

        entered = await wait(guardian.ask_code())
        with pytest.raises(WrongAnswer):
            await wait(guardian.verify(wrong_code(entered)))
        await guardian.verify(entered)


async def test_a_refusal_that_waited_for_a_signature_takes_nothing_away_from_it() -> None:
    """One page of a session signs, and at the same moment another page refuses the same file."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        request = await guardian.prepare()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.lock_contract(contract.id)
            signing = asyncio.create_task(guardian.accept(request))
            await until(lambda: waiting(running, 1))
            refusing = asyncio.create_task(note_refusal(running.hub.services, guardian.secret, request.id, "too late"))
            await until(lambda: waiting(running, 2))
        assert await signing is TaskState.SIGNED
        await refusing
        assert await staff_tasks(running, contract.id) == ["refused-by-client"]
        await completed(running, contract)


async def test_a_file_is_prepared_for_the_contract_as_it_is_under_its_lock() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            held = await tx.contracts.lock_contract(contract.id)
            preparing = asyncio.create_task(guardian.prepare())
            await until(lambda: waiting(running, 1))
            await tx.contracts.change(held, document="0" * 64, revision=1)
        with pytest.raises(DocumentChanged):
            await preparing


async def test_a_signature_is_embedded_after_a_prepared_request_was_free_and_the_record_is_locked_last() -> None:
    """The revocation of a key locks a prepared request, and then the record, without the contract."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await signed(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (accepted,) = await tx.signatures.list_of_contract(contract.id)
            other = replace(accepted, id=uuid4(), state=RequestState.PREPARED, signature=None, accepted_at=None)
            await tx.signatures.add(other)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.signatures.lapse(other.id)
            finishing = asyncio.create_task(advance(running.hub.services, contract.id))
            await until(lambda: waiting(running, 1))
            await tx.record.append(contract.id, contract.campus, "later", "test", {})
        assert await finishing is ContractState.COMPLETED
        kinds = await record_of(running, contract)
        assert ("stuck" in kinds, kinds.index("later") < kinds.index("signature-embedded")) == (False, True)


async def test_of_two_who_waited_to_prepare_the_second_finds_the_document_busy() -> None:
    async with quiet_hub() as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        people = [await person(running, contract, number) for number in (0, 1)]
        for each in people:
            await each.enter()
            await each.certify()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.lock_contract(contract.id)
            preparing = [asyncio.create_task(each.prepare()) for each in people]
            await until(lambda: waiting(running, 2))
        results = await asyncio.gather(*preparing, return_exceptions=True)
        assert sorted(type(each).__name__ for each in results) == ["DocumentBusy", "SignatureRequest"]


async def test_the_page_that_is_given_out_is_the_one_that_was_noted() -> None:
    """Another signer's signature is embedded at this moment."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await ready_to_sign(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            await tx.sessions.page_seen(task.id, str(contract.document), contract.pages, tx.now)
            held = await tx.contracts.lock_contract(contract.id)
            seeing = asyncio.create_task(see_page(running.hub.services, guardian.secret, None, contract.pages))
            await until(lambda: waiting(running, 1))
            await tx.contracts.change(held, document="0" * 64, revision=1)
        seen = await seeing
        async with running.hub.database.transaction(EVERYTHING) as tx:
            documents = text("SELECT document FROM page_seen WHERE task = :task AND page = :page")
            of_page = {"task": task.id, "page": contract.pages}
            assert str(seen.document) in await tx.connection.scalars(documents, of_page)


async def test_reminders_to_two_signers_wait_for_both_people_before_they_write_anything() -> None:
    """The second signer is just registering a passkey, which locks first the person, then the record."""
    async with quiet_hub(StandingClock(moment=MORNING)) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        second = await person(running, contract, 1)
        services = running.hub.services
        act = await begin_reminding(services, EVERYTHING, [contract.id], "staff:test")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.sessions.lock_persons(second.signer.person)
            reminding = asyncio.create_task(remind_many(services, act))
            await until(lambda: waiting(running, 1))
            await tx.record.append(contract.id, contract.campus, "passkey-registered", "hub", {})
        await reminding


async def test_a_signer_who_enters_holds_no_record_while_staff_settle_a_task_about_them() -> None:
    """Staff settle it without the contract: first the task, then the record."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        guardian = await person(running, contract)
        await guardian.land()
        entered = await guardian.ask_code()
        task = StaffTask(
            uuid4(), UNREACHED, "Nobody answers.", contract.campus, running.clock(), contract.id, guardian.signer.id
        )
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.staff_tasks.add_task(task)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.staff_tasks.finish_task(task.id, "staff:test", tx.now)
            entering = asyncio.create_task(guardian.verify(entered))
            await until(lambda: waiting(running, 1))
            await tx.record.append(contract.id, contract.campus, "staff-task-settled", "staff:test", {})
        await entering
        assert (await record_of(running, contract))[-2:] == ["staff-task-settled", "identity-checked"]


async def test_a_copy_that_arrives_while_its_check_waits_is_not_told_as_lost() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        copies = (CopyRecipient(CopyRole.GUARDIAN, "mother@home.example"),)
        contract = await running.issue_minor(send="none", copies=copies)
        await signed(running, contract)
        await completed(running, contract)
        clock.advance(COPY_TIMEOUT)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (copy,) = [each for each in await tx.deliveries.list_of_contract(contract.id) if each.signer is None]
            await tx.contracts.lock_contract(contract.id)
            checking = asyncio.create_task(fall_back(running.hub.services, copy.id))
            await until(lambda: waiting(running, 1))
            await tx.deliveries.report(copy.id, StateReport(DeliveryState.DELIVERED), tx.planning_now)
        await checking
        assert "copy-not-sent" not in await record_of(running, contract)


async def test_a_phone_that_changes_waits_for_its_person_before_it_writes_anything() -> None:
    async with quiet_hub() as running:
        guardian = await person(running, await running.issue_minor())
        contract, signer, at = guardian.contract, guardian.signer, running.clock()
        key = AppKey(
            uuid4(), guardian.key.spki, signer.person, contract.id, signer.id, "Phone", Attestation.NONE, at, used_at=at
        )
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.app_keys.add(key)
        change = await asked(running, guardian)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.sessions.lock_persons(signer.person)
            changing = asyncio.create_task(approve(running.hub.services, HEFEI, change.id, OTHER))
            await until(lambda: waiting(running, 1))
            await tx.record.append(contract.id, contract.campus, "passkey-registered", "hub", {})
        assert (await changing).state is PhoneChangeState.CHANGED
        assert "app-key-revoked" in await record_of(running, contract)


async def test_a_student_who_is_on_file_in_two_contracts_holds_up_neither() -> None:
    async with quiet_hub() as running:
        contracts = [await running.issue_minor() for _ in range(2)]
        guardian = await person(running, contracts[0])
        _, ticket = await make_poster(running)
        stranger = Family(child_id=MINOR_ID)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.lock_contract(max(each.id for each in contracts))
            coming = asyncio.create_task(enrolled_by(running, ticket, replace(stranger, parent_id=GUARDIAN_ID)))
            await until(lambda: waiting(running, 1))
            await tx.sessions.lock_persons(guardian.signer.person)
        with pytest.raises(AlreadyEnrolled):
            await coming
