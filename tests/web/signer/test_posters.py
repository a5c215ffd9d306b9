"""Enrolling by a poster: the protocol from the scan to the completed contract, and every reason for a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from hub.errors import BudgetSpent
from hub.lifecycle.school import guests
from hub.lifecycle.school.posters import revoke_poster
from hub.model.contract.contract import Contract
from hub.model.messaging.budget import BudgetLimits
from hub.model.school.enrolment_list import EnrolmentFilter, EnrolmentState
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from qianda.wire import ProtocolProblem
from tests.changed_services import change_services
from tests.lent_hubs import lent_hub
from tests.poster_visits import Family, admitted, cn_id, counts, make_poster
from tests.running import Running
from tests.web.signer_visits import asked, code_for, without_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def contract_of(running: Running, contract: str) -> Contract:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return next(each for each in await tx.contracts.list_page() if str(each.id) == contract)


async def refusal(running: Running, ticket: str, family: Family, course: str = "math-a") -> tuple[int, str]:
    async with admitted(running, ticket, family) as client:
        with pytest.raises(ProtocolProblem) as refused:
            await client.enrol(course, family.student(), [family.guardian()])
    return refused.value.status, refused.value.code


async def test_from_the_poster_to_the_completed_contract(running: Running) -> None:
    poster, ticket = await make_poster(running, ("math-a", "english-b"))
    family = Family()
    async with SigningClient(running.origin, language="zh") as client:
        landed = await client.open_poster(ticket.lower(), family.phone, family.parent)
        assert set(landed) == {"session", "key_challenge", "school", "campus", "language"}
        assert landed["campus"] == "合肥校区"
        await client.code()
        courses = await client.verify_phone(await code_for(running, family.phone))
        assert [each["id"] for each in courses] == ["math-a", "english-b"] and courses[1]["fee"] == "2000.00"
        assert client.bearer != landed["session"]
        drawn = await client.enrol("english-b", family.student(), [family.guardian()])
        assert [(each["state"], each["task"]) for each in drawn] == [("ISSUED", "OPEN")]
        seen = await client.contract()
        assert {"role": "guardian", "name": family.parent, "state": "OPEN", "you": True} in seen.signers
        assert (await client.sign()).state == "SIGNED"
        contract = await contract_of(running, drawn[0]["id"])
        await running.completed(contract)
    assert await counts(running, poster) == [1, 1, 1]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
        task = (await tx.tasks.list_of_contract(contract.id))[0]
        enrolment = await tx.school.get_enrolment(contract.enrolment)  # type: ignore[arg-type]
    checked = next(entry.facts for entry in entries if entry.kind == "identity-checked")
    assert (checked["provider"], checked["method"], checked["result"]) == ("poster", "declared", "declared")
    assert (task.opened_through, enrolment.contract, contract.course) == ("poster", contract.id, "english-b")


async def test_nothing_is_told_or_done_before_the_code(running: Running) -> None:
    poster, ticket = await make_poster(running)
    family = Family()
    status, body, headers = await asked(running, "GET", f"/p/{ticket}")
    assert status == 200 and "合肥校区" in body and "数学素养A" in body and "Set-Cookie" not in headers
    assert await counts(running, poster) == [0, 0, 0]  # looking is no scan
    async with SigningClient(running.origin) as client:
        await client.open_poster(ticket, family.phone, family.parent)
        said = await client.session()
        assert said["verified"] is False and not {"name", "phone"} & set(said)
        with pytest.raises(ProtocolProblem, match="not-verified"):
            await client.enrol("math-a", family.student(), [family.guardian()])
        with pytest.raises(ProtocolProblem, match="session-not-valid"):
            await client.contract()
        await client.code()
        code = await code_for(running, family.phone)
        with pytest.raises(ProtocolProblem, match="wrong-answer"):
            await client.verify_phone(str((int(code) + 1) % 1_000_000).zfill(6))
        with pytest.raises(ProtocolProblem, match="too-soon"):
            await client.code()
        old = client.bearer
        await client.verify_phone(code)
        status, body, _ = await asked(running, "GET", "/sign/v1/session", bearer=old)
        assert (status, body["code"]) == (401, "session-not-valid")
        assert (await client.session())["phone"] == family.phone


async def test_ten_wrong_codes_lock_the_phone_until_tomorrow(running: Running) -> None:
    running.clock.advance_to_noon()
    _, ticket = await make_poster(running)
    family = Family()
    async with SigningClient(running.origin) as client:
        await client.open_poster(ticket, family.phone, family.parent)
        await client.code()
        code = await code_for(running, family.phone)
        for _ in range(10):
            with pytest.raises(ProtocolProblem, match="wrong-answer"):
                await client.verify_phone("none")
        with pytest.raises(ProtocolProblem, match="locked"):
            await client.verify_phone(code)


async def test_unknown_expired_and_revoked_posters_are_answered_like_links(running: Running) -> None:
    revoked, gone = await make_poster(running)
    assert await revoke_poster(running.hub.services, EVERYTHING, revoked.id)
    _, old = await make_poster(running, expires_at=running.clock() + timedelta(seconds=5))
    running.clock.advance(timedelta(seconds=6))
    family = Family()
    bodies = [{"poster": each, "phone": family.phone, "name": family.parent} for each in (gone, old, "0123456789ABC")]
    answers = [await asked(running, "POST", "/sign/v1/open", body=body) for body in bodies]
    answers.append(await asked(running, "POST", "/sign/v1/open", body={"ticket": "0123456789ABC"}))
    assert {status for status, _, _ in answers} == {404} and len({str(without_id(body)) for _, body, _ in answers}) == 1
    pages = [
        await asked(running, "GET", f"/p/{each}", headers={"Accept": "text/html"})
        for each in (gone, old, "0123456789ABC")
    ]
    assert {status for status, _, _ in pages} == {404} and len({body for _, body, _ in pages}) == 1


async def test_a_poster_that_is_revoked_meanwhile_takes_nobody(running: Running) -> None:
    poster, ticket = await make_poster(running)
    family = Family()
    async with admitted(running, ticket, family) as client:
        await revoke_poster(running.hub.services, EVERYTHING, poster.id)
        with pytest.raises(ProtocolProblem, match="link-not-valid"):
            await client.enrol("math-a", family.student(), [family.guardian()])


async def test_a_student_who_is_on_file_gets_a_link_to_the_phone_on_file(running: Running) -> None:
    """Another phone opens nothing, and learns only that the student is enrolled already."""
    _, ticket = await make_poster(running)
    family = Family()
    async with admitted(running, ticket, family) as client:
        await client.enrol("math-a", family.student(), [family.guardian()])
    stranger = Family(parent="李四", child=family.child, child_id=family.child_id)
    async with admitted(running, ticket, stranger) as client:
        with pytest.raises(ProtocolProblem) as refused:
            await client.enrol("math-a", stranger.student(), [stranger.guardian()])
        assert (refused.value.status, refused.value.code) == (409, "already-enrolled")
        assert family.phone[-4:] not in f"{refused.value.detail}{refused.value}"
        with pytest.raises(ProtocolProblem, match="session-not-valid"):
            await client.contract()
        assert (await client.session())["contracts"] == []
    assert running.origin in await running.message("new-link", family.phone)
    assert [each["purpose"] for each in await running.messages(stranger.phone)] == ["code"]


async def test_a_contract_that_came_without_an_enrolment_counts_too(running: Running) -> None:
    """A contract from the integration API: its student is recognised by the parent, or by the phone."""
    await running.issue_minor(course="math-a")
    _, ticket = await make_poster(running)
    known = running_minor()
    stranger = Family(parent="王五", child_id=known.child_id, parent_id=known.parent_id)
    assert await refusal(running, ticket, stranger) == (409, "already-enrolled")
    assert running.origin in await running.message("new-link", known.phone)


def running_minor() -> Family:
    from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, MINOR_ID

    return Family(phone=GUARDIAN_PHONE, parent_id=GUARDIAN_ID, child_id=MINOR_ID)


async def test_who_enrolled_already_and_has_nothing_to_sign_becomes_a_task_of_staff(running: Running) -> None:
    _, ticket = await make_poster(running, ("english-b",), mode="ask")
    family = Family()
    async with admitted(running, ticket, family) as client:
        assert await client.enrol("english-b", family.student(), [family.guardian()]) == []
        assert (await client.session())["enrolled"] is True
        with pytest.raises(ProtocolProblem, match="already-enrolled"):
            await client.enrol("english-b", family.student(), [family.guardian()])
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [task.kind for task in await tx.staff_tasks.list_open_tasks()]
        waiting = await tx.enrolments.list_fitting(EnrolmentFilter(EnrolmentState.WAITING, search=family.child), 2)
    assert {"enrolment-asked", "already-enrolled"} <= set(kinds) and len(waiting) == 1


async def test_one_enrolment_each(running: Running) -> None:
    _, ticket = await make_poster(running, ("math-a", "english-b"))
    family = Family()
    async with admitted(running, ticket, family) as client:
        await client.enrol("math-a", family.student(), [family.guardian()])
    again = replace(family, phone=Family().phone)
    assert await refusal(running, ticket, again, "english-b") == (409, "one-enrolment-each")


async def test_a_full_poster_says_so_before_anybody_enters_anything(running: Running) -> None:
    poster, ticket = await make_poster(running, maximum=1)
    first, second, third = Family(), Family(), Family()
    async with admitted(running, ticket, first) as one, admitted(running, ticket, second) as two:
        wishes = [(one, first), (two, second)]
        results = await asyncio.gather(
            *(client.enrol("math-a", each.student(), [each.guardian()]) for client, each in wishes),
            return_exceptions=True,
        )
    refused = [each for each in results if isinstance(each, ProtocolProblem)]
    assert [each.code for each in refused] == ["poster-full"] and (await counts(running, poster))[2] == 1
    body = {"poster": ticket, "phone": third.phone, "name": third.parent}
    status, said, _ = await asked(running, "POST", "/sign/v1/open", body=body)
    assert (status, said["code"]) == (409, "poster-full")
    status, page, _ = await asked(running, "GET", f"/p/{ticket}")
    assert status == 200 and 'data-panel="full"' in page


async def test_two_taps_make_one_contract(running: Running) -> None:
    poster, ticket = await make_poster(running)
    family = Family()
    async with admitted(running, ticket, family) as client, SigningClient(running.origin) as twin:
        twin.resume(client.bearer or "")
        results = await asyncio.gather(
            *(each.enrol("math-a", family.student(), [family.guardian()]) for each in (client, twin)),
            return_exceptions=True,
        )
    assert sorted(isinstance(each, ProtocolProblem) for each in results) == [False, True]
    assert (await counts(running, poster))[2] == 1


async def test_only_people_on_the_list(running: Running) -> None:
    by_phone, by_document, stranger = Family(), Family(), Family()
    allowed = (by_phone.phone.removeprefix("+86"), by_document.child_id.lower(), "")
    _, ticket = await make_poster(running, allowed=allowed)
    for family in (by_phone, by_document):
        async with admitted(running, ticket, family) as client:
            assert len(await client.enrol("math-a", family.student(), [family.guardian()])) == 1
    assert await refusal(running, ticket, stranger) == (403, "not-on-list")


async def test_the_codes_of_a_poster_have_a_budget(running: Running) -> None:
    """Otherwise a person who has a poster's address could have us write to any number of phones."""
    running.clock.advance_to_noon()
    _, ticket = await make_poster(running)
    services = running.hub.services
    tight = change_services(services, "messaging", budgets=BudgetLimits(per_poster_day=2))
    for number in range(3):
        family = Family()
        secret = (await guests.open_poster(tight, ticket, family.phone, family.parent, "zh")).secret
        if number < 2:
            await guests.send_code(tight, secret)
            continue
        with pytest.raises(BudgetSpent):
            await guests.send_code(tight, secret)
    assert await running.messages(family.phone) == []


@pytest.mark.parametrize("who", ["none", "child"])
async def test_under_18_a_guardian_signs(running: Running, who: str) -> None:
    _, ticket = await make_poster(running)
    family = Family(parent="陈小满")
    if who == "child":  # the child claims to be the guardian
        signer = family.guardian(id_number=cn_id("20120902"))
    else:
        signer = family.guardian(role="student", id_number=family.child_id)
    async with admitted(running, ticket, family) as client:
        with pytest.raises(ProtocolProblem) as refused:
            await client.enrol("math-a", family.student(), [signer])
    assert refused.value.status == 422
    assert refused.value.code == ("guardian-required" if who == "none" else "bad-input")


async def test_an_adult_signs_for_themselves(running: Running) -> None:
    _, ticket = await make_poster(running)
    adult = Family(parent="李想", child="李想", child_id=cn_id("19990101"))
    async with admitted(running, ticket, adult) as client:
        drawn = await client.enrol(
            "math-a", adult.student(), [adult.guardian(role="student", id_number=adult.child_id, relation=None)]
        )
        assert drawn[0]["task"] == "OPEN"


async def test_the_one_who_signs_has_the_phone_that_was_proved(running: Running) -> None:
    _, ticket = await make_poster(running)
    family, other = Family(), Family()
    wrong = [
        [family.guardian(phone=other.phone)],
        [family.guardian(name="李四")],
        [family.guardian(email="a@example.org")],
        [family.guardian(id_number=family.child_id)],
        [family.guardian(role="representative")],
        [family.guardian(), family.guardian(role="student", id_number=family.child_id, name=family.child)],
    ]
    async with admitted(running, ticket, family) as client:
        for signers in wrong:
            with pytest.raises(ProtocolProblem) as refused:
                await client.enrol("math-a", family.student(), signers)
            assert (refused.value.status, refused.value.code) == (422, "bad-input")
        with pytest.raises(ProtocolProblem) as refused:
            await client.enrol("english-b", family.student(), [family.guardian()])
        assert refused.value.status == 422
        assert len(await client.enrol("math-a", family.student(), [family.guardian()])) == 1


async def test_a_signers_session_needs_more_than_the_code(running: Running) -> None:
    contract = await running.issue_minor(course="math-a")
    async with SigningClient(running.origin) as client:
        await client.open(await running.ticket(contract))
        status, body, _ = await asked(running, "POST", "/sign/v1/verify", body={"code": "000000"}, bearer=client.bearer)
    assert (status, body["field"]) == (422, "name")
