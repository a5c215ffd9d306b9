"""Who gets into the console, and how far."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from hub.errors import TooMany
from hub.lifecycle.staff.check_password import MAX_CHECKS, PasswordGate
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import PASSWORDS
from tests.lent_hubs import lent_hub
from tests.running import CHEAP, Running, until
from tests.store.evidence.test_record import dumped
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as hub:
        yield hub


async def test_the_cookie_is_bound_to_the_host_and_ends_with_the_visit(running: Running) -> None:
    console = ConsoleBrowser(running)
    page = await console.log_in()
    assert (page.status, page.location) == (303, "/staff")
    cookie = page.headers["Set-Cookie"]
    for word in ("__Host-qianda-staff=", "HttpOnly", "Secure", "Path=/", "SameSite=Lax", "Max-Age=43200"):
        assert word in cookie
    assert (await console.get("/staff")).status == 200
    old = console.cookie
    assert (await console.post("/staff/logout")).location == "/staff/login"
    assert (await ConsoleBrowser(running, cookie=old).get("/staff")).status == 303


async def test_without_a_login_nothing_is_shown(running: Running) -> None:
    console = ConsoleBrowser(running)
    for path in ("/staff", "/staff/enrolments", "/staff/issue", "/staff/import", "/staff/tasks"):
        page = await console.get(path)
        assert (page.status, page.location.partition("?")[0]) == (303, "/staff/login"), path
    assert (await console.post("/staff/issue", {})).status == 401
    assert (await console.get("/staff?part=live")).status == 401


@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        ("/staff/tasks", "/staff/tasks"),
        ("/staff?state=ISSUED", "/staff?state=ISSUED"),
        ("https://elsewhere.example/", "/staff"),
        ("//elsewhere.example/staff", "/staff"),
        ("/staffing", "/staff"),
        ("/staff/\\elsewhere", "/staff"),
    ],
)
async def test_after_the_login_one_is_where_one_wanted_to_be_but_only_inside(
    running: Running, wanted: str, leads: str
) -> None:
    from urllib.parse import quote

    page = await ConsoleBrowser(running).post(
        f"/staff/login?next={quote(wanted)}", {"login": "demo", "password": running.password}
    )
    assert page.location == leads


async def test_a_wrong_password_and_an_unknown_name_look_the_same(running: Running) -> None:
    wrong = await ConsoleBrowser(running).log_in("demo", "wrong")
    unknown = await ConsoleBrowser(running).log_in("nobody", "wrong")
    assert wrong.status == unknown.status == 403
    assert wrong.text == unknown.text.replace('value="nobody"', 'value="demo"')
    assert not wrong.headers.get("Set-Cookie", "").startswith("__Host-")


async def test_ten_wrong_passwords_lock_the_name_for_a_quarter_of_an_hour(running: Running) -> None:
    await add_staff(running, "clumsy", "hefei")
    answers = await asyncio.gather(
        *(ConsoleBrowser(running).log_in("clumsy", f"wrong-{number}") for number in range(14))
    )
    assert sorted(page.status for page in answers) == [403] * 10 + [429] * 4
    assert (await ConsoleBrowser(running).log_in("clumsy")).status == 429
    running.clock.advance(timedelta(minutes=16))
    assert (await ConsoleBrowser(running).log_in("clumsy")).status == 303


class HeldHasher(PasswordHasher):
    """A hasher that checks no password before it is let go."""

    def __init__(self) -> None:
        super().__init__(CHEAP.passes, CHEAP.memory, CHEAP.lanes)
        self.go_on = threading.Event()

    def verify(self, *words: Any) -> Literal[True]:
        assert self.go_on.wait(120)
        return super().verify(*words)


async def test_nothing_of_the_database_is_held_while_a_password_is_hashed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt counts from its beginning, and no longer once it has succeeded."""
    await add_staff(running, "patient", "hefei")
    assert running.app
    hasher = HeldHasher()
    monkeypatch.setattr(running.app[PASSWORDS], "_hasher", hasher)
    coming = asyncio.ensure_future(ConsoleBrowser(running).log_in("patient"))

    async def is_counted_and_holds_nothing() -> bool:
        # Its commit can be seen a moment before it gives its connection back.
        return await failures(running, "patient") == 1 and not running.hub.database.pool.in_use

    try:
        await until(is_counted_and_holds_nothing, 30)
        assert not coming.done()
    finally:
        hasher.go_on.set()
    assert (await coming).status == 303
    assert await failures(running, "patient") == 0


async def test_whoever_comes_when_many_are_checked_is_told_at_once(running: Running) -> None:
    """Otherwise programs at many addresses make staff wait for minutes, and each of them leaves a row."""
    await add_staff(running, "waiting", "hefei")
    gate = PasswordGate(running.hub.services.password_cost)
    turns, gate._turns = gate._turns, asyncio.Semaphore(0)  # nobody's turn comes
    services = running.hub.services
    checks = [asyncio.create_task(gate.check(services, f"nobody-{each}", "x")) for each in range(MAX_CHECKS)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany) as refused:
        async with asyncio.timeout(60):
            await gate.check(services, "waiting", running.password)
    assert refused.value.retry_after and await failures(running, "waiting") == 0
    for each in checks:
        each.cancel()
    await asyncio.gather(*checks, return_exceptions=True)
    gate._turns = turns
    assert (await gate.check(services, "waiting", running.password)).staff.login == "waiting"


async def failures(running: Running, login: str) -> int:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.accounts.count_login_failures(login, tx.now - timedelta(minutes=1))


async def test_a_password_that_was_typed_as_the_login_stands_nowhere(running: Running) -> None:
    typed = "my-own-long-password"
    assert (await ConsoleBrowser(running).log_in(typed, "x")).status == 403
    assert await failures(running, typed) == 1
    assert [table for table, rows in (await dumped(running)).items() if any(typed in row for row in rows)] == []


async def test_strange_characters_in_a_name_harm_nothing(running: Running) -> None:
    assert (await ConsoleBrowser(running).log_in("de\x00mo\u202e", "x")).status == 403


async def test_another_site_cannot_act_in_ones_name(running: Running) -> None:
    console = await console_of(running)
    contract = await running.issue_minor()
    page = await console.post(
        f"/staff/contracts/{contract.id}/void", {"reason": "x"}, origin="https://elsewhere.example"
    )
    assert page.status == 403 and await running.state(contract) == "ISSUED"


async def test_a_campus_sees_itself_alone(running: Running) -> None:
    await add_staff(running, "beijing", "beijing")
    contract = await running.issue_minor()
    console = await console_of(running, "beijing")
    assert contract.number not in (await console.get("/staff")).text
    assert (await console.get("/staff?campus=hefei")).status == 403
    for path in ("", "/void", "/final.pdf"):
        assert (await console.get(f"/staff/contracts/{contract.id}{path}")).status == 404
    for path, form in (
        ("remind", {}),
        ("void", {"reason": "x"}),
        ("extend", {"deadline": f"{running.clock() + timedelta(days=60):%Y-%m-%d}"}),
        ("reissue", {}),
    ):
        assert (await console.post(f"/staff/contracts/{contract.id}/{path}", form)).status == 404
    assert await running.state(contract) == "ISSUED"
    assert contract.number in (await (await console_of(running)).get("/staff?campus=hefei")).text


async def test_a_page_that_nobody_looks_at_does_not_keep_its_session_open(running: Running) -> None:
    """It asks for its parts by itself. Only what a person does counts as use."""
    console, there = await console_of(running), await console_of(running)
    idle = running.hub.settings.staff.idle_minutes
    for _ in range(4):
        running.clock.advance(timedelta(minutes=idle / 3))
        assert (await there.get("/staff")).status == 200
        parts = await console.get("/staff?part=live")
    assert parts.status == 401
    assert (await console.get("/staff")).location.startswith("/staff/login")
