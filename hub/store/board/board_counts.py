"""Count contracts by state, and contracts that wait for a signature by how far they have got.

Each count reads one index. Contracts that do not wait for a signature are counted only by state: a person who signed
was reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hub.store.kernel.connection import Connection
from hub.store.kernel.statement import SqlStatement

_BY_STATE = SqlStatement("SELECT state, count(*) AS number FROM contract WHERE state <> 'DRAFT' GROUP BY state")
# The row of a message about several contracts names only the first of them; `delivery_share` names all.
_PENDING = SqlStatement(
    """
SELECT
  (SELECT count(*) FROM contract WHERE state = 'ISSUED' AND EXISTS (
     SELECT 1 FROM delivery WHERE delivery.contract = contract.id AND delivery.state = 'delivered'
     AND delivery.purpose <> 'code'))
  + (SELECT count(DISTINCT contract.id) FROM delivery_share
     JOIN delivery ON delivery.id = delivery_share.delivery AND delivery.state = 'delivered'
     JOIN contract ON contract.id = delivery_share.contract AND contract.state = 'ISSUED'
     WHERE NOT EXISTS (
       SELECT 1 FROM delivery AS own WHERE own.contract = contract.id AND own.state = 'delivered'
       AND own.purpose <> 'code')) AS reached,
  (SELECT count(*) FROM contract WHERE state = 'ISSUED' AND EXISTS (
     SELECT 1 FROM signing_task WHERE signing_task.contract = contract.id AND opened_at IS NOT NULL)) AS read,
  (SELECT count(*) FROM (
     SELECT delivery.contract FROM delivery WHERE delivery.state IN ('undelivered', 'refused')
       AND delivery.purpose <> 'code'
     UNION
     SELECT delivery_share.contract FROM delivery JOIN delivery_share ON delivery_share.delivery = delivery.id
       WHERE delivery.state IN ('undelivered', 'refused') AND delivery.purpose <> 'code') AS failed
   JOIN contract ON contract.id = failed.contract AND contract.state = 'ISSUED'
   WHERE NOT EXISTS (
     SELECT 1 FROM delivery WHERE delivery.contract = contract.id AND delivery.state = 'delivered'
     AND delivery.purpose <> 'code')
   AND NOT EXISTS (
     SELECT 1 FROM delivery_share JOIN delivery ON delivery.id = delivery_share.delivery
     WHERE delivery_share.contract = contract.id AND delivery.state = 'delivered')) AS unreached,
  (SELECT count(*) FROM contract WHERE state = 'ISSUED' AND deadline < :now) AS overdue,
  (SELECT count(*) FROM contract WHERE stuck_since IS NOT NULL) AS stuck
""",
    plans_for_values=True,
)
_REACHED_OR_LATER = ("SIGNED", "COMPLETED")


async def count_board(connection: Connection, now: datetime) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Return the numbers of contracts in the scope by state, and by group. `now`: on the planning clock.

    The groups: issued, delivered, opened, signed, completed (the funnel, in which a signed contract has passed all
    earlier steps); pending, reached, read, unreached, overdue (contracts to be signed); stuck.
    """
    states = {row["state"]: int(row["number"]) for row in await connection.execute(_BY_STATE)}
    facts = {name: int(number) for name, number in (await connection.execute(_PENDING, {"now": now})).one().items()}
    done = sum(states.get(state, 0) for state in _REACHED_OR_LATER)
    funnel = {
        "issued": sum(states.values()),
        "delivered": facts["reached"] + done,
        "opened": facts["read"] + done,
        "signed": done,
        "completed": states.get("COMPLETED", 0),
    }
    return states, facts | funnel | {"pending": states.get("ISSUED", 0)}
