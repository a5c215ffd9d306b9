"""Which pages a visitor fetched is noted, as evidence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from hub.web.signer.pages import TEXT_VERSION
from qianda.client import SigningClient
from qianda.wire import ProtocolProblem
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.statements import noted_statements
from tests.web.signer_visits import verified
from tests.web.user_agents import PEOPLE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def pages_seen(tx: Transaction, task: UUID) -> list[object]:
    statement = text("SELECT page FROM page_seen WHERE task = :task ORDER BY page")
    return await tx.connection.scalars(statement, {"task": task})


async def test_the_page_images_that_were_fetched_are_noted(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        await client.page(2)
        with pytest.raises(ProtocolProblem, match="not-found"):
            await client.page(contract.pages + 1)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        task = (await tx.tasks.list_of_contract(contract.id))[0]
        assert await pages_seen(tx, task.id) == [2]


async def test_a_page_is_noted_for_the_visitor_and_for_nobody_who_may_not_see_it(running: Running) -> None:
    contract, other = await running.issue_minor(), await running.issue_minor()

    async def fetch(bearer: str | None, number: int) -> int:
        page, headers = (
            f"{running.origin}/sign/v1/pages/{number}.png?id={other.id}",
            {"Authorization": f"Bearer {bearer}"},
        )
        async with running.http.get(page, headers=headers) as answer:
            return answer.status

    async with SigningClient(running.origin, http=running.http) as before, verified(running, contract) as client:
        await before.open(await running.ticket(other))
        assert [await fetch(before.bearer, 1), await fetch(client.bearer, 2)] == [403, 200]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(other.id)
            await tx.connection.execute(
                text("UPDATE signing_task SET state = 'SIGNED' WHERE id = :id"), {"id": task.id}
            )
        assert await fetch(client.bearer, 3) == 200
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await pages_seen(tx, task.id) == [2]


async def test_pages_that_are_fetched_at_once_are_noted_together(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        with noted_statements(running.hub.database) as statements:
            wanted = (*range(1, contract.pages + 1), contract.pages + 1)
            answers = await asyncio.gather(*(client.page(number) for number in wanted), return_exceptions=True)
    assert [isinstance(answer, bytes) for answer in answers] == [*[True] * contract.pages, False]
    assert len(statements) == 1, "one transaction for all of them"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (task,) = await tx.tasks.list_of_contract(contract.id)
        assert await pages_seen(tx, task.id) == list(range(1, contract.pages + 1))


async def test_a_phone_shows_the_text_first_and_that_is_noted(running: Running) -> None:
    contract = await running.issue_minor()
    desktop, phone = PEOPLE["Firefox, Linux"][1], PEOPLE["Mi Browser"][1]
    async with verified(running, contract) as client:
        for agent, text_first in ((desktop, False), (phone, True)):
            headers = {"Authorization": f"Bearer {client.bearer}", "User-Agent": agent}
            async with running.http.get(f"{running.origin}/sign/contract", headers=headers) as answer:
                page = await answer.text()
            assert answer.status == 200 and ("data-text-end" in page) is text_first
            assert page.count("data-page=") == contract.pages  # the pages that are signed follow in either case
            async with running.hub.database.transaction(EVERYTHING) as tx:
                task = (await tx.tasks.list_of_contract(contract.id))[0]
                seen = await pages_seen(tx, task.id)
            assert seen == ([TEXT_VERSION] if text_first else [])
