"""Accounts that are managed on the pages of the console, each act with its entry in the school's record."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.staff.accounts import disable_staff
from hub.model.staff.accounts import Staff
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.store.evidence.test_record import superuser
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Many people log in.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as hub:
        await add_staff(hub, "manager", "hefei", role=StaffRole.CAMPUS_MANAGER)
        await add_staff(hub, "lawyer", "hefei", role=StaffRole.LEGAL)
        await add_staff(hub, "foreigner", "beijing")
        yield hub


@pytest_asyncio.fixture(loop_scope="module")
async def manager(running: Running) -> ConsoleBrowser:
    return await console_of(running, "manager")


async def found(running: Running, login: str) -> Staff:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (account,) = await tx.accounts.list_accounts(tx.now, login)
    return account.staff


async def page_of(running: Running, login: str) -> str:
    return f"/staff/accounts/{(await found(running, login)).id}"


async def colleague(running: Running) -> str:
    """Add a clerk of the manager's campus. Return the login."""
    login = f"clerk-{uuid4().hex[:8]}"
    await add_staff(running, login, "hefei")
    return login


async def test_an_account_is_added_and_its_password_shown_once(running: Running, manager: ConsoleBrowser) -> None:
    form = {"login": "newcomer", "name": "周示范", "campus": "hefei", "role": "clerk"}
    page = await manager.post("/staff/accounts", form)
    shown = re.search(r"<code[^>]*>((?:[a-z2-9]{4}-){3}[a-z2-9]{4})</code>", page.text)
    assert page.status == 200 and shown and page.headers["Cache-Control"] == "no-store"
    assert shown[1] not in (await manager.get(await page_of(running, "newcomer"))).text
    console = ConsoleBrowser(running)
    assert (await console.log_in("newcomer", shown[1])).status == 303
    assert (await console.get("/staff")).location == "/staff/account"
    entry = (await running.school_record())[-1]
    assert entry.kind == "staff-added" and entry.actor == f"staff:{(await found(running, 'manager')).id}"
    again = await manager.post("/staff/accounts", form)
    assert again.status == 422 and "there is an account newcomer already" in again.words


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"campus": "beijing"}, 422),
        ({"campus": "hq"}, 422),
        ({"role": "headquarters"}, 422),
        ({"role": "owner", "campus": "hq"}, 422),
        ({"role": "seal-keeper"}, 403),
        ({"role": "legal"}, 403),
        ({"role": "king"}, 422),
        ({"role": ""}, 422),
        ({"login": "<b>"}, 422),
        ({"login": ""}, 422),
        ({"name": "\x00"}, 422),
    ],
)
async def test_what_cannot_be_added_is_refused(
    running: Running, manager: ConsoleBrowser, change: dict[str, str], status: int
) -> None:
    before = len(await running.school_record())
    form = {"login": "refused-one", "name": "周示范", "campus": "hefei", "role": "clerk"} | change
    page = await manager.post("/staff/accounts", form)
    assert page.status == status and "one-time password" not in page.words.casefold().split("add an account")[1]
    assert len(await running.school_record()) == before


async def test_a_list_shows_ones_campuses_alone(running: Running, manager: ConsoleBrowser) -> None:
    page = await manager.get("/staff/accounts")
    assert "lawyer" in page.text and "foreigner" not in page.text and ">demo<" not in page.text
    everybody = await (await console_of(running)).get("/staff/accounts")
    assert "lawyer" in everybody.text and "foreigner" in everybody.text
    one = await (await console_of(running)).get("/staff/accounts?campus=beijing")
    assert "lawyer" not in one.text and "foreigner" in one.text


async def test_a_foreign_account_is_as_one_that_does_not_exist(running: Running, manager: ConsoleBrowser) -> None:
    nobody = f"/staff/accounts/{uuid4()}"
    for theirs in (await page_of(running, "foreigner"), await page_of(running, "demo"), "/staff/accounts/x"):
        assert (await manager.get(theirs)).words == (back := await manager.get(nobody)).words
        assert '<a class="button primary" href="/staff">To the board</a>' in back.text
        for act in ("disable", "enable", "unlock", "role", "reset", "end-sessions", "second-factor"):
            page = await manager.post(f"{theirs}/{act}", {"role": "clerk"})
            missing = await manager.post(f"{nobody}/{act}", {"role": "clerk"})
            assert (page.status, page.words) == (missing.status, missing.words) == (404, missing.words), act


async def test_an_account_that_can_do_more_is_shown_and_not_changed(running: Running, manager: ConsoleBrowser) -> None:
    theirs = await page_of(running, "lawyer")
    before = len(await running.school_record())
    page = await manager.get(theirs)
    assert "you cannot change this account" in page.words and f'action="{theirs}' not in page.text
    for act in ("disable", "enable", "unlock", "role", "reset", "end-sessions", "second-factor"):
        refused = await manager.post(f"{theirs}/{act}", {"role": "clerk"})
        assert refused.status == 403 and "may do things that yours may not" in refused.words, act
    assert len(await running.school_record()) == before


async def test_ones_own_account_is_changed_elsewhere(running: Running, manager: ConsoleBrowser) -> None:
    mine = await page_of(running, "manager")
    assert 'href="/staff/account"' in (await manager.get(mine)).text
    for act in ("disable", "role", "reset"):
        refused = await manager.post(f"{mine}/{act}", {"role": "clerk"})
        assert refused.status == 403 and "You cannot manage your own account" in refused.words


async def test_an_account_is_disabled_reset_and_given_another_role(running: Running, manager: ConsoleBrowser) -> None:
    login = await colleague(running)
    theirs, console = await page_of(running, login), await console_of(running, login)
    assert (await manager.post(f"{theirs}/role", {"role": "auditor"})).location.endswith("?said=account-changed")
    assert (await console.get("/staff/import")).status == 403 and (await console.get("/staff")).status == 200
    assert (await manager.post(f"{theirs}/end-sessions")).status == 303
    assert (await console.get("/staff")).status == 303
    page = await manager.post(f"{theirs}/reset")
    shown = re.search(r"<code[^>]*>([a-z2-9-]{19})</code>", page.text)
    assert shown and (await ConsoleBrowser(running).log_in(login)).status == 403
    assert (await ConsoleBrowser(running).log_in(login, shown[1])).status == 303
    assert (await manager.post(f"{theirs}/disable")).status == 303
    assert (await ConsoleBrowser(running).log_in(login, shown[1])).status == 403
    assert (await manager.post(f"{theirs}/enable")).status == 303
    assert (await ConsoleBrowser(running).log_in(login, shown[1])).status == 303
    kinds = [entry.kind for entry in await running.school_record()][-5:]
    ended, reset, gone = "staff-sessions-ended", "staff-password-reset", "staff-disabled"
    assert kinds == ["staff-role-changed", ended, reset, gone, "staff-enabled"]


async def test_a_lock_is_ended_and_a_second_factor_removed(running: Running, manager: ConsoleBrowser) -> None:
    login = await colleague(running)
    theirs, staff = await page_of(running, login), await found(running, login)
    on_lost_phone = await console_of(running, login)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for _ in range(10):
            await tx.accounts.add_login_failure(login, tx.now)
        await tx.second_factors.begin(staff.id, "A" * 32)
        await tx.second_factors.confirm(staff.id, tx.now)
        await tx.second_factors.replace_codes(staff.id, [b"code"])
    assert (await ConsoleBrowser(running).log_in(login)).status == 429
    assert (await manager.post(f"{theirs}/unlock")).status == 303
    assert (await ConsoleBrowser(running).log_in(login)).location.startswith("/staff/login/code")
    assert (await on_lost_phone.get("/staff")).status == 200
    assert (await manager.post(f"{theirs}/second-factor")).status == 303
    assert (await on_lost_phone.get("/staff")).status == 303
    assert (await ConsoleBrowser(running).log_in(login)).location == "/staff"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.second_factors.count_codes(staff.id) == 0
    again = await manager.post(f"{theirs}/second-factor")
    assert again.status == 409 and "no second factor" in again.words


async def test_the_last_owner_stays_also_on_the_pages(running: Running) -> None:
    await add_staff(running, "second-owner", "hq", role=StaffRole.OWNER)
    console = await console_of(running, "second-owner")
    demo = await page_of(running, "demo")
    assert (await console.post(f"{demo}/disable")).status == 303
    await add_staff(running, "chief", "hq", role=StaffRole.HEADQUARTERS)
    chief = await console_of(running, "chief")
    refused = await chief.post(f"{await page_of(running, 'second-owner')}/disable")
    assert refused.status == 403  # headquarters does not touch an owner
    assert (await console.post(f"{demo}/enable")).status == 303


async def test_the_record_is_read_by_those_who_may_and_about_their_campuses(
    running: Running, manager: ConsoleBrowser
) -> None:
    here, there = await colleague(running), f"clerk-{uuid4().hex[:8]}"
    for login, campus in ((here, "hefei"), (there, "beijing")):
        await add_staff(running, login, campus)
        await disable_staff(running.hub.services, login, COMMAND_LINE)
    page = await manager.get("/staff/record")
    assert "account disabled" in page.words and "a command" in page.words
    assert here in page.words and there not in page.words and "chain" not in page.words
    everything = await (await console_of(running)).get("/staff/record")
    assert here in everything.words and there in everything.words
    assert "The chain of this record is intact." in everything.words
    async with running.hub.database.transaction(EVERYTHING) as tx:
        installation = await tx.school.find_installation()
    async with superuser(running) as connection:
        await connection.execute("UPDATE record_entry SET kind = 'x' WHERE contract = $1", installation)
    broken = await (await console_of(running)).get("/staff/record")
    assert "The chain of this record is broken at entry 1." in broken.words
