"""Extend, reissue or void many contracts in one act, by a job that continues even if its worker dies.

The verdict on a contract is written in the transaction that changes it, under the lock of its item. A job that was
killed, or that runs twice, therefore goes on with the remaining contracts and changes none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from hub.errors import BadInput, Conflict, ContractNotFound, QiandaError
from hub.lifecycle.contract.act_items import AT_A_TIME, carry_out_item
from hub.lifecycle.contract.end import check_deadline, check_reason, void_locked
from hub.lifecycle.contract.issue import PreparedContract, issue_prepared
from hub.lifecycle.contract.reissue import prepare_again
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.reminders.extend_deadline import move_deadline
from hub.lifecycle.services import Services
from hub.model.board.act_progress import ActFailure
from hub.model.board.bulk_act import MAX_CONTRACTS, BulkAct, BulkEnding, BulkKind, BulkVerdict, draws, judge
from hub.model.contract.contract import Contract
from hub.model.school.entered_day import end_of_day
from hub.model.staff.scope import EVERYTHING
from hub.store.operation.jobs import BULK_ACT
from hub.store.transaction import Transaction

_RECORDED = {
    BulkKind.EXTEND: "contracts-extended",
    BulkKind.REISSUE: "contracts-reissued",
    BulkKind.VOID: "contracts-withdrawn",
}


async def judge_many(tx: Transaction, act: BulkAct, contracts: Sequence[UUID]) -> list[tuple[Contract, BulkVerdict]]:
    """Return what the act would do with each of these contracts now, in their order. Changes nothing.

    Raises BadInput for none or too many, or for a deadline that is not possible; ContractNotFound for a contract
    outside the scope.
    """
    wanted = list(dict.fromkeys(contracts))
    if not 0 < len(wanted) <= MAX_CONTRACTS:
        raise BadInput(f"choose 1 to {MAX_CONTRACTS} contracts", field="contracts")
    found = await tx.contracts.get_many(wanted)
    if len(found) < len(wanted):
        raise ContractNotFound
    deadlines = {campus: await _get_deadline(tx, act, campus) for campus in {each.campus for each in found.values()}}
    for deadline in filter(None, deadlines.values()):
        check_deadline(deadline, tx.planning_now)
    return [(found[each], judge(act, found[each], deadlines[found[each].campus])) for each in wanted]


async def begin_bulk_act(tx: Transaction, act: BulkAct, contracts: Sequence[UUID]) -> None:
    """Begin an act, and record it. Do nothing if it has already begun.

    Raises BadInput for a missing deadline or reason, and what `judge_many` raises.
    """
    if act.kind is BulkKind.EXTEND and act.deadline is None:
        raise BadInput("a date like 2026-12-31", field="deadline")
    if act.kind is BulkKind.VOID:
        check_reason(act.reason or "")
    found = [contract for contract, _ in await judge_many(tx, act, contracts)]
    if await tx.bulk_acts.begin(act, found):
        await tx.jobs.enqueue(BULK_ACT, {"act": str(act.id)}, f"{BULK_ACT}-{act.id}")
        facts = {"act": str(act.id), "count": len(found)}
        facts |= {"day": act.deadline.isoformat()} if act.deadline else {}
        await record_act(tx, act.campus, _RECORDED[act.kind], act.asked_by, facts)


async def run_bulk_act(services: Services, act_id: UUID, most: int = AT_A_TIME) -> bool:
    """Change up to `most` contracts of an act. Return whether some may be left."""
    async with services.database.transaction(EVERYTHING) as tx:
        act = await tx.bulk_acts.find(act_id)
        left = await tx.bulk_acts.list_left(act_id, most + 1)
    if act is None:
        return False
    for contract in left[:most]:
        attempt = partial(_read_and_change, services, act, contract)
        give_up = partial(_give_up, services, act, contract)
        await carry_out_item(services, lambda tx: tx.bulk_acts, (act_id, contract), attempt, give_up)
    if len(left) > most:
        return True
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.bulk_acts.forget_reason(act_id)
    return False


async def _read_and_change(services: Services, act: BulkAct, contract_id: UUID) -> bool:
    """Change one contract. Return False if it must be read again."""
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.get(contract_id)
        deadline = await _get_deadline(tx, act, contract.campus)
    verdict = judge(act, contract, deadline)
    if not draws(act, verdict):
        return await _change_as_it_is(services, act, contract_id, deadline)
    prepared = await prepare_again(services, EVERYTHING, contract_id, deadline=deadline)
    try:
        await _replace(services, _Change(act, contract_id, verdict, deadline), prepared)
    except Conflict:
        async with services.database.transaction(EVERYTHING) as tx:
            if judge(act, await tx.contracts.get(contract_id), deadline) is verdict:
                raise
        return False
    return True


@dataclass(frozen=True)
class _Change:
    act: BulkAct
    contract: UUID
    verdict: BulkVerdict
    deadline: datetime | None


async def _replace(services: Services, change: _Change, prepared: PreparedContract) -> None:
    """Issue a new contract in place of the old one. Raises what `issue_prepared` raises, and Conflict if the verdict on
    the old one has changed: it may have been withdrawn or declined while the new one was drawn."""
    act, enrolment = change.act, prepared.drawn.asked.enrolment
    async with services.database.transaction(EVERYTHING) as tx:
        if await tx.bulk_acts.lock_item(act.id, change.contract):
            if enrolment is not None:  # in the order in which `issue_prepared` locks
                await tx.school.get_enrolment(enrolment, lock=True)
            if judge(act, await tx.contracts.lock_contract(change.contract), change.deadline) is not change.verdict:
                raise Conflict
            case = await issue_prepared(services, tx, prepared, act.asked_by)
            ending = BulkEnding(change.verdict, replaced_by=case.contract.id)
            await tx.bulk_acts.end(act.id, change.contract, ending, tx.now)


async def _change_as_it_is(services: Services, act: BulkAct, contract_id: UUID, deadline: datetime | None) -> bool:
    """Change the contract itself, if it needs a change. Return False if it now has to be drawn again instead."""
    async with services.database.transaction(EVERYTHING) as tx:
        if not await tx.bulk_acts.lock_item(act.id, contract_id):
            return True
        contract = await tx.contracts.lock_contract(contract_id)
        verdict = judge(act, contract, deadline)
        if draws(act, verdict):
            return False
        if verdict is BulkVerdict.DONE and act.kind is BulkKind.VOID:
            await void_locked(services, tx, contract, act.reason or "", act.asked_by)
        elif verdict is BulkVerdict.DONE and deadline is not None:
            check_deadline(deadline, tx.planning_now)
            await move_deadline(services, tx, contract, deadline, act.asked_by)
        await tx.bulk_acts.end(act.id, contract_id, BulkEnding(verdict), tx.now)
    return True


async def _get_deadline(tx: Transaction, act: BulkAct, campus: str) -> datetime | None:
    return end_of_day(act.deadline, (await tx.school.get_campus(campus)).zone)


async def _give_up(services: Services, act: BulkAct, contract: UUID, error: QiandaError) -> None:
    ending = BulkEnding(BulkVerdict.FAILED, ActFailure(error.code, error.detail))
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.bulk_acts.end(act.id, contract, ending, tx.now)
