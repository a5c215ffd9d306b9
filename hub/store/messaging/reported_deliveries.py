"""Write what reports say about deliveries, for many deliveries at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, select

from hub.model.messaging.delivery import DeliveryState
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.operation.jobs import END_NAMED
from hub.store.reminders.ledger import NOTE_RECEIPTS, RECEIPTS, in_words, note_receipts
from hub.store.tables.messaging import DELIVERY

_LEARN = SqlStatement("""
UPDATE delivery SET
    provider_reference = learnt.reference,
    state = learnt.state,
    state_at = CASE WHEN learnt.moved THEN CAST(:at AS timestamptz) ELSE delivery.state_at END,
    check_at = CASE WHEN learnt.moved THEN learnt.check_at ELSE delivery.check_at END,
    failure = CASE WHEN learnt.moved THEN learnt.failure ELSE delivery.failure END,
    failure_kind = CASE WHEN learnt.moved THEN learnt.failure_kind ELSE delivery.failure_kind END
FROM unnest(CAST(:ids AS uuid[]), CAST(:references AS text[]), CAST(:states AS text[]), CAST(:moved AS bool[]),
            CAST(:checks AS timestamptz[]), CAST(:failures AS text[]), CAST(:kinds AS text[]))
  AS learnt (id, reference, state, moved, check_at, failure, failure_kind)
WHERE delivery.id = learnt.id
""")

# The outcomes of calls. If the state of a delivery has changed since its call, nothing is written for it. The
# deliveries are locked in the order of their ids, to avoid deadlocks. The times that are passed are real times.
_OUTCOMES = SqlStatement("""
UPDATE delivery SET
    provider_reference = coalesce(outcome.reference, delivery.provider_reference),
    state = outcome.state,
    state_at = CAST(:at AS timestamptz) + outcome.clock_offset,
    check_at = outcome.check_at + outcome.clock_offset,
    failure = outcome.failure,
    failure_kind = outcome.failure_kind
FROM (
    SELECT given.*, coalesce((SELECT clock_offset FROM demo_clock), interval '0') AS clock_offset
    FROM unnest(CAST(:ids AS uuid[]), CAST(:known AS text[]), CAST(:references AS text[]), CAST(:states AS text[]),
                CAST(:checks AS timestamptz[]), CAST(:failures AS text[]), CAST(:kinds AS text[]),
                CAST(:begins AS timestamptz[]), CAST(:jobs AS bigint[]))
      AS given (id, known, reference, state, check_at, failure, failure_kind, began, job)
    JOIN delivery AS held ON held.id = given.id
    ORDER BY held.id FOR UPDATE OF held
) AS outcome
WHERE delivery.id = outcome.id AND delivery.state = outcome.known
RETURNING delivery.id, delivery.contract, delivery.task, delivery.campus, delivery.purpose, delivery.state,
    delivery.state_at, delivery.failure_kind, delivery.provider, outcome.began, outcome.job,
    EXISTS (SELECT FROM provider WHERE name = delivery.provider AND until_delivered AND broken_at <= outcome.began
            AND outcome.state = 'delivered') AS closes_breaker
""")
_NOTE_OUTCOMES = note_receipts("opening", f"delivery.state IN ({in_words(RECEIPTS)})")
# As in `Providers.close_breaker`. The provider's row may have changed meanwhile, so it is checked again.
_CLOSE_BREAKERS = """
UPDATE provider SET broken_at = NULL, broken_reason = NULL, until_delivered = false FROM opening
WHERE provider.name = opening.provider AND opening.closes_breaker AND until_delivered AND broken_at <= opening.began
"""


@dataclass(frozen=True)
class ReportedDelivery:
    """The part of a delivery that is needed to apply a report."""

    id: UUID
    key: str
    provider: str | None
    provider_reference: str | None
    purpose: str
    state: DeliveryState
    called_at: datetime | None
    contract: UUID | None = None


@dataclass(frozen=True)
class DeliveryUpdate:
    """What is known of a delivery after reports. `has_moved`: whether the state is new, and with it `check_at` and the
    failure."""

    id: UUID
    state: DeliveryState
    reference: str | None
    has_moved: bool = False
    check_at: datetime | None = None
    failure: str | None = None
    failure_kind: str | None = None

    def with_reference(self, reference: str) -> DeliveryUpdate:
        return replace(self, reference=reference or self.reference)

    def with_state(
        self, state: DeliveryState, check_at: datetime | None, failure: str | None, failure_kind: str | None
    ) -> DeliveryUpdate:
        return replace(self, state=state, has_moved=True, check_at=check_at, failure=failure, failure_kind=failure_kind)


_BY_KEYS = SqlStatement(
    select(*(DELIVERY.c[name] for name in ReportedDelivery.__dataclass_fields__))
    .where(DELIVERY.c.key == any_(bindparam("keys", type_=ARRAY(Text()))))
    .order_by(DELIVERY.c.id)
    .with_for_update()
)


@dataclass(frozen=True)
class KnownOutcome:
    """The outcome of a call. `known`: the state of the delivery when the provider was called. `began`: the earliest
    moment (real time) at which the call can have begun. `job`: the job that ends with it."""

    known: DeliveryState
    learnt: DeliveryUpdate
    began: datetime | None
    job: int | None = None


def opening_outcomes(outcomes: Sequence[KnownOutcome], at: datetime) -> Opening:
    """Return the transaction that writes these outcomes. `at` and their times are real times.

    Its rows are the deliveries that were written. The state of the others has changed since their calls. Messages that
    were delivered close the circuit breakers of their providers.
    """
    values = {"at": at, "known": [each.known.value for each in outcomes], "begins": [each.began for each in outcomes]}
    values |= {"jobs": [each.job for each in outcomes]} | _values_of([each.learnt for each in outcomes])
    return Opening(_OUTCOMES, values, True, (_NOTE_OUTCOMES, _CLOSE_BREAKERS, END_NAMED))


def _values_of(learnt: Sequence[DeliveryUpdate]) -> dict[str, Any]:
    return {
        "ids": [each.id for each in learnt],
        "references": [each.reference for each in learnt],
        "states": [each.state.value for each in learnt],
        "checks": [each.check_at for each in learnt],
        "failures": [each.failure for each in learnt],
        "kinds": [each.failure_kind for each in learnt],
    }


class ReportedDeliveries(Repository):
    async def lock_by_keys(self, keys: Sequence[str]) -> dict[str, ReportedDelivery]:
        """Lock the deliveries with these keys, in the order of their ids to avoid deadlocks. Return them by key."""
        rows = await self._connection.execute(_BY_KEYS, {"keys": list(keys)})
        return {row["key"]: ReportedDelivery(**(dict(row) | {"state": DeliveryState(row["state"])})) for row in rows}

    async def write_updates(self, learnt: Sequence[DeliveryUpdate], at: datetime) -> None:
        """Write what reports said about deliveries that this transaction has locked."""
        if not learnt:
            return
        moved = [each.has_moved for each in learnt]
        await self._connection.execute(_LEARN, {"at": at, "moved": moved} | _values_of(learnt))
        if ended := [each.id for each in learnt if each.has_moved and each.state in RECEIPTS]:
            await self._connection.write(NOTE_RECEIPTS, {"ids": ended})
