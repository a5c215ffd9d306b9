"""The board as a table: its order, filters and counts, and who is found."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote

import pytest
import pytest_asyncio

from hub.lifecycle.contract.end import void
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.web.app import make_app
from hub.web.staff.board import dashboard
from hub.web.staff.board.board_counts import COUNTS, KeptCounts
from tests.lent_hubs import lent_hub
from tests.lifecycle.signer import completed, signed
from tests.running import GUARDIAN_PHONE, Running, minor_with_guardian
from tests.web.serving import served
from tests.web.staff_visit import COOKIE, ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
STUDENTS = ("包二", "安一", "陈三")
# Days until the deadline of each of them.
DAYS = (5, 2, 20)
FREE_PHONE = "+8619000000277"


@dataclass(frozen=True)
class Board:
    """A hub with a withdrawn, a completed and three open contracts; one of these is not sent yet."""

    running: Running
    console: ConsoleBrowser
    open: dict[str, Contract]
    done: Contract

    async def numbers(self, query: str = "") -> list[str]:
        """Return the numbers of the contracts on a page, in its order."""
        page = await self.console.get(f"/staff{query}")
        assert page.status == 200, page.text
        return re.findall(r"QD-\d{4}-\d{6}", page.text)

    def of(self, *students: str) -> list[str]:
        return [self.open[student].number for student in students]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def board() -> AsyncIterator[Board]:
    async with lent_hub(with_worker=False) as running:
        done = await running.issue_minor(external_id="CRM-77")
        await signed(running, done)
        await completed(running, done)
        gone = await running.issue_minor()
        await void(running.hub.services, EVERYTHING, gone.id, "test", "test")
        found = {}
        for student, days in zip(STUDENTS, DAYS, strict=True):
            if student == STUDENTS[-1]:
                while await running.worker.due_steps.sweep():
                    pass
            asked = minor_with_guardian()
            guardian = replace(asked.signers[0], name=f"家长{student}", phone=FREE_PHONE)
            found[student] = await running.issue_minor(
                student=replace(asked.student, name=student),
                signers=(guardian,),
                deadline=running.clock() + timedelta(days=days),
            )
        await add_staff(running, "elsewhere", "beijing")
        yield Board(running, await console_of(running), found, done)


async def test_heads_sort_by_name_deadline_and_age(board: Board) -> None:
    everything = "?view=pending"
    assert await board.numbers(everything) == board.of(*reversed(STUDENTS))
    assert await board.numbers(everything + "&sort=deadline") == board.of("安一", "包二", "陈三")
    by_name = await board.numbers(everything + "&sort=name")
    assert by_name == [board.open[name].number for name in sorted(STUDENTS)]
    text = (await board.console.get("/staff?sort=deadline")).text
    assert re.search(r"As it stood on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\+8", text)  # for whoever prints it
    assert text.count("aria-sort") == 1 and re.search(r'aria-sort="ascending">\s*<a href="/staff\?sort=deadline', text)


async def test_an_address_with_a_slash_keeps_its_query(board: Board) -> None:
    led = await board.console.get(f"/staff/?q={quote('安一 & co')}")
    assert (led.status, led.location) == (303, f"/staff?q={quote('安一 & co')}")
    assert (await board.console.get("/staff/")).location == "/staff"


@pytest.mark.parametrize("sort", ["", "deadline", "name"])
async def test_pages_follow_each_other_in_each_order(board: Board, sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await board.numbers(f"?sort={sort}")
    monkeypatch.setattr(dashboard, "PAGE", 2)
    seen, query = [], f"/staff?sort={sort}"
    while query:
        page = await board.console.get(query)
        seen += re.findall(r"QD-\d{4}-\d{6}", page.text)
        more = re.search(r'class="button" href="([^"]*cursor=[^"]*)"', page.text)
        query = more[1].replace("&amp;", "&") if more else ""
    assert seen == whole and len(seen) == 5


@pytest.mark.parametrize(
    ("query", "students"),
    [
        ("deadline=3", ["安一"]),
        ("deadline=7", ["安一", "包二"]),
        ("silent=1", ["陈三"]),
        ("channel=sms", ["安一", "包二"]),
        ("channel=email", []),
        ("receipt=delivered", ["安一", "包二"]),
        ("receipt=undelivered", []),
        ("view=overdue", []),
    ],
)
async def test_filters_stand_in_the_address(board: Board, query: str, students: list[str]) -> None:
    wanted = f"?view=pending&sort=deadline&{query}" if "view" not in query else f"?{query}"
    assert await board.numbers(wanted) == board.of(*students)


@pytest.mark.parametrize("query", ["channel=pigeon", "receipt=lost", "state=NONE", "cursor=eA", "sort=name&cursor=eA"])
async def test_a_filter_that_does_not_exist_is_refused(board: Board, query: str) -> None:
    assert (await board.console.get(f"/staff?{query}")).status == 422


async def test_every_state_is_counted_and_leads_to_its_contracts(board: Board) -> None:
    page = await board.console.get("/staff")
    counted = dict(re.findall(r'href="/staff\?state=(\w+)"[^>]*>[^<]*<b>([\d,]+)</b>', page.text))
    assert counted == {"COMPLETED": "1", "VOIDED": "1"}
    assert await board.numbers("?state=COMPLETED") == [board.done.number]
    views = dict(re.findall(r'href="/staff\?view=(\w+)"[^>]*>[^<]*<b>([\d,]+)</b>', page.text))
    assert views == {"pending": "3", "reached": "2", "opened": "0", "unreached": "0", "overdue": "0", "stuck": "0"}


async def test_what_is_past_its_deadline_is_shown_and_marked(board: Board) -> None:
    late = board.open["安一"]
    async with board.running.hub.database.transaction(EVERYTHING) as tx:
        _, before = await tx.board.get_counts(late.deadline)
        _, after = await tx.board.get_counts(late.deadline + timedelta(seconds=1))
    assert (before["overdue"], after["overdue"]) == (0, 1)


@pytest.mark.parametrize(
    "search", ["+8619000000277", "19000000277", "190 0000 0277", "190-0000-0277", "家长包", "包二", "0277"]
)
async def test_a_person_is_found_by_what_staff_type(board: Board, search: str) -> None:
    assert board.open["包二"].number in await board.numbers(f"?q={quote(search)}")


async def test_a_search_finds_nothing_else(board: Board) -> None:
    assert await board.numbers("?q=CRM-77") == [board.done.number]
    assert set(await board.numbers(f"?q={quote(GUARDIAN_PHONE)}")).isdisjoint(board.of(*STUDENTS))
    for search in (board.done.number[-6:], board.done.number, board.done.number.lower(), board.done.number[3:]):
        assert set(await board.numbers(f"?q={search}")) == {board.done.number}, search
    assert await board.numbers(f"?q={board.done.number[:7]}") == []  # a year is no end of a number
    elsewhere = await console_of(board.running, login="elsewhere")
    assert "QD-" not in (await elsewhere.get(f"/staff?q={quote(FREE_PHONE)}")).text


async def test_numbers_that_are_dear_are_counted_once_for_many() -> None:
    async with lent_hub(with_worker=False) as running:
        await running.issue_minor()
        await add_staff(running, "elsewhere", "beijing")
        console = await console_of(running)
        app = make_app(running.hub)
        app[COUNTS] = KeptCounts(kept_times=1_000_000, counted_each_time=0.0)
        host = running.origin.removeprefix("http://")
        async with served(app) as origin:

            async def pending(console: ConsoleBrowser) -> str:
                headers = {"Cookie": f"{COOKIE}={console.cookie}; qianda-language=en", "Host": host}
                async with running.http.get(f"{origin}/staff", headers=headers) as answer:
                    return str(re.findall(r'view=pending"[^>]*>[^<]*<b>([\d,]+)</b>', await answer.text())[0])

            before = await pending(console)
            await running.issue_minor()
            assert await pending(console) == before != "0"
            assert await pending(await console_of(running, login="elsewhere")) == "0"
