"""Staff tasks that settle themselves: when their signer has signed, or their contract is over."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.reissue import reissue
from hub.lifecycle.staff.signer_questions import finish_moot_tasks
from hub.model.contract.contract import Contract
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.model.staff.task_outcome import MOOT_WHEN, MootWhen
from tests.lifecycle.signer import completed, signed
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Kinds that always need a person.
LASTING = ("checks-differ", "shared-phone", "not-me")


async def with_tasks(running: Running, contract: Contract) -> None:
    """Add a task of each kind about the contract and its signer."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        for kind in (*MOOT_WHEN, *LASTING):
            task = StaffTask(uuid4(), kind, "?", "hefei", tx.now, contract.id, signer.id)
            await tx.staff_tasks.add_task(task)


async def left(running: Running, contract: Contract) -> set[str]:
    await finish_moot_tasks(running.hub.services)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return {task.kind for task in await tx.staff_tasks.list_open_tasks(contract.id)}


def kinds(*rules: MootWhen) -> set[str]:
    return {kind for kind, when in MOOT_WHEN.items() if when in rules}


async def test_while_a_contract_waits_nothing_is_moot(running: Running) -> None:
    contract = await running.issue_minor()
    await with_tasks(running, contract)
    assert await left(running, contract) == {*MOOT_WHEN, *LASTING}


async def test_a_completed_contract_leaves_what_somebody_has_to_look_at(running: Running) -> None:
    contract = await running.issue_minor()
    await with_tasks(running, contract)
    await signed(running, contract)
    assert kinds(MootWhen.SIGNER_DONE).isdisjoint(await left(running, contract))
    await completed(running, contract)
    assert await left(running, contract) == kinds(MootWhen.REPLACED) | set(LASTING)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = [each for each in await tx.record.list_entries(contract.id) if each.kind == "staff-task-settled"]
    assert {(each.actor, each.facts["outcome"]) for each in entries} == {("hub", "moot")}


async def test_what_comes_up_after_the_end_stays(running: Running) -> None:
    running.clock.advance(timedelta(minutes=2))  # the same person gets one code a minute
    contract = await running.issue_minor()
    await signed(running, contract)
    await completed(running, contract)
    await with_tasks(running, contract)
    assert await left(running, contract) == {*MOOT_WHEN, *LASTING}


async def test_a_withdrawn_and_a_replaced_contract(running: Running) -> None:
    contract = await running.issue_minor()
    await with_tasks(running, contract)
    await void(running.hub.services, EVERYTHING, contract.id, "test", "test")
    assert await left(running, contract) == kinds(MootWhen.REPLACED) | set(LASTING)
    await reissue(running.hub.services, EVERYTHING, contract.id, "test")
    assert await left(running, contract) == set(LASTING)
