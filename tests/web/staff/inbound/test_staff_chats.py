"""Headquarters decide who may ask in a chat, and the tasks page shows everybody's alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hub.model.staff.scope import EVERYTHING
from tests.alerts.hook import dead_address
from tests.chats.platforms import WeComPlatform
from tests.running import Running, running_hub
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    configured = {"chats": {"office": {"kind": "wecom", **WeComPlatform().options}}, "alerts": [dead_address()]}
    async with running_hub(with_worker=False, configured=configured) as hub:
        await add_staff(hub, "hefei-clerk", "hefei")
        yield hub


async def test_a_person_is_added_changed_and_removed(running: Running, console: ConsoleBrowser) -> None:
    assert "Nobody yet" in (await console.get("/staff/chats")).words
    added = await console.post("/staff/chats", {"chat": "office", "person": " li.si ", "login": "hefei-clerk"})
    assert (added.status, added.location) == (303, "/staff/chats?said=chat-added")
    page = await console.get(added.location)
    assert "Hefei-Clerk hefei-clerk Hefei campus office li.si Remove" in page.words
    await console.post("/staff/chats", {"chat": "office", "person": "li.si", "login": "demo"})
    page = await console.get("/staff/chats")
    assert page.text.count("<code>li.si</code>") == 1 and "Headquarters" in page.words
    removed = await console.post("/staff/chats/remove", {"chat": "office", "person": "li.si"})
    assert removed.status == 303 and "Nobody yet" in (await console.get(removed.location)).words
    acts = [(act.kind, act.facts["staff"]) for act in await running.school_record() if act.kind.startswith("chat-")]
    clerk, demo = [await id_of(running, login) for login in ("hefei-clerk", "demo")]
    ends = [("chat-unlinked", clerk), ("chat-linked", demo), ("chat-unlinked", demo)]
    assert acts == [("chat-linked", clerk), *ends]


async def id_of(running: Running, login: str) -> str:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        account = await tx.accounts.find_by_login(login)
    assert account
    return str(account[0].id)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"chat": "nowhere", "person": "li.si", "login": "demo"}, "unknown chat"),
        ({"chat": "office", "person": "", "login": "demo"}, "the id of a person"),
        ({"chat": "office", "person": "x" * 201, "login": "demo"}, "the id of a person"),
        ({"chat": "office", "person": "a\x00b", "login": "demo"}, "the id of a person"),
        ({"chat": "office", "person": "<b>li", "login": "nobody"}, "no account has this login"),
        ({"chat": "office", "person": "li.si", "login": "\x00"}, "no account has this login"),
        ({}, "unknown chat"),
    ],
)
async def test_what_cannot_be_is_said_and_stays_in_the_form(
    console: ConsoleBrowser, form: dict[str, str], said: str
) -> None:
    page = await console.post("/staff/chats", form)
    assert page.status == 422 and said in page.words
    assert "<b>li" not in page.text and ("&lt;b&gt;li" in page.text) == (form.get("person") == "<b>li")


async def test_a_campus_does_not_get_there(running: Running) -> None:
    clerk = await console_of(running, "hefei-clerk")
    assert 'href="/staff/chats"' not in (await clerk.get("/staff")).text
    assert (await clerk.get("/staff/chats")).status == 403
    form = {"chat": "office", "person": "li.si", "login": "hefei-clerk"}
    for path in ("/staff/chats", "/staff/chats/remove"):
        assert (await clerk.post(path, form)).status == 403
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.chats.list_accounts() == []


async def test_alerts_stand_among_what_is_to_do(running: Running, console: ConsoleBrowser) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.alerts.add("provider-broken", {"provider": "sms_twilio", "reason": "<suspended>"}, tx.now)
        await tx.alerts.add("budget-spent", {"which": "campus", "campus": "hefei"}, tx.now, "hefei")
    page = await console.get("/staff/tasks")
    assert "a provider is out of use all campuses The provider sms_twilio is out of use: <suspended>." in page.words
    assert "a message limit is reached Hefei campus The message budget per campus is used up (hefei)" in page.words
    clerk = (await (await console_of(running, "hefei-clerk")).get("/staff/tasks")).words
    assert "used up" in clerk and "sms_twilio" not in clerk
    chinese = (await (await console_of(running, language="zh")).get("/staff/tasks")).words
    assert "告警" in chinese and "一个服务商已停用" in chinese
    assert "校区的发送额度已用完（hefei）" in chinese and "used up" not in chinese


async def test_without_any_configured_the_pages_say_so() -> None:
    async with running_hub(with_worker=False) as hub:
        console = await console_of(hub)
        assert "No chat is configured" in (await console.get("/staff/chats")).words
        async with hub.hub.database.transaction(EVERYTHING) as tx:
            await tx.alerts.add("stop-flood", {"count": 21, "providers": "twilio"}, tx.now)
        words = (await console.get("/staff/tasks")).words
        assert "No chat or mailbox is configured" in words
        assert "many opt-outs wait to be checked all campuses 21 STOP messages" in words
