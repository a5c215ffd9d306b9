"""A signer's whole number: for a reason, noted in the record, counted by day, and nowhere but on that page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.staff.reveal_contact import MAX_REASON_LENGTH, MAX_REVEALS_A_DAY
from hub.model.contract.contract import Contract
from hub.model.evidence.record import RecordEntry
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.lifecycle.clockwork import waiting
from tests.running import GUARDIAN_PHONE, Running, minor_with_guardian, until
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
WHOLE, DIGITS = "+86 190 0000 0101", GUARDIAN_PHONE.removeprefix("+86")
REASON = {"choice": "call", "reason": "The lesson of today is cancelled."}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as hub:
        await add_staff(hub, "clerk", "hefei")
        await add_staff(hub, "counted", "hefei")
        await add_staff(hub, "elsewhere", "beijing")
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console(running: Running) -> ConsoleBrowser:
    return await console_of(running, "clerk")


async def path_of(running: Running, contract: Contract) -> str:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    return f"/staff/contracts/{contract.id}/reveal/{signer.id}"


async def looks(running: Running, contract: Contract) -> list[RecordEntry]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [each for each in await tx.record.list_entries(contract.id) if each.kind == "contact-revealed"]


async def test_a_number_is_shown_for_a_reason(
    running: Running, console: ConsoleBrowser, capfd: pytest.CaptureFixture[str]
) -> None:
    guardian = replace(minor_with_guardian().signers[0], email="parent@example.org", channels=("sms", "email"))
    contract = await running.issue_minor(signers=(guardian,))
    path = await path_of(running, contract)
    before = await console.get(f"/staff/contracts/{contract.id}")
    assert f'action="{path}"' in before.text and DIGITS not in before.text and WHOLE not in before.words
    assert "E-mail p***@example.org" in before.words and "parent@example.org" not in before.text
    capfd.readouterr()
    page = await console.post(path, REASON)
    assert page.status == 200 and WHOLE in page.words and "parent@example.org" in page.words
    assert page.headers["Cache-Control"] == "no-store" and page.headers["Referrer-Policy"] == "no-referrer"
    logged = "".join(capfd.readouterr())
    assert "/reveal/{signer}" in logged and DIGITS not in logged and "parent@example.org" not in logged
    (entry,) = await looks(running, contract)
    assert entry.facts["kind"] == "call" and set(entry.facts["reason"]) == {"committed"}
    headquarters = await console_of(running)
    told = await headquarters.get(f"/staff/contracts/{contract.id}")
    assert "full number shown to staff (to call this person): “The lesson of today is cancelled.”" in told.words
    assert "by Clerk" in told.words
    for other in (
        told,
        await console.get("/staff"),
        await console.get("/staff/tasks"),
        await console.get("/staff/enrolments"),
    ):
        assert other.status == 200 and DIGITS not in other.text and WHOLE not in other.words
    assert (await console.get(path)).status == 405  # there is no address that shows it


async def test_a_second_click_is_the_same_look(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    path = await path_of(running, contract)
    pages = await asyncio.gather(*(console.post(path, REASON) for _ in range(2)))
    assert all(WHOLE in page.words for page in pages) and len(await looks(running, contract)) == 1
    await console.post(path, REASON | {"reason": "x" * MAX_REASON_LENGTH})
    assert len(await looks(running, contract)) == 2
    await console.post(path, {"choice": "check"})
    await (await console_of(running)).post(path, {"choice": "check"})  # somebody else's look is theirs
    assert len(await looks(running, contract)) == 4
    running.clock.advance(timedelta(minutes=1))
    await console.post(path, {"choice": "check"})
    assert len(await looks(running, contract)) == 5


async def test_the_second_of_two_clicks_waits_for_the_first(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    path = await path_of(running, contract)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.contracts.lock_contract(contract.id)
        clicks = [asyncio.create_task(console.post(path, REASON)) for _ in range(2)]
        await until(partial(waiting, running, 2))
    assert [WHOLE in (await click).words for click in clicks] == [True, True]
    assert len(await looks(running, contract)) == 1


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"reason": "I want to."},
        {"choice": "", "reason": "I want to."},
        {"choice": "phone-change"},
        {"choice": "other", "reason": " "},
        {"choice": "call", "reason": "x" * (MAX_REASON_LENGTH + 1)},
    ],
)
async def test_without_a_reason_nothing_is_shown(
    running: Running, console: ConsoleBrowser, form: dict[str, str]
) -> None:
    contract = await running.issue_minor()
    page = await console.post(await path_of(running, contract), form)
    assert page.status == 422 and "Reason:" in page.words.title() and DIGITS not in page.text
    assert WHOLE not in page.words and await looks(running, contract) == []
    assert form.get("reason", "").strip() in page.text  # what was entered is still there


async def test_another_campus_gets_the_answer_of_an_unknown_contract(running: Running) -> None:
    contract = await running.issue_minor()
    path = await path_of(running, contract)
    abroad = await console_of(running, "elsewhere")
    foreign = await abroad.post(path, REASON)
    unknown = await abroad.post(path.replace(str(contract.id), str(uuid4())), REASON)
    assert foreign.status == unknown.status == 404 and foreign.words == unknown.words
    assert await looks(running, contract) == []


async def test_a_signer_of_another_contract_is_not_there(running: Running, console: ConsoleBrowser) -> None:
    contract, other = await running.issue_minor(), await running.issue_minor()
    foreign = (await path_of(running, other)).rpartition("/")[2]
    for wrong in (foreign, str(uuid4()), "nobody"):
        page = await console.post(f"/staff/contracts/{contract.id}/reveal/{wrong}", REASON)
        assert page.status == 404 and WHOLE not in page.words
    assert await looks(running, contract) == [] == await looks(running, other)


async def test_so_many_a_day_and_no_more(running: Running, console: ConsoleBrowser) -> None:
    running.clock.advance_to_noon()
    counted = await console_of(running, "counted")
    contracts = [await running.issue_minor() for _ in range(3)]
    paths = [await path_of(running, each) for each in contracts]
    for path in (paths[0], paths[0], paths[1]):
        assert (await counted.post(path, REASON)).status == 200
    for number in range(2, MAX_REVEALS_A_DAY):
        assert (await counted.post(paths[1], {"choice": "other", "reason": f"call {number}"})).status == 200
    refused = await counted.post(paths[2], REASON)
    assert refused.status == 429 and WHOLE not in refused.words and await looks(running, contracts[2]) == []
    assert "as many phone numbers today as one person may see" in refused.words
    assert "Possible again from tomorrow 00:00" in refused.words
    running.clock.advance(timedelta(days=1))
    assert (await (await console_of(running, "counted")).post(paths[2], REASON)).status == 200


async def test_no_other_site_and_no_stranger(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    path = await path_of(running, contract)
    again = await console_of(running, "clerk")
    assert (await again.post(path, REASON, origin="https://elsewhere.example")).status == 403
    assert (await ConsoleBrowser(running).post(path, REASON)).status == 401
    assert await looks(running, contract) == []


async def test_it_is_there_in_chinese(running: Running) -> None:
    contract = await running.issue_minor()
    console = await console_of(running, "clerk", language="zh")
    page = await console.post(await path_of(running, contract), {"choice": "other", "reason": "家长来校"})
    assert "陈建国 的联系方式" in page.words and "仅在本页显示一次" in page.words and WHOLE in page.words
    told = (await console.get(f"/staff/contracts/{contract.id}")).words
    assert "工作人员查看了完整号码（其他原因）：“家长来校”" in told
    wrong = await console.post(await path_of(running, contract), {"choice": ""})
    assert "请选择原因" in wrong.words


async def test_who_looks_at_a_contract_again_after_an_hour_is_in_its_record_again(running: Running) -> None:
    """Whichever of its pages that shows a name they open."""
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    for number, page in enumerate(("", f"/links/{signer.id}", f"/desk/{signer.id}"), start=1):
        console = await console_of(running)
        for _ in range(2):
            assert (await console.get(f"/staff/contracts/{contract.id}{page}")).status == 200
        async with running.hub.database.transaction(EVERYTHING) as tx:
            kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
        assert kinds.count("viewed-by-staff") == number, page
        running.clock.advance(timedelta(hours=1))
