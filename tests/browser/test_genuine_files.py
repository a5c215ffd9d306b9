"""The page signs what the product prepares, for every kind of contract."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser

from tests.browser.test_update_check import check_verdicts, in_browser
from tests.browser.update_files import Case
from tests.verify.genuine_files import KINDS, genuine


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    made = [asyncio.run(genuine(kind, tmp_path_factory.mktemp("genuine"))) for kind in KINDS]
    return [case for one in made for case in one.cases]


@pytest.mark.real
async def test_the_page_takes_every_genuine_file(browser: Browser, cases: list[Case]) -> None:
    check_verdicts(await in_browser(browser, cases), cases, [])
