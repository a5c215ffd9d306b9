"""One contract's page: who did what, the text of each message without its secrets, reading, consent, door."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest

from hub.lifecycle.contract.end import expire, void
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.model.contract.signer import Role
from hub.model.staff.accounts import ApiKey
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.key_scopes import KeyScope
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.lifecycle.clockwork import MORNING, StandingClock
from tests.lifecycle.people import ADULT, father, head
from tests.lifecycle.signer import completed, signed
from tests.poster_visits import cn_id
from tests.running import ADULT_ID, ONE_TIME_CODE, STUDENT_PHONE, Running
from tests.web.signer_visits import stands_alone
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_messages_are_shown_without_link_and_code(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    while await running.worker.due_steps.sweep():
        pass
    await signed(running, contract)
    await completed(running, contract)
    sent = {each["purpose"]: each["text"] for each in await running.messages()}
    page = await console.get(f"/staff/contracts/{contract.id}")
    shown = re.findall(r'<q class="text">([^<]*)</q>', page.text)
    assert any("[link]" in each for each in shown) and any("[code]" in each for each in shown)
    for purpose, secret in (("invitation", r"(?<=/s/)\S+"), ("code", ONE_TIME_CODE.pattern)):
        found = re.search(secret, sent[purpose])
        assert found and not stands_alone(found[0], page.text.replace(contract.number, "")), purpose
    assert re.search(r"Consent version \S+ · (today|yesterday)", page.words) and "Opened" in page.words
    assert re.search(r"As it stood on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\+8", page.words)  # for whoever prints it


async def test_a_guardian_who_has_not_signed_when_the_student_turned_18() -> None:
    clock = StandingClock(moment=MORNING)
    born = (MORNING + timedelta(days=10)).date()
    themselves = NewSigner(Role.STUDENT, ADULT.name, STUDENT_PHONE, ADULT_ID)
    student = NewStudent("陈小满", "cn-id", cn_id(f"{born.year - 18}{born:%m%d}"))
    async with lent_hub(with_worker=False, clock=clock) as running:
        contract = await running.issue_minor(student=student, signers=(father(),), send="none")
        with_both = await running.issue_minor(student=ADULT, signers=(themselves, father()), send="none")
        in_time = await running.issue_minor(student=student, signers=(father(), head(order=2)), send="none")
        await signed(running, in_time)
        for days, said in ((9, False), (1, True)):
            clock.advance(timedelta(days=days))
            console = await console_of(running)
            for each, warns in ((contract, said), (with_both, False), (in_time, False)):
                page = await console.get(f"/staff/contracts/{each.id}")
                assert ("The student is 18 or older" in page.words) is warns, (days, each.number)
        await void(running.hub.services, EVERYTHING, contract.id, "The student signs.", "staff:test")
        assert "18 or older" not in (await console.get(f"/staff/contracts/{contract.id}")).words


async def test_the_record_says_who_moved_the_deadline_and_when_to(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    day = (running.clock() + timedelta(days=60)).date()
    moved = await console.post(f"/staff/contracts/{contract.id}/extend", {"deadline": day.isoformat()})
    assert moved.status == 303
    page = await console.get(f"/staff/contracts/{contract.id}")
    assert re.search(r"deadline moved\s*: .{5,40} → .{5,40}23:59\s+by demo", page.words)


async def test_the_record_names_the_program_and_the_command_that_did_it(
    running: Running, console: ConsoleBrowser
) -> None:
    by_program, by_command = await running.issue_minor(), await running.issue_minor()
    key = ApiKey(uuid4(), "enrolment-system", "hq", frozenset(KeyScope))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.api_keys.add(key, "a secret of the test", running.clock())
    address = f"{running.origin}/api/v1/contracts/{by_program.id}/void"
    headers = {"Authorization": "Bearer a secret of the test"}
    async with running.http.post(address, headers=headers, json={"reason": "a mistake"}) as answer:
        assert answer.status == 200, await answer.text()
    await void(running.hub.services, EVERYTHING, by_command.id, "a mistake", COMMAND_LINE.actor)
    for contract, who in ((by_program, "enrolment-system"), (by_command, "a command")):
        page = await console.get(f"/staff/contracts/{contract.id}")
        assert re.search(rf"withdrawn[^“]{{0,20}}“a mistake” by {who}", page.words), page.words[-900:]
    await add_staff(running, "page-auditor", "hefei", role=StaffRole.AUDITOR)
    page = await (await console_of(running, "page-auditor")).get(f"/staff/contracts/{by_program.id}")
    assert "“a mistake” by an API key" in page.words and "enrolment-system" not in page.words


async def test_what_has_expired_gets_a_new_deadline_as_a_new_contract(
    running: Running, console: ConsoleBrowser
) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await expire(running.hub.services, tx, await tx.contracts.lock_contract(contract.id))
    form = {"deadline": (running.clock() + timedelta(days=60)).date().isoformat()}
    await add_staff(running, "page-legal", "hefei", role=StaffRole.LEGAL)
    legal = await console_of(running, "page-legal")
    path = f"/staff/contracts/{contract.id}"
    assert f'action="{path}/extend"' not in (await legal.get(path)).text
    assert (await legal.post(f"{path}/extend", form)).status == 409
    assert "It has expired." in (await console.get(path)).words
    fresh = await console.post(f"{path}/extend", form)
    assert fresh.status == 303 and fresh.location.endswith("?said=reissued") and path not in fresh.location
    assert f'action="{path}/extend"' not in (await console.get(path)).text


async def test_another_person_in_place_of_one_is_said_as_it_is(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor(send="none")
    page = await console.get(f"/staff/contracts/{contract.id}")
    assert "Drawn from the template “Course Training Agreement”: version" in page.words
    assert "This contract is withdrawn, and a new one" in page.words and "Withdraw and issue for" in page.words
    await void(running.hub.services, EVERYTHING, contract.id, "a wrong name", "test")
    page = await console.get(f"/staff/contracts/{contract.id}")
    assert "A new contract with the other name takes the place of this one." in page.words
    assert "This contract is withdrawn, and" not in page.words and "Withdraw and issue for" not in page.words
