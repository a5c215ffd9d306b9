"""Two transactions add to the record of one contract at the same moment: the second waits, and builds on the first."""

from __future__ import annotations

import asyncio

import pytest

from hub.model.contract.contract import Contract
from hub.model.evidence.record import find_broken_entry
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import quiet_hub, waiting
from tests.running import Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def record_later(running: Running, contract: Contract, together: bool) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        if together:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            await tx.due_steps.lock_persons_and_records([], [contract.id])
            await tx.due_steps.get_facts([task.id], tx.planning_now)
        await tx.record.append(contract.id, contract.campus, "later", "test", {})


@pytest.mark.parametrize("together", [False, True], ids=["alone", "with due steps"])
async def test_two_units_that_record_at_once_make_one_chain(together: bool) -> None:
    """Neither of them locks the contract's row."""
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.record.append(contract.id, contract.campus, "first", "test", {})
            later = asyncio.create_task(record_later(running, contract, together))
            await until(lambda: waiting(running, 1))
        await later
        async with running.hub.database.transaction(EVERYTHING) as tx:
            entries = await tx.record.list_entries(contract.id)
        assert [entry.kind for entry in entries][-2:] == ["first", "later"]
        assert find_broken_entry(entries) is None
