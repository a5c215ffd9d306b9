"""Many contracts changed by one act: each once, whatever happens to the worker, and each refusal named."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hub.errors import BadInput, ContractNotFound
from hub.lifecycle.board.bulk_acts import begin_bulk_act, run_bulk_act
from hub.lifecycle.contract.act_items import MAX_TRIES
from hub.lifecycle.contract.end import expire, void
from hub.lifecycle.contract.reissue import reissue
from hub.model.board.bulk_act import BulkAct, BulkKind, BulkProgress, BulkResult, BulkVerdict
from hub.model.contract.contract import Contract, ContractState
from hub.model.staff.scope import EVERYTHING, Scope
from hub.worker.periodic_tasks import MANY_AGAIN
from tests.commits import before_commits, failing_before_commit
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
REASON = "课程取消"


async def begun(running: Running, kind: BulkKind, contracts: list[Contract], scope: Scope = EVERYTHING) -> UUID:
    deadline = (running.clock() + timedelta(days=60)).date() if kind is BulkKind.EXTEND else None
    reason = REASON if kind is BulkKind.VOID else None
    async with running.hub.database.transaction(scope) as tx:
        act = BulkAct(uuid4(), "hefei", kind, "staff:x", tx.now, deadline, reason, may_issue=True)
        await begin_bulk_act(tx, act, [each.id for each in contracts])
    return act.id


async def state_of(running: Running, contract: Contract) -> Contract:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.contracts.get(contract.id)


async def progress(running: Running, act: UUID) -> BulkProgress:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.bulk_acts.find(act)
        assert found
        return await tx.bulk_acts.get_progress(found)


async def results(running: Running, act: UUID) -> dict[UUID, BulkResult]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.bulk_acts.list_results(act, list(BulkVerdict), 10)
    return {each.contract: each for each in found}


async def moves_of(running: Running, contract: Contract, kind: str) -> int:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [each.kind for each in await tx.record.list_entries(contract.id)].count(kind)


async def test_deadlines_move_and_what_has_expired_is_issued_again(running: Running) -> None:
    due, past, gone = [await running.issue_minor() for _ in range(3)]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await expire(running.hub.services, tx, await tx.contracts.lock_contract(past.id))
    await void(running.hub.services, EVERYTHING, gone.id, REASON, "test")
    act = await begun(running, BulkKind.EXTEND, [due, past, gone])
    last_day = (await progress(running, act)).act.deadline
    await asyncio.gather(*(run_bulk_act(running.hub.services, act) for _ in range(2)))
    ended = {contract: each.ending for contract, each in (await results(running, act)).items()}
    assert ended[due.id].verdict is BulkVerdict.DONE
    assert (await state_of(running, due)).deadline.date() == last_day
    assert await moves_of(running, due, "deadline-moved") == 1
    assert ended[past.id].verdict is BulkVerdict.REISSUED
    old = await state_of(running, past)
    assert old.state is ContractState.EXPIRED and old.replaced_by == ended[past.id].replaced_by
    assert old.replaced_by is not None
    async with running.hub.database.transaction(EVERYTHING) as tx:
        fresh = await tx.contracts.get(old.replaced_by)
    assert fresh.state is ContractState.ISSUED and fresh.deadline.date() == last_day
    assert ended[gone.id].verdict is BulkVerdict.ENDED
    assert not await run_bulk_act(running.hub.services, act)


async def test_contracts_are_withdrawn_for_a_reason_that_the_act_forgets(running: Running) -> None:
    contracts = [await running.issue_minor() for _ in range(3)]
    act = await begun(running, BulkKind.VOID, contracts)
    assert await run_bulk_act(running.hub.services, act, most=2)
    states = [(await state_of(running, each)).state for each in contracts]
    assert states == [ContractState.VOIDED, ContractState.VOIDED, ContractState.ISSUED]
    assert (await progress(running, act)).act.reason == REASON
    assert not await run_bulk_act(running.hub.services, act, most=2)
    found = await progress(running, act)
    assert (found.left, found.counts, found.act.reason) == (0, {BulkVerdict.DONE: 3}, None)
    assert (await state_of(running, contracts[2])).reason == REASON


class OutOfPower(BaseException):
    pass


@pytest.mark.parametrize("kind", BulkKind)
@pytest.mark.parametrize("at", [2, 3, 4])
async def test_a_worker_that_dies_at_a_commit_repeats_nothing(running: Running, kind: BulkKind, at: int) -> None:
    contract = await running.issue_minor()
    act = await begun(running, kind, [contract])
    with failing_before_commit(running.hub.database, at, OutOfPower()), pytest.raises(OutOfPower):
        await run_bulk_act(running.hub.services, act)
    await run_bulk_act(running.hub.services, act)
    written = {BulkKind.EXTEND: "deadline-moved", BulkKind.REISSUE: "replaced", BulkKind.VOID: "voided"}
    assert await moves_of(running, contract, written[kind]) == 1
    assert (await progress(running, act)).counts == {BulkVerdict.DONE: 1}


async def test_what_somebody_reissues_meanwhile_is_read_again(running: Running) -> None:
    contract = await running.issue_minor()
    act = await begun(running, BulkKind.REISSUE, [contract])

    async def somebody_is_faster(commit: int) -> None:
        if commit == 3:  # it was read, and is drawn next
            await reissue(running.hub.services, EVERYTHING, contract.id, "staff:y")

    with before_commits(running.hub.database, somebody_is_faster):
        await run_bulk_act(running.hub.services, act)
    assert (await progress(running, act)).counts == {BulkVerdict.REPLACED: 1}
    assert await moves_of(running, contract, "replaced") == 1


async def test_what_is_withdrawn_while_it_is_drawn_again_stays_withdrawn(running: Running) -> None:
    contract = await running.issue_minor()
    act = await begun(running, BulkKind.REISSUE, [contract])

    async def somebody_withdraws(commit: int) -> None:
        if commit == 3:  # it was read, and is drawn next
            await void(running.hub.services, EVERYTHING, contract.id, REASON, "staff:y")

    with before_commits(running.hub.database, somebody_withdraws):
        await run_bulk_act(running.hub.services, act)
    assert (await progress(running, act)).counts == {BulkVerdict.ENDED: 1}
    assert (await state_of(running, contract)).replaced_by is None


async def test_what_crashes_its_process_each_time_is_given_up(running: Running) -> None:
    contract = await running.issue_minor()
    act = await begun(running, BulkKind.VOID, [contract])
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for _ in range(MAX_TRIES):
            await tx.bulk_acts.count_try(act, contract.id)
    await run_bulk_act(running.hub.services, act)
    assert (await progress(running, act)).counts == {BulkVerdict.FAILED: 1}
    assert (await state_of(running, contract)).state is ContractState.ISSUED


async def test_an_act_whose_job_is_lost_gets_another_one(running: Running) -> None:
    act = await begun(running, BulkKind.VOID, [await running.issue_minor()])
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.execute(text("DELETE FROM pgqueuer"))
    running.clock.advance(MANY_AGAIN + timedelta(seconds=1))
    await running.worker.periodic.reconcile()
    jobs = text("SELECT count(*) FROM pgqueuer WHERE payload LIKE :act")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(jobs, {"act": f"%{act}%".encode()}) == 1
    await run_bulk_act(running.hub.services, act)


async def test_only_an_act_that_no_job_works_on_is_taken_for_stalled(running: Running) -> None:
    async def is_stalled() -> bool:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            return act in await tx.bulk_acts.list_stalled(tx.now - MANY_AGAIN)

    act = await begun(running, BulkKind.VOID, [await running.issue_minor() for _ in range(2)])
    assert not await is_stalled()  # its first job may not have begun yet
    running.clock.advance(2 * MANY_AGAIN)
    assert await is_stalled()
    assert await run_bulk_act(running.hub.services, act, most=1)
    assert not await is_stalled()  # another job follows
    running.clock.advance(2 * MANY_AGAIN)
    assert await is_stalled()
    await run_bulk_act(running.hub.services, act)
    running.clock.advance(2 * MANY_AGAIN)
    assert not await is_stalled()  # nothing is left


async def test_an_act_out_of_scope_or_without_contracts_deadline_or_reason_is_not_begun(running: Running) -> None:
    contract = await running.issue_minor()
    with pytest.raises(ContractNotFound):
        await begun(running, BulkKind.VOID, [contract], Scope(frozenset({"beijing"})))
    with pytest.raises(BadInput):
        await begun(running, BulkKind.VOID, [])
    for kind in (BulkKind.EXTEND, BulkKind.VOID):
        async with running.hub.database.transaction(EVERYTHING) as tx:
            with pytest.raises(BadInput):
                await begin_bulk_act(tx, BulkAct(uuid4(), "hefei", kind, "staff:x", tx.now), [contract.id])
