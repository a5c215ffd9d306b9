"""Look at every page with axe-core, as somebody with a phone or a desktop sees it, in both languages and colours."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

import aiohttp_jinja2
import pytest
from aiohttp import web
from playwright.async_api import Browser, Error as PlaywrightError, Page, async_playwright

from hub.settings import PACKED
from hub.web.pages.i18n import COOKIE as LANGUAGE_COOKIE
from tests.a11y.axe import AXE, AxeFinding, judge, unfold
from tests.a11y.pages import PAGES, LookedAtPage
from tests.a11y.prepared import PreparedHub, prepare, templates_with_another_key
from tests.a11y.setup_pages import PreparedSetup, prepared_setups
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.custody.app import hub_with_an_app

Colours = Literal["light", "dark"]
WIDTHS = {"360 px": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 900}}
TEMPLATES = PACKED / "templates" / "pages"
# Rules of axe-core that see colours.
SEEING = ("color-contrast", "link-in-text-block")
STEP_MS = 60_000


@dataclass(frozen=True)
class PageMode:
    """`rules`: only these rules of axe-core."""

    width: str
    colours: Colours
    rules: tuple[str, ...] = ()


COLOURS: tuple[Colours, ...] = ("light", "dark")
ALL_MODES = tuple(PageMode(width, colours) for width, colours in product(WIDTHS, COLOURS))
# What a change breaks is seen on a phone; in the dark only colours are others.
QUICK_MODES = (PageMode("360 px", "light"), PageMode("desktop", "dark", SEEING))


@dataclass
class WalkResult:
    """`looks`: how many pages were looked at, each language and mode for itself. `unseen`: templates of pages that no
    page of the walk showed."""

    looks: int = 0
    findings: list[str] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)

    def add(self, where: str, found: Sequence[AxeFinding]) -> None:
        self.looks += 1
        self.findings += [f"{where}\n    {each}" for each in found]


@dataclass
class PageWalk:
    """A walk over the pages of one application in one browser. `pictures`: folder for pictures of each page: as
    one finds it, and unfolded."""

    page: Page
    origin: str
    prepared: PreparedHub | PreparedSetup
    modes: Sequence[PageMode]
    result: WalkResult
    pictures: Path | None = None

    async def look_at(self, wanted: LookedAtPage, language: str) -> None:
        page = self.page
        await self._become(wanted.who, language)
        await page.set_extra_http_headers({"User-Agent": wanted.agent} if wanted.agent else {})
        try:
            await self._reach(wanted)
        except (AssertionError, PlaywrightError) as error:
            self.result.findings.append(f"{wanted.name} · {language}: not reached, at {page.url}\n    {error}")
            return
        for mode in self.modes if self.pictures else ():
            await self._keep_picture(await self._turn_to(mode, wanted, language))
        await unfold(page)
        for mode in self.modes:
            where = await self._turn_to(mode, wanted, language)
            self.result.add(where, await judge(page, mode.rules))
            await self._keep_picture(f"{where} · unfolded")

    async def _turn_to(self, mode: PageMode, wanted: LookedAtPage, language: str) -> str:
        """Set width and colours. Return the name of this look."""
        await self.page.set_viewport_size(WIDTHS[mode.width])  # type: ignore[arg-type]
        await self.page.emulate_media(color_scheme=mode.colours)
        return f"{wanted.name} · {language} · {mode.width} · {mode.colours}"

    async def _become(self, who: str, language: str) -> None:
        await self.page.context.clear_cookies()
        cookies = [(LANGUAGE_COOKIE, language), *([self.prepared.cookies[who]] if who else [])]
        await self.page.context.add_cookies(
            [
                {"name": name, "value": value, "domain": "127.0.0.1", "path": "/", "secure": name.startswith("__Host-")}
                for name, value in cookies
            ]
        )

    async def _reach(self, wanted: LookedAtPage) -> None:
        page = self.page
        which = f"{wanted.route} ({wanted.which})" if wanted.which else wanted.route
        path = self.prepared.paths.get(which) or self.prepared.paths.get(wanted.route, wanted.route)
        query = wanted.query or (self.prepared.queries.get(wanted.who, "") if path.startswith("/sign/") else "")
        answer = await page.goto(self.origin + path + query)
        assert answer is not None and answer.status == wanted.status, f"HTTP {answer and answer.status}"
        assert page.url.startswith(self.origin + path), "it led elsewhere"
        if wanted.doing:
            await wanted.doing(page)

    async def _keep_picture(self, where: str) -> None:
        if self.pictures:
            name = "".join(letter if letter.isalnum() else "-" for letter in where)
            await self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


def page_templates() -> set[str]:
    """Return the templates that are pages of their own, by their names."""
    named = {path.relative_to(TEMPLATES).as_posix(): path.read_text("utf-8") for path in TEMPLATES.rglob("*.html")}
    frames = {"base.html", "signer/frame.html", "staff/frame.html", "setup/frame.html"}
    return {name for name, text in named.items() if "{% extends" in text and name not in frames}


def shown_templates(app: web.Application) -> set[str]:
    """Return the templates that the application has loaded."""
    cache = aiohttp_jinja2.get_env(app).cache
    return {name for _, name in cache} if cache else set()


async def walk(browser: Browser, folder: Path, *, every_mode: bool) -> WalkResult:
    """Look at all pages. `every_mode`: each in both languages, colours and widths; otherwise each once, by turns in one
    of the languages."""
    result, shown = WalkResult(), set[str]()
    modes, pictures = (ALL_MODES if every_mode else QUICK_MODES), _pictures()
    async with browsing(browser) as page, hub_with_an_app(folder, templates_with_another_key(folder / "t")) as phones:
        prepared, app = await prepare(phones), phones.running.app
        assert app is not None
        aiohttp_jinja2.get_env(app).cache.clear()  # type: ignore[union-attr]
        hub = PageWalk(page, phones.running.origin, prepared, modes, result, pictures)
        await _look_at_all(hub, PAGES, every_mode)
        shown |= shown_templates(app)
    async with browsing(browser) as page, prepared_setups(folder / "setup") as setups:
        for setup in setups:
            setup_walk = PageWalk(page, setup.origin, setup, modes, result, pictures)
            await _look_at_all(setup_walk, setup.pages, every_mode)
            shown |= shown_templates(setup.app)
    result.unseen = page_templates() - shown
    return result


async def _look_at_all(walking: PageWalk, pages: Sequence[LookedAtPage], every_mode: bool) -> None:
    for number, wanted in enumerate(pages):
        for language in ("zh", "en") if every_mode else (("zh", "en")[number % 2],):
            await walking.look_at(wanted, language)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def browsing(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport=WIDTHS["360 px"], locale="zh-CN")  # type: ignore[arg-type]
    context.set_default_timeout(STEP_MS)
    await context.add_init_script(path=AXE)
    yield await context.new_page()
    await context.close()


def _pictures() -> Path | None:
    folder = os.environ.get("QIANDA_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) if folder else None
