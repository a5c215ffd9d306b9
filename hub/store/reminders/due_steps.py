"""Due steps of signing tasks: claim and read all those of one transaction, with few statements.

The order is: contracts (locked), cases, persons and records (locked), facts. So nothing that is read can change before
the transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ScalarSelect, Uuid, any_, bindparam, func, literal_column, select

from hub.model.contract.contract import Contract
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import PLANNED, DeliveryState
from hub.model.reminders.due_step import StepFacts
from hub.model.reminders.schedule import StepKind
from hub.store.contract.contracts import Contracts
from hub.store.contract.tasks import is_due
from hub.store.evidence.record import Record
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.opt_outs import list_covered
from hub.store.signing.links import LASTING_LINKS, read_links
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as TASK
from hub.store.tables.server import DEMO_CLOCK

# The most other contracts of one person that are read.
MAX_OTHERS = 50
# Longer than any local day: one has 25 hours when summer time ends.
MAX_DAY = timedelta(hours=26)
_OWN, _SAME, _OTHER = SIGNER.alias("own"), SIGNER.alias("same"), TASK.alias("other")


def _planned(name: str) -> ScalarSelect[Any]:
    """Return the SQL of a bound moment plus the time by which the planning clock is ahead (0 outside a demo).

    All of it is one subquery. PostgreSQL checks row-level security before any condition that might reveal something
    about hidden rows, and a sum with a subquery in it counts as such a condition. Then no index could be used, and each
    search for due steps would read every open task.
    """
    ahead = func.coalesce(select(DEMO_CLOCK.c.clock_offset).scalar_subquery(), literal_column("interval '0'"))
    return select(bindparam(name, type_=TASK.c.next_due_at.type) + ahead).scalar_subquery()


# The contracts of other open tasks of the same person, phone and campus about which a message is due soon.
_OTHERS = func.array(
    select(_OTHER.c.contract)
    .select_from(_OWN)
    .join(
        _SAME,
        (_SAME.c.person == _OWN.c.person)
        & (_SAME.c.phone_hash == _OWN.c.phone_hash)
        & (_SAME.c.campus == _OWN.c.campus)
        & (_SAME.c.id != _OWN.c.id),
    )
    .join(_OTHER, (_OTHER.c.signer == _SAME.c.id) & (_OTHER.c.state == TaskState.OPEN.value))
    .where(_OWN.c.id == TASK.c.signer, _OTHER.c.paused.is_(False), _OTHER.c.next_step != StepKind.EXPIRY.value)
    .where(_OTHER.c.next_due_at < _planned("before"))
    .order_by(_OTHER.c.next_due_at)
    .limit(MAX_OTHERS)
    .scalar_subquery()
).label("others")
_DUE = select(TASK.c.id.label("due_task"), _OTHERS, CONTRACT).join(CONTRACT, CONTRACT.c.id == TASK.c.contract)
_TAKE = SqlStatement(
    _DUE.where(is_due(_planned("now")))
    .order_by(TASK.c.claimable_at)
    .limit(bindparam("most"))
    # The task is locked too, so that `Tasks.claim_due` skips tasks that are being worked on.
    .with_for_update(key_share=True, skip_locked=True, of=(CONTRACT, TASK))
)
_OTHERS_OF = SqlStatement(select(_OTHERS).where(TASK.c.id == any_(bindparam("ids", type_=ARRAY(Uuid())))))
# The numbers of the locks are those of `Sessions.lock_persons` and `Record.lock_heads`.
_LOCK = SqlStatement("""
SELECT pg_advisory_xact_lock(number) FROM (
    SELECT DISTINCT 1 AS place, hashtext(person) AS number FROM unnest(CAST(:persons AS text[])) AS theirs (person)
    UNION ALL
    SELECT DISTINCT 2, hashtextextended(contract::text, 1) FROM unnest(CAST(:contracts AS uuid[])) AS theirs (contract)
    ORDER BY 1, 2
) AS ordered
""")
_FACTS = SqlStatement(f"""
SELECT task.id AS task, task.leased_until, task.claimable_at, signer.contract, head.sequence, head.digest,
    ARRAY(SELECT channel FROM opt_out WHERE number_hash = signer.phone_hash) AS silent,
    ARRAY(SELECT key FROM delivery WHERE contract = signer.contract) AS keys,
    ARRAY(
        SELECT min(created_at) FROM delivery
        WHERE person = signer.person AND purpose = ANY(CAST(:planned AS text[]))
            AND state <> ALL(CAST(:came_to_nothing AS text[]))
        GROUP BY coalesce(intent, key) HAVING min(created_at) >= CAST(:since AS timestamptz) ORDER BY 1
    ) AS sent_to_person,
    (SELECT max(at) FROM reminder_entry entry
        WHERE entry.contract = task.contract AND entry.task = task.id AND entry.kind = 'sent') AS last_sent,
    (SELECT count(*) FROM reminder_entry entry
        WHERE entry.contract = task.contract AND entry.task = task.id AND entry.kind = 'sent'
            AND entry.step = 'reminder' AND (task.invited_at IS NULL OR entry.at >= task.invited_at)) AS reminders,
    ({LASTING_LINKS} WHERE sign_link.signer = task.signer AND revoked_at IS NULL AND expires_at IS NULL) AS links,
    (SELECT moment FROM restored_until) AS restored_until, signer.id AS signer, signer.campus
FROM signing_task AS task
JOIN signer ON signer.id = task.signer
LEFT JOIN LATERAL (
    SELECT sequence, digest FROM record_entry WHERE contract = task.contract ORDER BY sequence DESC LIMIT 1
) AS head ON true
WHERE task.id = ANY(CAST(:tasks AS uuid[]))
""")  # noqa: S608 - text of ours
_CAME_TO_NOTHING = [DeliveryState.REFUSED.value, DeliveryState.WITHDRAWN.value]


@dataclass(frozen=True)
class DueTask:
    """A due task of a locked contract. `others`: the person's other contracts about which a message is due soon."""

    task: UUID
    contract: Contract
    others: frozenset[UUID]


def opening_due(now: datetime, within: timedelta, most: int) -> Opening:
    """Return what `DueSteps.lock_due` does: it locks the contracts of up to `most` tasks that have been due longest.

    `now`: real time. `within`: the time from now on in which messages about other contracts count as due soon.
    """
    return Opening(_TAKE, {"now": now, "before": now + within, "most": most})


class DueSteps:
    def __init__(self, connection: Connection, contracts: Contracts, record: Record) -> None:
        self._connection = connection
        self._contracts = contracts
        self._record = record

    async def lock_due(self, opening: Opening) -> list[DueTask]:
        """Lock the contracts of the tasks that have been due longest, as `opening_due` says. Contracts locked by others
        are skipped.

        No other transaction claims these tasks until this one ends.
        """
        rows = await self._connection.execute(opening.statement, opening.values)
        return [DueTask(row["due_task"], self._contracts.read_contract(row), frozenset(row["others"])) for row in rows]

    async def get_others(self, task: UUID, before: datetime) -> frozenset[UUID]:
        """Return other contracts of this task's person about which a message is due `before`, which is real time."""
        others: Sequence[UUID] | None = await self._connection.scalar(_OTHERS_OF, {"ids": [task], "before": before})
        return frozenset(others or ())

    async def lock_persons_and_records(self, persons: Iterable[str], contracts: Iterable[UUID]) -> None:
        """Lock persons, then records, each in the order of their numbers. The caller has locked the contracts."""
        await self._connection.execute(_LOCK, {"persons": list(persons), "contracts": list(contracts)})

    async def get_facts(self, tasks: Sequence[UUID], now: datetime) -> dict[UUID, StepFacts]:
        """Return by task what its step needs besides its case. Contracts, persons and records must be locked."""
        values = {"tasks": list(tasks), "since": now - MAX_DAY, "planned": [each.value for each in PLANNED]}
        rows = await self._connection.execute(_FACTS, values | {"came_to_nothing": _CAME_TO_NOTHING})
        found = {}
        for row in rows:
            self._record.remember_head(row["contract"], row["sequence"], row["digest"])
            found[row["task"]] = _facts(row)
        return found


def _facts(row: Row) -> StepFacts:
    return StepFacts(
        claimable_at=row["claimable_at"],
        leased_until=row["leased_until"],
        sent_to_person=tuple(row["sent_to_person"]),
        silent=list_covered(row["silent"]),
        keys=frozenset(row["keys"]),
        last_sent=row["last_sent"],
        reminders_sent=row["reminders"],
        links={link.door: link for link in read_links(row)},
        restored_until=row["restored_until"],
    )
