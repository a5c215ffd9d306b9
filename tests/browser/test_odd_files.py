"""The page refuses files that readers understand differently, as the client and the verifier do: in Chromium and in
Node."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.test_update_check import check_verdicts, in_browser, in_node
from tests.browser.update_files import Case
from tests.signing_parts import FinishedParts, finished_contract
from tests.verify.insider import STEPS, Insider
from tests.verify.odd_files import ODDITIES
from tests.verify.reading import SIGNERS


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FinishedParts:
    return asyncio.run(finished_contract(tmp_path_factory.mktemp("contract"), signers=SIGNERS))


@pytest.fixture(scope="module")
def good(contract: FinishedParts) -> list[Case]:
    """Return a file that was made in the same way, with nothing odd about it."""
    return [Case("honest", *asyncio.run(Insider(contract, STEPS[0], lambda revision: None).prepared_file()))]


@pytest.fixture(scope="module")
def odd(contract: FinishedParts) -> list[Case]:
    return [
        Case(name, *asyncio.run(Insider(contract, STEPS[0], oddity.change).prepared_file()))
        for name, oddity in ODDITIES.items()
    ]


@pytest.mark.real
async def test_the_page_refuses_every_odd_file(browser: Browser, good: list[Case], odd: list[Case]) -> None:
    verdicts = await in_browser(browser, [*good, *odd])
    check_verdicts(verdicts, good, odd)
    assert len({verdict[1] for verdict in verdicts.values() if verdict}) > 15


def test_node_refuses_every_odd_file(tmp_path: Path, good: list[Case], odd: list[Case]) -> None:
    check_verdicts(in_node(tmp_path, [*good, *odd]), good, odd)
