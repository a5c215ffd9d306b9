"""Every page is in the walk, and axe-core finds nothing on any of them that hinders people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.commands.setup import SchoolInstaller
from hub.web.app import make_app
from hub.web.setup.app import make_setup_app
from hub.web.setup.state import SetupState
from tests.a11y.axe import judge, unfold
from tests.a11y.pages import PAGES
from tests.a11y.routes import page_routes
from tests.a11y.setup_pages import SETUP_PAGES
from tests.a11y.walk import browsing, chromium, walk
from tests.running import running_hub


async def test_every_route_of_a_page_is_in_the_walk(tmp_path: Path) -> None:
    async with running_hub(with_web=False, with_worker=False) as running:
        routes = page_routes(make_app(running.hub))
    state = SetupState.begin(tmp_path, SchoolInstaller(tmp_path), lambda: datetime.now(UTC))
    setup = page_routes(make_setup_app(state, "http://127.0.0.1:8080"))
    assert routes == {each.route for each in PAGES}
    assert setup == {each.route for each in SETUP_PAGES}


BAD = """<!doctype html><html lang="en"><title>Bad</title><main><h1>Bad</h1><input hidden><details><summary>
More</summary><p style="color: #ccc; background: #fff">pale</p></details>
<div style="width: 2000px">wide</div></main></html>"""


@pytest.mark.real
async def test_what_hinders_people_is_found_also_where_it_is_folded() -> None:
    async with chromium() as browser, browsing(browser) as page:
        await page.goto("about:blank")
        await page.set_content(BAD)
        assert {each.rule for each in await judge(page)} == {"reflow"}
        await unfold(page)
        assert {each.rule for each in await judge(page)} == {"label", "color-contrast", "reflow"}


@pytest.mark.real
async def test_nothing_on_any_page_hinders_people(tmp_path: Path) -> None:
    async with chromium() as browser:
        result = await walk(browser, tmp_path, every_mode=False)
    assert not result.findings, "\n".join(result.findings)
    assert result.unseen == set(), "no page of the walk shows these templates"
