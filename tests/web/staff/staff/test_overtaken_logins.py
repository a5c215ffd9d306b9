"""A login, or a change of one's own account, that was under way when somebody reset the account comes too late.

Whoever resets an account thinks that a stranger knows its password or has its phone, and may be there just now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from hub.lifecycle.staff import accounts
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.lifecycle.clockwork import waiting
from tests.running import Running, until
from tests.web.staff.staff.test_own_account import (
    ANOTHER,
    FACTOR,
    PASSWORD,
    added,
    change,
    inside,
    with_factor,
)
from tests.web.staff_visit import ConsoleBrowser, Page

pytestmark = pytest.mark.asyncio(loop_scope="module")
Reset = Callable[[Running, str], Awaitable[object]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as hub:
        yield hub


@asynccontextmanager
async def password_under_check(running: Running, login: str) -> AsyncIterator[None]:
    """Let whoever checks a password or a code of this login wait until the block ends, and has begun to wait."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.accounts.lock_login(login)
        yield


async def overtake(running: Running, login: str, act: Awaitable[Page], reset: Reset) -> Page:
    """Begin `act`, reset the account while its password or code is being checked, and return what `act` answers."""
    async with password_under_check(running, login):
        under_way = asyncio.ensure_future(act)
        await until(lambda: waiting(running, 1))
        await reset(running, login)
    return await under_way


async def set_password(running: Running, login: str) -> None:
    await accounts.reset_password(running.hub.services, login, ANOTHER, COMMAND_LINE)


async def end_sessions(running: Running, login: str) -> None:
    await accounts.end_sessions(running.hub.services, login, COMMAND_LINE)


async def disable_and_enable(running: Running, login: str) -> None:
    await accounts.disable_staff(running.hub.services, login, COMMAND_LINE)


async def is_inside(console: ConsoleBrowser) -> bool:
    return (await console.get("/staff/account")).status == 200


@pytest.mark.parametrize("reset", [set_password, disable_and_enable])
async def test_a_login_does_not_outlive_a_reset(running: Running, reset: Reset) -> None:
    login, console = await added(running), ConsoleBrowser(running)
    page = await overtake(running, login, console.log_in(login, PASSWORD), reset)
    if reset is disable_and_enable:
        await accounts.enable_staff(running.hub.services, login, COMMAND_LINE)
    assert page.status == 401 and not await is_inside(console)
    assert await is_inside(await inside(running, login, ANOTHER if reset is set_password else PASSWORD))


async def test_a_login_does_not_pass_by_a_second_factor_that_was_just_added(running: Running) -> None:
    login, console = await added(running), ConsoleBrowser(running)

    async def add_factor(running: Running, login: str) -> None:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            staff = await tx.accounts.lock(login)
            assert staff and await tx.second_factors.begin(staff.id, "A" * 32)
            await tx.second_factors.confirm(staff.id, tx.now)

    page = await overtake(running, login, console.log_in(login, PASSWORD), add_factor)
    assert page.status == 401 and not await is_inside(console)


@pytest.mark.parametrize("reset", [set_password, end_sessions])
async def test_a_code_does_not_open_what_has_ended(running: Running, reset: Reset) -> None:
    login, console = await added(running), ConsoleBrowser(running)
    _, _, codes = await with_factor(running, login)
    assert (await console.log_in(login, PASSWORD)).location == "/staff/login/code?next=/staff"
    entered = console.post("/staff/login/code", {"code": codes[0]})
    page = await overtake(running, login, entered, reset)
    assert page.status == 401 and not await is_inside(console)


async def test_a_stranger_who_is_inside_does_not_take_an_account_that_is_being_reset(running: Running) -> None:
    login = await added(running)
    stranger = await inside(running, login)
    page = await overtake(running, login, change(stranger, PASSWORD, "a password of the stranger"), set_password)
    assert page.status == 401 and not await is_inside(stranger)
    assert await is_inside(await inside(running, login, ANOTHER))


async def test_a_stranger_adds_no_second_factor_to_an_account_that_is_being_reset(running: Running) -> None:
    login = await added(running)
    stranger = await inside(running, login)
    begun = stranger.post(f"{FACTOR}/begin", {"password": PASSWORD})
    assert (await overtake(running, login, begun, set_password)).status == 401
    await with_factor(running, login, ANOTHER)


async def test_a_stranger_makes_no_recovery_codes_for_an_account_that_is_being_reset(running: Running) -> None:
    login = await added(running)
    stranger, _, codes = await with_factor(running, login)
    renewed = stranger.post(f"{FACTOR}/codes", {"code": codes[0]})
    assert (await overtake(running, login, renewed, set_password)).status == 401
    mine = ConsoleBrowser(running)
    await mine.log_in(login, ANOTHER)
    assert (await mine.post("/staff/login/code", {"code": codes[1]})).location == "/staff"
