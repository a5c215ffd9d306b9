"""Plans of many open tasks at once: what they follow from, and writing others in their place. A few statements for
hundreds of contracts, and nothing sealed is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.contract.contract import ContractState
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.reminders.schedule import NextStep, StepKind
from hub.store.reminders.policies import PolicyPlace
from hub.store.tables import ContractRow, SignerRow, SigningTaskRow, table_of

TASK: Table = table_of(SigningTaskRow)
CONTRACT: Table = table_of(ContractRow)
SIGNER: Table = table_of(SignerRow)
_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_HOLD = select(CONTRACT.c.id).where(CONTRACT.c.id == any_(_IDS)).order_by(CONTRACT.c.id)
_KINDS = [kind.value for kind in StepKind]
_OPEN = (
    select(
        TASK.c.id,
        TASK.c.next_step,
        TASK.c.step_number,
        TASK.c.next_due_at,
        TASK.c.invited_at,
        SIGNER.c.zone,
        CONTRACT.c.id,
        CONTRACT.c.campus,
        CONTRACT.c.course,
        CONTRACT.c.deadline,
    )
    .join(CONTRACT, CONTRACT.c.id == TASK.c.contract)
    .join(SIGNER, SIGNER.c.id == TASK.c.signer)
    .where(
        TASK.c.contract == any_(_IDS),
        CONTRACT.c.state == ContractState.ISSUED.value,
        TASK.c.state == TaskState.OPEN.value,
        TASK.c.next_step.in_(_KINDS),
        TASK.c.invited_at.is_not(None),
    )
)
_LAST = text("""
WITH sent AS (
    SELECT coalesce(share.task, delivery.task) AS task, coalesce(share.purpose, delivery.purpose) AS purpose,
           coalesce(share.number, CAST(nullif(delivery.variables ->> 'step_number', '') AS int), 0) AS number,
           delivery.state, delivery.rung, delivery.created_at, delivery.id
    FROM delivery
    LEFT JOIN delivery_share share ON share.delivery = delivery.id AND share.contract = delivery.contract
    WHERE delivery.contract = ANY(CAST(:ids AS uuid[]))
    UNION ALL
    SELECT share.task, share.purpose, share.number, delivery.state, delivery.rung, delivery.created_at, delivery.id
    FROM delivery_share share JOIN delivery ON delivery.id = share.delivery
    WHERE share.contract = ANY(CAST(:ids AS uuid[])) AND share.contract <> delivery.contract
), numbered AS (
    SELECT sent.*, coalesce(max(sent.number) FILTER (WHERE sent.rung = 0) OVER (PARTITION BY sent.task), 0) AS highest
    FROM sent JOIN signing_task AS task ON task.id = sent.task
    WHERE task.invited_at IS NULL OR sent.created_at >= task.invited_at
)
SELECT DISTINCT ON (task) task, purpose, highest, created_at FROM numbered
WHERE state <> :withdrawn AND purpose = ANY(CAST(:purposes AS text[]))
ORDER BY task, created_at DESC, id DESC
""")
# Step and ledger in one statement: no plan without its entry, and no entry of a plan that was not written.
_PUT = text("""
WITH planned AS (
    UPDATE signing_task AS task
    SET leased_until = NULL, next_step = plan.step, step_number = plan.number, next_due_at = plan.due
    FROM unnest(CAST(:tasks AS uuid[]), CAST(:steps AS text[]), CAST(:numbers AS int[]), CAST(:dues AS timestamptz[]))
      AS plan (id, step, number, due)
    WHERE task.id = plan.id AND task.state = :open
    RETURNING task.*
)
INSERT INTO reminder_entry (contract, task, campus, kind, step, number, due_at, at, reason)
SELECT contract, id, campus, 'planned', next_step, step_number, next_due_at, CAST(:at AS timestamptz), :reason
FROM planned ORDER BY contract, id
""")


@dataclass(frozen=True)
class OpenTask:
    """An open task with what its plan follows from, but for what went out."""

    id: UUID
    step: NextStep
    invited_at: datetime
    zone: str
    place: PolicyPlace
    deadline: datetime


class Plans:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def hold(self, contracts: Sequence[UUID], *, wait: bool) -> list[UUID]:
        """Lock them, as `Contracts.locked` does. Without `wait`: those that nobody else has."""
        statement = _HOLD.with_for_update(key_share=True, skip_locked=not wait)
        return list(await self._connection.scalars(statement, {"ids": list(contracts)}))

    async def open_tasks(self, contracts: Sequence[UUID]) -> list[OpenTask]:
        """Of those of these contracts that signers still act on. A step that only newer workers know is theirs."""
        rows = (await self._connection.execute(_OPEN, {"ids": list(contracts)})).all()
        return [
            OpenTask(
                task, NextStep(StepKind(kind), number, due), invited, zone, PolicyPlace(campus, course, contract), end
            )
            for task, kind, number, due, invited, zone, contract, campus, course, end in rows
        ]

    async def last_steps(self, contracts: Sequence[UUID]) -> Mapping[UUID, NextStep]:
        """By task: what `last_step` of the lifecycle says of its deliveries."""
        purposes = [*_KINDS, Purpose.YOUR_TURN.value]
        values = {"ids": list(contracts), "withdrawn": DeliveryState.WITHDRAWN.value, "purposes": purposes}
        return {
            task: NextStep(
                StepKind.INVITATION if purpose == Purpose.YOUR_TURN else StepKind(purpose), highest, created_at
            )
            for task, purpose, highest, created_at in (await self._connection.execute(_LAST, values)).all()
        }

    async def put(self, steps: Mapping[UUID, NextStep], reason: str, at: datetime) -> None:
        """Each open task's new step, and an entry about it; a claim that a worker holds on one is void. `at` is on the
        planning clock."""
        await self._connection.execute(
            _PUT,
            {
                "tasks": list(steps),
                "steps": [each.kind.value for each in steps.values()],
                "numbers": [each.number for each in steps.values()],
                "dues": [each.due_at for each in steps.values()],
                "open": TaskState.OPEN.value,
                "at": at,
                "reason": reason,
            },
        )
