"""Plans of many open tasks: read what they depend on, and write new ones.

Reading and writing take a few statements for hundreds of contracts, and decrypt nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from hub.model.contract.contract import ContractState
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.reminders.schedule import NextStep, StepKind
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.reminders.ledger import LedgerNote
from hub.store.reminders.policies import PolicyPlace
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as TASK

_IDS = bindparam("ids", type_=ARRAY(Uuid()))
_THEIRS = select(CONTRACT.c.id).where(CONTRACT.c.id == any_(_IDS)).order_by(CONTRACT.c.id)
_HOLD, _HOLD_FREE = (
    SqlStatement(_THEIRS.with_for_update(key_share=True, skip_locked=skipped)) for skipped in (False, True)
)
_KINDS = [kind.value for kind in StepKind]
_OPEN = SqlStatement(
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
_LAST = SqlStatement("""
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
# Steps and ledger are written in one statement, so that there is no plan without its entries, and no entry without its
# plan.
_PUT = SqlStatement("""
WITH planned AS (
    UPDATE signing_task AS task
    SET leased_until = NULL, next_step = plan.step, step_number = plan.number, next_due_at = plan.due
    FROM unnest(CAST(:tasks AS uuid[]), CAST(:steps AS text[]), CAST(:numbers AS int[]), CAST(:dues AS timestamptz[]),
                CAST(:are_claimed AS bool[]), CAST(:held AS timestamptz[]))
      AS plan (id, step, number, due, is_claimed, held)
    WHERE task.id = plan.id AND task.state = :open
      AND (NOT plan.is_claimed OR task.leased_until IS NOT DISTINCT FROM plan.held)
    RETURNING task.id, task.contract, task.campus
), noted AS (
    INSERT INTO reminder_entry (contract, task, campus, kind, step, number, due_at, at, reason, delivery)
    SELECT planned.contract, planned.id, planned.campus, note.kind, note.step, note.number, note.due,
           CAST(:at AS timestamptz), note.reason, note.delivery
    FROM unnest(CAST(:noted AS uuid[]), CAST(:kinds AS text[]), CAST(:noted_steps AS text[]),
                CAST(:noted_numbers AS int[]), CAST(:noted_dues AS timestamptz[]), CAST(:reasons AS text[]),
                CAST(:deliveries AS uuid[])) WITH ORDINALITY
      AS note (task, kind, step, number, due, reason, delivery, place)
    JOIN planned ON planned.id = note.task ORDER BY note.place
)
SELECT count(*) FROM planned
""")


@dataclass(frozen=True)
class PlannedTask:
    """An open task with its new step, and its entries for the ledger in order.

    `is_claimed`: the step is written only if the task is still leased until `held` (None: not leased).
    """

    id: UUID
    step: NextStep
    notes: Sequence[LedgerNote]
    is_claimed: bool = False
    held: datetime | None = None


@dataclass(frozen=True)
class OpenTask:
    """An open task with what its plan depends on, apart from the messages that were sent."""

    id: UUID
    step: NextStep
    invited_at: datetime
    zone: str
    place: PolicyPlace
    deadline: datetime


class Plans(Repository):
    async def lock(self, contracts: Sequence[UUID], *, wait: bool) -> list[UUID]:
        """Lock contracts, as `Contracts.lock_contract` does, and return their ids. Without `wait`, skip locked ones."""
        return await self._connection.scalars(_HOLD if wait else _HOLD_FREE, {"ids": list(contracts)})

    async def list_open_tasks(self, contracts: Sequence[UUID]) -> list[OpenTask]:
        """Return the open tasks of those contracts that are issued, without steps that only newer versions know."""
        rows = await self._connection.execute(_OPEN, {"ids": list(contracts)})
        return [
            OpenTask(
                task, NextStep(StepKind(kind), number, due), invited, zone, PolicyPlace(campus, course, contract), end
            )
            for task, kind, number, due, invited, zone, contract, campus, course, end in rows
        ]

    async def get_last_steps(self, contracts: Sequence[UUID]) -> Mapping[UUID, NextStep]:
        """Return by task what `last_step` in `hub.lifecycle.reminders.reschedule` returns for its deliveries."""
        purposes = [*_KINDS, Purpose.YOUR_TURN.value]
        values = {"ids": list(contracts), "withdrawn": DeliveryState.WITHDRAWN.value, "purposes": purposes}
        return {
            task: NextStep(
                StepKind.INVITATION if purpose == Purpose.YOUR_TURN else StepKind(purpose), highest, created_at
            )
            for task, purpose, highest, created_at in (await self._connection.execute(_LAST, values))
        }

    async def put(self, planned: Sequence[PlannedTask], at: datetime) -> int:
        """Write the new step of each of these open tasks, and its entries in the ledger. Return how many steps were
        written.

        A worker's claim on one of them becomes void. `at` is on the planning clock.
        """
        notes = [(each.id, note) for each in planned for note in each.notes]
        steps = [note.step for _, note in notes]
        values = {
            "tasks": [each.id for each in planned],
            "steps": [each.step.kind.value for each in planned],
            "numbers": [each.step.number for each in planned],
            "dues": [each.step.due_at for each in planned],
            "are_claimed": [each.is_claimed for each in planned],
            "held": [each.held for each in planned],
            "noted": [task for task, _ in notes],
            "kinds": [note.kind for _, note in notes],
            "noted_steps": [step.kind.value if step else None for step in steps],
            "noted_numbers": [step.number if step else 0 for step in steps],
            "noted_dues": [step.due_at if step else None for step in steps],
            "reasons": [note.reason for _, note in notes],
            "deliveries": [note.delivery for _, note in notes],
        }
        values |= {"open": TaskState.OPEN.value, "at": at}
        return int(await self._connection.scalar(_PUT, values) or 0)
