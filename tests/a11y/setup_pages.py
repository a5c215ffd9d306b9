"""The pages of the set-up, each with something to show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from playwright.async_api import Page

from channels import Fate, Message
from hub.commands.setup import SchoolInstaller
from hub.setup.installer import SetupResult
from hub.setup.look_at_origin import look_at_origin
from hub.setup.provider_trial import ProviderTrial
from hub.setup.questions import STEPS
from hub.web.setup.app import COOKIE, make_setup_app
from hub.web.setup.state import SetupState
from tests.a11y.pages import LookedAtPage
from tests.setup.given import right_answers
from tests.web.serving import served

STEP = "/setup/steps/{step}"


async def no_answer(page: Page) -> None:
    """Send a step without its answers, so that each fault stands at its question."""
    for field in await page.locator("main input:not([type=radio]), main textarea").all():
        await field.fill("")
    await page.locator("form button.primary").evaluate("button => { button.form.noValidate = true; button.click(); }")
    await page.locator(".fault").first.wait_for()


async def wrong_code(page: Page) -> None:
    await page.fill("#code", "000000")
    await page.locator("form[action='/setup/trial/code'] button").click()
    await page.get_by_role("alert").wait_for()


async def finish(page: Page) -> None:
    await page.locator("form[action='/setup/finish'] button").click()
    await page.wait_for_url("**/setup/finish")


@dataclass
class PreparedSetup:
    """A set-up that is served, and those of its pages that show something."""

    state: SetupState
    pages: tuple[LookedAtPage, ...]
    origin: str
    app: web.Application
    cookies: dict[str, tuple[str, str]]

    @property
    def paths(self) -> dict[str, str]:
        steps = {f"{STEP} ({each.name})": f"/setup/steps/{each.name}" for each in STEPS}
        return {"/setup/{token}": f"/setup/{self.state.access.token}", **steps}

    @property
    def queries(self) -> dict[str, str]:
        return {}


BEFORE = (LookedAtPage("/setup/{token}"), LookedAtPage("/setup/check", status=403))
ASKING = (
    *(LookedAtPage(STEP, "holder", each.name) for each in STEPS),
    LookedAtPage(STEP, "holder", "organisation", doing=no_answer),
    LookedAtPage("/setup/origin", "holder"),
    LookedAtPage("/setup/trial", "holder"),
    LookedAtPage("/setup/trial", "holder", doing=wrong_code),
    LookedAtPage("/setup/check", "holder"),
    LookedAtPage("/setup/installing", "holder"),
)
AFTER = (LookedAtPage("/setup/done", "holder"), LookedAtPage("/setup/done", "holder", doing=finish))
SETUP_PAGES = (*BEFORE, *ASKING, *AFTER)


@asynccontextmanager
async def prepared_setups(folder: Path) -> AsyncIterator[list[PreparedSetup]]:
    """Serve three set-ups: one that nobody has begun, one that is installing, and one that is done."""
    async with AsyncExitStack() as stack:
        prepared = []
        for name, pages in (("before", BEFORE), ("asking", ASKING), ("after", AFTER)):
            state = SetupState.begin(folder / name, SchoolInstaller(folder / name), lambda: datetime.now(UTC))
            app = make_setup_app(state, "http://127.0.0.1:8080")
            origin = await stack.enter_async_context(served(app))
            secret = state.access.claim(state.access.token, state.clock()) if pages is not BEFORE else None
            cookies = {"holder": (COOKIE, secret)} if secret else {}
            prepared.append(PreparedSetup(state, pages, origin, app, cookies))
        _, asking, after = prepared
        await _answer_all(asking.state)
        after.state.answers = right_answers()
        missing = ("no seal certificate yet: it is trial-grade",)
        after.state.installed = SetupResult(
            "https://sign.school.example", "office", "a-b-c", b"request", ("trial-grade",), missing
        )
        yield prepared
        if asking.state.installing:
            asking.state.installing.cancel()


async def _answer_all(state: SetupState) -> None:
    """Answer every step; the trial message was sent, and the installation is under way."""
    state.answers = right_answers()
    state.looked = await look_at_origin("http://127.0.0.1:9", state.mark, state.clock())
    message = Message("trial", "me@school.example", "code", "zh", "123456", "code", {}, state.clock())
    state.trial = ProviderTrial(message, "123456", state.clock(), Fate.ACCEPTED)
    state.told = ["the database", "the school"]
    state.installing = asyncio.create_task(asyncio.Event().wait())  # type: ignore[arg-type]
