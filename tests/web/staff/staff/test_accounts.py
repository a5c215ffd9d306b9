"""Accounts and API keys that an administrator changes, and what the console and the API accept then."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from hub.doctor.records import examine_records
from hub.errors import AccountNotFound, BadInput, LastOwner, OwnAccount, RoleAboveOwn
from hub.lifecycle.staff.accounts import (
    NewStaff,
    add_staff,
    change_role,
    disable_staff,
    enable_staff,
    end_sessions,
    list_sessions,
    list_staff,
    reset_password,
)
from hub.lifecycle.staff.api_keys import add_key, list_keys, revoke_key
from hub.model.staff.administration import COMMAND_LINE, Administrator
from hub.model.staff.password import new_password
from hub.model.staff.roles import ROLES_OF_HEADQUARTERS, StaffRole
from hub.model.staff.scope import Scope
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "correct-horse-battery"
CLERK = StaffRole.CLERK


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as found:
        yield found


async def added(running: Running, login: str = "zhou", campus: str = "hefei") -> None:
    await add_staff(running.hub.services, NewStaff(login, "周示范", campus), PASSWORD, COMMAND_LINE)


async def logged_in(running: Running, login: str = "zhou", password: str = PASSWORD) -> ConsoleBrowser | None:
    console = ConsoleBrowser(running)
    return console if (await console.log_in(login, password)).status == 303 else None


async def is_inside(console: ConsoleBrowser) -> bool:
    return (await console.get("/staff")).status == 200


async def test_an_account_is_added_and_sees_its_campus_alone(running: Running) -> None:
    await added(running)
    console = await logged_in(running)
    assert console is not None and await is_inside(console)
    assert (await console.get("/staff?campus=beijing")).status == 403
    (entry,) = await running.school_record()
    assert (entry.kind, entry.actor, entry.facts["staff_role"]) == ("staff-added", "command-line", "clerk")
    assert "zhou" not in str(entry.facts)  # the record has only a commitment to the login, which can be erased
    assert str(UUID(entry.facts["staff"])) == entry.facts["staff"]
    found = {each.staff.login: each for each in await list_staff(running.hub.services, COMMAND_LINE)}
    assert (found["zhou"].staff.campus, found["zhou"].sessions, found["zhou"].disabled_at) == ("hefei", 1, None)


@pytest.mark.parametrize(
    ("new", "password", "field"),
    [
        (NewStaff("Zhou", "周示范", "hefei"), PASSWORD, "login"),
        (NewStaff("z", "周示范", "hefei"), PASSWORD, "login"),
        (NewStaff("demo", "周示范", "hefei"), PASSWORD, "login"),
        (NewStaff("zhou", " ", "hefei"), PASSWORD, "name"),
        (NewStaff("zhou", "周示范", "nowhere"), PASSWORD, "campus"),
        (NewStaff("zhou", "周示范", "hefei", StaffRole.OWNER), PASSWORD, "role"),
        (NewStaff("zhou", "周示范", "hefei", StaffRole.HEADQUARTERS), PASSWORD, "role"),
        (NewStaff("zhou", "周示范", "hefei"), "too-short", "password"),
    ],
)
async def test_what_cannot_be_an_account_is_refused(running: Running, new: NewStaff, password: str, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        await add_staff(running.hub.services, new, password, COMMAND_LINE)
    assert refused.value.field == field
    assert await running.school_record() == []


async def test_of_two_that_add_one_login_at_once_one_does(running: Running) -> None:
    both = await asyncio.gather(added(running), added(running), return_exceptions=True)
    assert [type(each) for each in both if each is not None] == [BadInput]
    assert len(await running.school_record()) == 1


async def test_a_disabled_account_is_outside_at_once_and_comes_back_without_its_sessions(running: Running) -> None:
    await added(running)
    console = await logged_in(running)
    assert console is not None
    await disable_staff(running.hub.services, "zhou", COMMAND_LINE)
    assert not await is_inside(console) and await logged_in(running) is None
    await enable_staff(running.hub.services, "zhou", COMMAND_LINE)
    assert not await is_inside(console)
    assert await logged_in(running) is not None
    assert [each.kind for each in await running.school_record()] == ["staff-added", "staff-disabled", "staff-enabled"]


async def test_a_reset_ends_sessions_and_the_lock_after_wrong_passwords(running: Running) -> None:
    await added(running)
    console = await logged_in(running)
    assert console is not None
    for _ in range(10):
        assert await logged_in(running, password="wrong") is None
    assert (await ConsoleBrowser(running).log_in("zhou", PASSWORD)).status == 429
    made_up = new_password()
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", made_up)
    await reset_password(running.hub.services, "zhou", made_up, COMMAND_LINE)
    assert not await is_inside(console)
    assert await logged_in(running) is None
    assert await logged_in(running, password=made_up) is not None


async def test_sessions_are_listed_and_ended(running: Running) -> None:
    await added(running)
    first, second = await logged_in(running), await logged_in(running)
    assert first is not None and second is not None
    assert len(await list_sessions(running.hub.services, "zhou", COMMAND_LINE)) == 2
    assert await end_sessions(running.hub.services, "zhou", COMMAND_LINE) == 2
    assert not await is_inside(first) and not await is_inside(second)
    assert await list_sessions(running.hub.services, "zhou", COMMAND_LINE) == []


async def test_a_role_is_changed(running: Running) -> None:
    await added(running)
    await change_role(running.hub.services, "zhou", StaffRole.CAMPUS_MANAGER, COMMAND_LINE)
    found = {each.staff.login: each.staff.role for each in await list_staff(running.hub.services, COMMAND_LINE)}
    assert found["zhou"] is StaffRole.CAMPUS_MANAGER
    with pytest.raises(BadInput, match="only accounts of headquarters"):
        await change_role(running.hub.services, "zhou", StaffRole.HEADQUARTERS, COMMAND_LINE)
    assert (await running.school_record())[-1].facts["staff_role"] == "campus-manager"


async def test_the_last_owner_stays(running: Running) -> None:
    services = running.hub.services
    for act in (disable_staff(services, "demo", COMMAND_LINE), change_role(services, "demo", CLERK, COMMAND_LINE)):
        with pytest.raises(LastOwner):
            await act
    await add_staff(services, NewStaff("second", "周示范", "hq", StaffRole.OWNER), PASSWORD, COMMAND_LINE)
    both = await asyncio.gather(
        disable_staff(services, "demo", COMMAND_LINE),
        change_role(services, "second", CLERK, COMMAND_LINE),
        return_exceptions=True,
    )
    assert [type(each) for each in both if isinstance(each, Exception)] == [LastOwner]


async def test_a_manager_manages_accounts_below_them_and_none_that_can_do_more(running: Running) -> None:
    services = running.hub.services
    for new in (
        NewStaff("boss", "周示范", "hefei", StaffRole.CAMPUS_MANAGER),
        NewStaff("colleague", "周示范", "hefei", StaffRole.CLERK),
        NewStaff("lawyer", "周示范", "hefei", StaffRole.LEGAL),
        NewStaff("elsewhere", "周示范", "beijing", StaffRole.CLERK),
    ):
        await add_staff(services, new, PASSWORD, COMMAND_LINE)
    found = {each.staff.login: each.staff for each in await list_staff(services, COMMAND_LINE)}
    boss = Administrator("staff:x", StaffRole.CAMPUS_MANAGER, Scope(frozenset({"hefei"})), found["boss"].id)
    assert [each.staff.login for each in await list_staff(services, boss)] == ["boss", "colleague", "lawyer"]
    for login, refusal in (
        ("boss", OwnAccount),
        ("lawyer", RoleAboveOwn),
        ("elsewhere", AccountNotFound),
        ("demo", AccountNotFound),
        ("nobody", AccountNotFound),
    ):
        for act in (disable_staff, enable_staff, end_sessions):
            with pytest.raises(refusal):
                await act(services, login, boss)
        with pytest.raises(refusal):
            await reset_password(services, login, PASSWORD, boss)
        with pytest.raises(refusal):
            await change_role(services, login, StaffRole.AUDITOR, boss)
    with pytest.raises(AccountNotFound):
        await list_sessions(services, "elsewhere", boss)
    for role in set(StaffRole) - {StaffRole.CAMPUS_MANAGER, StaffRole.CLERK, StaffRole.AUDITOR}:
        with pytest.raises(RoleAboveOwn if role not in ROLES_OF_HEADQUARTERS else BadInput):
            await change_role(services, "colleague", role, boss)
    with pytest.raises(BadInput, match="there is no campus beijing"):
        await add_staff(services, NewStaff("other", "周示范", "beijing"), PASSWORD, boss)
    await change_role(services, "colleague", StaffRole.AUDITOR, boss)
    await disable_staff(services, "colleague", boss)
    assert [each.actor for each in (await running.school_record())[-2:]] == ["staff:x", "staff:x"]


async def test_nobody_is_no_account(running: Running) -> None:
    services = running.hub.services
    for act in (disable_staff, enable_staff, end_sessions):
        with pytest.raises(AccountNotFound, match="there is no account nobody"):
            await act(services, "nobody", COMMAND_LINE)
    with pytest.raises(AccountNotFound, match="there is no account nobody"):
        await reset_password(services, "nobody", PASSWORD, COMMAND_LINE)
    assert await running.school_record() == []


# ---- API keys


async def api_status(running: Running, secret: str) -> int:
    """Return the status of the API's answer to a request with this key."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with running.http.get(f"{running.origin}/api/v1/contracts", headers=headers) as answer:
        return answer.status


async def test_a_key_counts_until_it_is_revoked(running: Running) -> None:
    secret = await add_key(running.hub.services, "crm", "hefei", "command-line")
    assert secret.startswith("qdk_") and await api_status(running, secret) == 200
    with pytest.raises(BadInput, match="a key is or was named crm"):
        await add_key(running.hub.services, "crm", "hefei", "command-line")
    await revoke_key(running.hub.services, "crm", "command-line")
    assert await api_status(running, secret) == 401
    with pytest.raises(BadInput, match="there is no valid key crm"):
        await revoke_key(running.hub.services, "crm", "command-line")
    with pytest.raises(BadInput, match="a key is or was named crm"):  # it would get the seals and jobs of the former
        await add_key(running.hub.services, "crm", "hefei", "command-line")
    again = await add_key(running.hub.services, "crm-2", "hq", "command-line")
    assert again != secret and await api_status(running, again) == 200 and await api_status(running, secret) == 401
    listed = [
        (each.key.name, each.key.campus, each.revoked_at is None) for each in await list_keys(running.hub.services)
    ]
    assert listed == [("crm-2", "hq", True), ("demo", "hq", True), ("crm", "hefei", False)]
    assert [each.kind for each in await running.school_record()] == ["key-added", "key-revoked", "key-added"]
    assert secret not in str(await running.school_record())


@pytest.mark.parametrize(("name", "campus", "field"), [("c r m", "hefei", "name"), ("crm", "nowhere", "campus")])
async def test_what_cannot_be_a_key_is_refused(running: Running, name: str, campus: str, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        await add_key(running.hub.services, name, campus, "command-line")
    assert refused.value.field == field


async def test_the_record_of_these_acts_is_whole(running: Running) -> None:
    await added(running)
    await add_key(running.hub.services, "crm", "hefei", "command-line")
    findings = [each async for each in examine_records(running.hub, lambda _: None)]
    assert all(each.well for each in findings) and findings[0].words.startswith("2 entries of 0 contracts")
