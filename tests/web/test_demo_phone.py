"""The pretend phone and the demo's calendar."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from hub.model.reminders.schedule import StepKind
from hub.model.staff.scope import EVERYTHING
from hub.web.app import make_app
from tests.lent_hubs import lent_hub
from tests.running import GUARDIAN_PHONE, Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def letters(running: Running, phone: str | None = GUARDIAN_PHONE) -> list[dict[str, str]]:
    params = {"phone": phone} if phone else {}
    async with running.http.get(f"{running.origin}/demo/phone.json", params=params) as answer:
        assert answer.status == 200
        return list(await answer.json())


async def minutes_to_the_next_step(running: Running, contract: UUID) -> int:
    """Return the minutes until the next reminder is due. Because of quiet hours, this depends on when the test runs."""

    async def reminder_due() -> datetime | None:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract)
        return task.step.due_at if task.step and task.step.kind is StepKind.REMINDER else None

    due: datetime = await until(reminder_due)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return (due - tx.planning_now) // timedelta(minutes=1) + 1


async def advance(running: Running, body: Any) -> tuple[int, Any]:
    async with running.http.post(f"{running.origin}/demo/clock", json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_messages_arrive_rendered_and_oldest_first() -> None:
    async with lent_hub() as running:
        contract = await running.issue_minor()
        await running.message("invitation")
        (letter,) = await letters(running)
        assert set(letter) == {"to", "channel", "purpose", "text", "at"}
        assert (letter["to"], letter["channel"], letter["purpose"]) == (GUARDIAN_PHONE, "sms", "invitation")
        assert "{" not in letter["text"] and f"{running.origin}/s/" in letter["text"]
        assert datetime.fromisoformat(letter["at"]).utcoffset() == timedelta(hours=8)
        assert await letters(running, GUARDIAN_PHONE.replace("+", "%2B")) == []
        assert await letters(running, None) == [letter] and await letters(running, "+8619000000999") == []

        status, clock = await advance(running, {"advance": f"{await minutes_to_the_next_step(running, contract.id)}m"})
        assert status == 200
        text = await running.message("reminder")
        moments = [datetime.fromisoformat(each["at"]) for each in await letters(running)]
        assert moments == sorted(moments) and len(moments) == 2
        assert moments[1] - moments[0] > timedelta(hours=12)
        assert moments[1] <= datetime.fromisoformat(clock["now"]) + timedelta(minutes=1)
        assert await running.state(contract) == "ISSUED" and "/s/" in text


async def test_the_page_shows_numbers_and_links_that_can_be_tapped() -> None:
    async with lent_hub() as running:

        async def page(path: str) -> str:
            async with running.http.get(running.origin + path, headers={"Accept": "text/html"}) as answer:
                assert answer.status == 200
                return await answer.text()

        assert "/staff" in await page("/demo/phone")
        await running.issue_minor()
        await running.message("invitation")
        overview = await page("/demo/phone?lang=en")
        (thread,) = re.findall(r'class="thread" href="([^"]+)"', overview)
        inbox = await page(thread)
        ((shown, _),) = re.findall(rf'<a href="({re.escape(running.origin)}/s/([0-9A-Z]{{13}}))">', inbox)
        assert shown in (await letters(running))[0]["text"]
        assert "<html" not in await page("/demo/phone?part=inbox")
        assert "No message has come to this number yet." in await page("/demo/phone?phone=%2B8619000000999&lang=en")


async def test_the_calendar_goes_only_ahead() -> None:
    async with lent_hub(with_worker=False) as running:
        async with running.http.get(f"{running.origin}/demo/clock") as answer:
            before = datetime.fromisoformat((await answer.json())["now"])
        for step, hours in (("3h", 3), ("30m", 3.5), ("21d", 21 * 24 + 3.5)):
            status, clock = await advance(running, {"advance": step})
            moved = datetime.fromisoformat(clock["now"]) - before
            assert status == 200 and abs(moved - timedelta(hours=hours)) < timedelta(minutes=1)
        wrong_ones: list[Any] = [{"advance": step} for step in ("-1d", "0d", "999999d", 1, "1w")]
        for wrong in [*wrong_ones, {}, []]:
            status, problem = await advance(running, wrong)
            assert (status, problem["field"]) == (422, "advance"), wrong
        async with running.http.post(
            f"{running.origin}/demo/clock?phone=%2B86190",
            data={"advance": "1d"},
            allow_redirects=False,
            headers={"Origin": running.origin},
        ) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/demo/phone?phone=%2B86190")


async def test_only_the_demo_has_these_routes() -> None:
    async with lent_hub(with_worker=False, with_web=False) as running:
        for demo in (True, False):
            app = make_app(replace(running.hub, demo=demo))
            paths = {resource.canonical for resource in app.router.resources()}
            assert any(path.startswith("/demo") for path in paths) == demo


async def test_another_site_cannot_move_the_calendar() -> None:
    async with lent_hub(with_worker=False) as running, aiohttp.ClientSession() as browser:
        headers = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        async with browser.post(f"{running.origin}/demo/clock", json={"advance": "1d"}, headers=headers) as answer:
            assert answer.status == 403
