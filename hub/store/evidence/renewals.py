"""Renewals of evidence records: the newest timestamps, and the steps by which a record was renewed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, Uuid, bindparam, text

from hub.model.evidence.renewal import Renewal, RenewalLeaf, RenewalStep
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, insert_many, insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.evidence import EVIDENCE_RENEWAL as RENEWAL, EVIDENCE_RENEWAL_LEAF as LEAF
from qianda.evidence.evidence_record import MAX_TIMESTAMPS

# The first timestamp of a record is no renewal.
MAX_RENEWALS = MAX_TIMESTAMPS - 1

_LEAF_COLUMNS = ("renewal", "position", "day", "renewed", "contract", "leaf")
_ADD = insert_row(RENEWAL, Renewal.__dataclass_fields__, passing_over=True)
_ADD_LEAVES = insert_many(LEAF, _LEAF_COLUMNS)
_NEXT_ID = SqlStatement("SELECT coalesce(max(id), 0) + 1 FROM evidence_renewal")
_CURRENT = SqlStatement("""
SELECT tree.day, NULL::integer AS renewed, 'sha256' AS algorithm, tree.timestamps[1] AS token FROM hash_tree AS tree
WHERE NOT EXISTS (SELECT FROM evidence_renewal_leaf AS leaf WHERE leaf.day = tree.day)
UNION ALL SELECT NULL, renewal.id, renewal.algorithm, renewal.timestamp FROM evidence_renewal AS renewal
WHERE NOT EXISTS (SELECT FROM evidence_renewal_leaf AS leaf WHERE leaf.renewed = renewal.id)
""")
_STEP = SqlStatement(
    text("""
SELECT leaf.position, renewal.* FROM evidence_renewal_leaf AS leaf
JOIN evidence_renewal AS renewal ON renewal.id = leaf.renewal
WHERE leaf.renewal > :after AND (leaf.day = :day OR leaf.renewed = :renewed OR leaf.contract = :contract)
ORDER BY leaf.renewal LIMIT 1
""").bindparams(
        bindparam("after", type_=Integer()),
        bindparam("day", type_=Date()),
        bindparam("renewed", type_=Integer()),
        bindparam("contract", type_=Uuid()),
    ),
    plans_for_values=True,
)
_LEAVES = SqlStatement("SELECT leaf FROM evidence_renewal_leaf WHERE renewal = :renewal ORDER BY position")
_LACKING = """
FROM evidence_package AS package
WHERE package.version = 1
  AND EXISTS (SELECT FROM hash_tree_leaf AS leaf WHERE leaf.contract = package.contract AND leaf.kind = 'package')
  AND NOT EXISTS (SELECT FROM evidence_renewal_leaf AS leaf JOIN evidence_renewal AS renewal
    ON renewal.id = leaf.renewal WHERE leaf.contract = package.contract AND renewal.algorithm = :algorithm)
  AND NOT EXISTS (SELECT FROM document_version AS gone
    WHERE gone.contract = package.contract AND gone.erased_at IS NOT NULL)
"""
_TO_HASH_ANEW = SqlStatement(
    text(
        f"SELECT package.contract {_LACKING} AND package.contract > :after ORDER BY package.contract LIMIT :most"
    ).bindparams(bindparam("after", type_=Uuid())),
    plans_for_values=True,
)
_COUNT_TO_HASH_ANEW = SqlStatement(f"SELECT count(*) {_LACKING}")


class Renewals(Repository):
    async def list_current(self) -> list[dict[str, Any]]:
        """Return the day or renewal, the algorithm and the token of each timestamp that has not been renewed yet."""
        return [dict(row) for row in await self._connection.execute(_CURRENT)]

    async def get_next_id(self) -> int:
        return int(await self._connection.scalar(_NEXT_ID) or 1)

    async def add(self, renewal: Renewal, leaves: Sequence[RenewalLeaf]) -> bool:
        """Store a renewal with its leaves, in their order. Return False, and store nothing, if its id exists."""
        if (await self._connection.write_now(_ADD, vars(renewal))).rowcount != 1:
            return False
        rows = [vars(leaf) | {"renewal": renewal.id, "position": number} for number, leaf in enumerate(leaves)]
        await self._connection.write_now(_ADD_LEAVES, arrays_of(_LEAF_COLUMNS, rows))
        return True

    async def list_steps(self, contract: UUID, day: date) -> list[RenewalStep]:
        """Return the renewals of the evidence record of a contract's package, which is in the tree of `day`.

        Later ones than MAX_RENEWALS are left out: with them, nobody could verify the record any more.
        """
        steps: list[RenewalStep] = []
        source: dict[str, Any] = {"day": day, "renewed": None, "contract": contract, "after": 0}
        while len(steps) < MAX_RENEWALS and (row := (await self._connection.execute(_STEP, source)).first()):
            values = dict(row)
            position = values.pop("position")
            steps.append(RenewalStep(Renewal(**values), position))
            source |= {"day": None, "renewed": values["id"], "after": values["id"]}
        return steps

    async def list_leaves(self, renewal: int) -> list[bytes]:
        return await self._connection.scalars(_LEAVES, {"renewal": renewal})

    async def count_to_hash_anew(self, algorithm: str) -> int:
        return int(await self._connection.scalar(_COUNT_TO_HASH_ANEW, {"algorithm": algorithm}) or 0)

    async def list_to_hash_anew(self, algorithm: str, after: UUID, limit: int) -> list[UUID]:
        """Return contracts whose package is in a tree, but in no renewal with this algorithm yet, in the order of their
        ids."""
        given = {"algorithm": algorithm, "after": after, "most": limit}
        return await self._connection.scalars(_TO_HASH_ANEW, given)
