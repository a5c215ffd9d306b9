"""One set per enrolment: the contract and its companions are issued at once, announced in one message, and open in one
visit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.errors import BadInput
from hub.lifecycle.contract.issue import issue_prepared, list_companions, prepare_contract
from hub.lifecycle.contract.preview import preview_contract
from hub.lifecycle.contract.reissue import reissue
from hub.model.contract.contract import Contract
from hub.model.reminders.due_step import HOLD
from hub.model.school.course import Course
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import StandingClock, quiet_hub, round_of_work, sent
from tests.lifecycle.signer import person
from tests.running import GUARDIAN_PHONE, Running, minor_with_guardian

COMPANIONS = ["data-consent", "safety-notice"]
COURSE = Course("math-a", "hefei", "数学", "Maths", {"companions": COMPANIONS})


async def take_companions(running: Running) -> None:
    """Let the course take its companions along."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        course = await tx.school.get_course("hefei", "math-a")
        await tx.school.put_course(replace(course, details={**course.details, "companions": COMPANIONS}))


async def set_of(running: Running, contract: Contract) -> list[Contract]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.list_set(contract)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_set_is_one_message_one_code_and_one_visit() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        await take_companions(running)
        leader = await running.issue_minor(external_id="E-1")
        documents = await set_of(running, leader)
        assert [each.template for each in documents] == ["course", *COMPANIONS]
        assert [each.external_id for each in documents] == ["E-1", None, None]
        assert [each.data["course_name"] for each in documents] == ["数学素养A", "个人信息处理同意书", "安全告知书"]
        await round_of_work(running)
        clock.advance(HOLD)
        await round_of_work(running)
        guardian = await person(running, leader)
        verified = await guardian.enter()
        assert [contract.id for contract, _ in verified.contracts] == [each.id for each in documents]
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "code"]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_preview_names_the_companions() -> None:
    async with quiet_hub() as running:
        asked = replace(minor_with_guardian(), companions=COMPANIONS)
        seen = await preview_contract(running.hub.services, EVERYTHING, asked)
        assert seen.companions == ["个人信息处理同意书", "安全告知书"]


@pytest.mark.asyncio(loop_scope="module")
async def test_reissuing_one_document_leaves_the_others_and_keeps_the_set() -> None:
    async with quiet_hub() as running:
        await take_companions(running)
        leader = await running.issue_minor(send="none")
        await reissue(running.hub.services, EVERYTHING, leader.id, "staff:x")
        consent = (await set_of(running, leader))[1]
        again = await reissue(running.hub.services, EVERYTHING, consent.id, "staff:x")
        assert (again.template, again.set_id) == ("data-consent", leader.set_id)
        found = [(each.template, each.state.value) for each in await set_of(running, leader)]
        voided, issued = ("VOIDED", "ISSUED")
        assert found == [
            ("course", voided),
            ("data-consent", voided),
            ("safety-notice", issued),
            ("course", issued),
            ("data-consent", issued),
        ]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_document_that_cannot_be_drawn_issues_none_of_its_set() -> None:
    async with quiet_hub() as running:
        with pytest.raises(BadInput, match="there is no contract template nothing"):
            await running.issue_minor(companions=["data-consent", "nothing"])
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.contracts.list_page() == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_second_message_of_a_family_waits_for_the_whole_set() -> None:
    async with quiet_hub(StandingClock()) as running:
        prepared = await prepare_contract(
            running.hub.services, EVERYTHING, replace(minor_with_guardian(), companions=COMPANIONS)
        )
        async with running.hub.database.transaction(EVERYTHING) as tx:
            leader = (await issue_prepared(running.hub.services, tx, prepared, "test", hold=True)).contract
            tasks = [
                task
                for each in await tx.contracts.list_set(leader)
                for task in await tx.tasks.list_of_contract(each.id)
            ]
            assert {task.step.due_at - tx.planning_now for task in tasks if task.step} == {HOLD}


def test_the_course_names_the_companions_unless_others_are_asked_for() -> None:
    asked = replace(minor_with_guardian(), template="course")
    assert [each.template for each in list_companions(asked, COURSE)] == COMPANIONS
    assert list_companions(replace(asked, companions=()), COURSE) == []
    assert [each.template for each in list_companions(replace(asked, companions=["x"]), None)] == ["x"]
    assert list_companions(replace(asked, companion=True), COURSE) == []
    first, second = list_companions(asked, COURSE)
    assert first.set_id == second.set_id
    assert first.companion


@pytest.mark.parametrize("companions", [["course"], ["a", "a"], [f"t{number}" for number in range(10)]])
def test_a_set_has_up_to_ten_documents_each_of_its_own_template(companions: list[str]) -> None:
    asked = replace(minor_with_guardian(), template="course", companions=companions)
    with pytest.raises(BadInput, match="up to ten documents"):
        list_companions(asked, None)
