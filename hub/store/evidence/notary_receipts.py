"""Receipts of notaries: which roots have none yet, which have only a promise, and which receipts were given."""

from __future__ import annotations

from hub.model.evidence.notary import DepositedRoot, StoredReceipt
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.evidence import HASH_TREE_RECEIPT as RECEIPT

_ADD = insert_row(RECEIPT, StoredReceipt.__dataclass_fields__, passing_over=True)
_WITHOUT = SqlStatement("""
SELECT tree.day, tree.root FROM hash_tree AS tree WHERE NOT EXISTS (
  SELECT FROM hash_tree_receipt AS given WHERE given.day = tree.day AND given.notary = :notary
) ORDER BY tree.day LIMIT :most
""")
_PROMISED = SqlStatement("""
SELECT tree.day, tree.root, given.reference, given.receipt
FROM hash_tree_receipt AS given JOIN hash_tree AS tree ON tree.day = given.day
WHERE given.notary = :notary AND NOT given.is_final AND NOT EXISTS (
  SELECT FROM hash_tree_receipt AS final WHERE final.day = given.day AND final.notary = given.notary AND final.is_final
) ORDER BY tree.day DESC LIMIT :most
""")
_GIVEN = SqlStatement("""
SELECT tree.day, tree.root, given.reference, given.receipt
FROM hash_tree_receipt AS given JOIN hash_tree AS tree ON tree.day = given.day
WHERE given.notary = :notary ORDER BY tree.day, given.is_final
""")


class NotaryReceipts(Repository):
    async def list_without(self, notary: str, limit: int) -> list[DepositedRoot]:
        """Return the roots for which this notary has given nothing, the oldest first."""
        return await self._list(_WITHOUT, {"notary": notary, "most": limit})

    async def list_promised(self, notary: str, limit: int) -> list[DepositedRoot]:
        """Return the roots for which there is only a promise, the newest first, because an old promise may never be
        kept."""
        return await self._list(_PROMISED, {"notary": notary, "most": limit})

    async def list_given(self, notary: str) -> list[DepositedRoot]:
        """Return each receipt of this notary with the present root of its day."""
        return await self._list(_GIVEN, {"notary": notary})

    async def add(self, receipt: StoredReceipt) -> bool:
        """Store a receipt. Return False, and change nothing, if there is one already."""
        return (await self._connection.write_now(_ADD, vars(receipt))).rowcount == 1

    async def _list(self, statement: SqlStatement, values: dict[str, str | int]) -> list[DepositedRoot]:
        return [DepositedRoot(**row) for row in await self._connection.execute(statement, values)]
