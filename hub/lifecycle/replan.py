"""What sleeps is planned anew: under a new deadline, or under a new policy."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from hub.lifecycle.parts import Parts
from hub.model.contract import Contract, ContractState
from hub.model.delivery import Delivery, DeliveryState
from hub.model.message import Purpose
from hub.model.reminder import NextStep, StepKind, replanned, spread_of
from hub.model.signer import TaskState
from hub.model.staff import EVERYTHING
from hub.router.policy import policy_of
from hub.store.ahead import foresee_plans
from hub.store.jobs import REPLAN
from hub.store.unit import Unit

AT_A_TIME = 500
TOGETHER = 100
FIRST = UUID(int=0)
POLICY_CHANGED = "policy-changed"
log = structlog.get_logger()


async def replan(parts: Parts, unit: Unit, contract: Contract, reason: str, *, new_policy: bool = False) -> None:
    """Every open task of the contract, which the caller has locked."""
    now, policy = await unit.planning_now(), await policy_of(unit, parts.policy, contract)
    zones = {signer.id: ZoneInfo(signer.zone) for signer in await unit.contracts.signers(contract.id)}
    deliveries = await unit.deliveries.of_contract(contract.id)
    for task in await unit.tasks.of_contract(contract.id):
        if task.state is not TaskState.OPEN or task.step is None or task.invited_at is None:
            continue
        sent = [delivery for delivery in deliveries if delivery.task == task.id]
        step = replanned(
            policy, old=task.step, done=last_step(sent), invited_at=task.invited_at, deadline=contract.deadline,
            now=now, zone=zones[task.signer], spread=spread_of(task.id), new_policy=new_policy,
        )  # fmt: skip
        if new_policy and step == task.step:
            continue  # also one that a worker holds at this moment
        if await unit.tasks.plan(task.id, step):
            await unit.reminders.note(task, "planned", now, step=step, reason=reason)


async def replan_scope(
    parts: Parts, campus: str, course: str | None = None, after: UUID = FIRST, most: int = AT_A_TIME
) -> UUID | None:
    """The next contracts of the campus and below it (of one course), some in each transaction. Begun again after a
    crash, it finds what was planned already as it should be. Returns where to go on; None: all are done.
    """
    async with parts.database.unit(EVERYTHING) as unit:
        below = await unit.school.scope_below(campus)
        campuses = [each.id for each in await unit.school.campuses() if below.covers(each.id)]
        found = await unit.tasks.contracts_with_open(campuses, course, after, most)
    for begin in range(0, len(found), TOGETHER):
        for each in await _replan_together(parts, found[begin : begin + TOGETHER]):
            async with parts.database.unit(EVERYTHING) as unit:
                await _replan_one(parts, unit, await unit.contracts.locked(each))
    return found[-1] if len(found) == most else None


async def _replan_together(parts: Parts, contracts: Sequence[UUID]) -> Sequence[UUID]:
    """In one transaction. Returns those that have to be planned alone: somebody else has them, or all was undone."""
    try:
        async with parts.database.unit(EVERYTHING, together=True) as unit:
            found = await foresee_plans(unit, contracts)
            for contract in found:
                await _replan_one(parts, unit, contract)
    except Exception as error:  # whatever it is: each by itself finds out
        log.info("planned one by one", contracts=len(contracts), error=repr(error)[:300])
        return contracts
    planned = {each.id for each in found}
    return [each for each in contracts if each not in planned]


async def _replan_one(parts: Parts, unit: Unit, contract: Contract) -> None:
    if contract.state is ContractState.ISSUED:
        await replan(parts, unit, contract, POLICY_CHANGED, new_policy=True)


async def replan_later(unit: Unit, campus: str, course: str | None, after: UUID = FIRST) -> None:
    """The job that does so, a part at a time: a worker that is asked to stop does not have to finish all of them."""
    payload = {"campus": campus, "after": str(after)} | ({"course": course} if course else {})
    await unit.jobs.enqueue(REPLAN, payload, f"{REPLAN}-{campus}-{course or ''}-{after}-{unit.now.isoformat()}")


def last_step(sent: list[Delivery]) -> NextStep | None:
    """The last planned message that went out, as the step that it was, at the moment when it was really sent. Its
    number is the highest so far: a reminder by hand has none of its own, and no number serves twice."""
    number = max((int(each.variables.get("step_number") or 0) for each in sent), default=0)
    for delivery in reversed(sent):
        kind = "invitation" if delivery.purpose == Purpose.YOUR_TURN else delivery.purpose
        if kind in set(StepKind) and delivery.state is not DeliveryState.WITHDRAWN:
            return NextStep(StepKind(kind), number, delivery.created_at)
    return None
