"""A running hub, Debian's Chromium, and a phone or a desktop browser to look at it with.

Chromium is started once for all tests of a worker, so they share one event loop. Each test is lent a hub that looks as
new, and has browsers without memory of the others'.

Screenshots go to the folder QIANDA_SCREENSHOTS, if it is set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.lent_hubs import lent_hub
from tests.running import Running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The same engine without a window: it takes two thirds of the processor. The slow proofs use the whole browser.
HEADLESS_SHELL = shutil.which("chromium-headless-shell")
# Chromium's window has a suggestion list under its address bar that is itself a web page: nobody sees it here, and it
# costs more than the pages under test.
NO_ADDRESS_BAR = "--disable-features=WebUIOmniboxPopup,WebUIOmniboxFullPopup,WebUIOmniboxAimPopup"
ARGUMENTS = [
    "--disable-gpu",
    "--in-process-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    NO_ADDRESS_BAR,
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]
SMALL = {"width": 360, "height": 740}
PHONE: dict[str, Any] = {"viewport": SMALL, "has_touch": True, "is_mobile": True, "locale": "zh-CN"}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "locale": "zh-CN"}
# Milliseconds that a page may take for one step. Only a busy machine needs them.
STEP_MS = 60_000
expect.set_options(timeout=STEP_MS)

NewPage = Callable[..., Awaitable[Page]]
Shot = Callable[[Page, str], Awaitable[None]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(pytestconfig: pytest.Config) -> AsyncIterator[Browser]:
    quick = pytestconfig.getoption("markexpr") == "not real"
    program = HEADLESS_SHELL if quick and HEADLESS_SHELL else CHROMIUM
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Yield the browser. Everything that a test opened is closed after it."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser) -> NewPage:
    """`await new_page(**context)` returns a page in a browser of its own, by default a phone.

    Errors in the page's scripts and violations of its security policy fail the test.
    """

    async def make(**context: Any) -> Page:
        return await page_in(await browser.new_context(**(context or PHONE)))

    return make


async def page_in(context: BrowserContext) -> Page:
    context.set_default_timeout(STEP_MS)
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"script error: {error}"))
    page.on("console", lambda said: _no_violation(said.text))
    return page


def _no_violation(text: str) -> None:
    assert "Content Security Policy" not in text, text


@pytest.fixture
def shot() -> Shot:
    """`await shot(page, "name")` saves a screenshot of the whole page, if screenshots are wanted."""

    async def take(page: Page, name: str) -> None:
        if folder := os.environ.get("QIANDA_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return take
