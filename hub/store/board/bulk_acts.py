"""Acts of staff on many contracts: the contracts of an act, and the result for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, not_, select

from hub.model.board.bulk_act import BulkAct, BulkEnding, BulkKind, BulkProgress, BulkResult, BulkVerdict
from hub.model.contract.contract import Contract
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.act_items import ActItems, ActTables
from hub.store.kernel.connection import Row
from hub.store.tables.board import BULK_ACT as ACT, BULK_ITEM as ITEM
from hub.store.tables.contract import CONTRACT

_REASON = EncryptedColumn.of(ACT.c.reason_sealed)
OF_BULK = ActTables(ACT, ITEM, "contract", "verdict")
_PLAIN = ("id", "campus", "asked_by", "asked_at", "deadline", "may_issue")


class BulkActs(ActItems):
    tables = OF_BULK

    async def begin(self, act: BulkAct, contracts: Sequence[Contract]) -> bool:
        """Store an act with its contracts, in this order. Return False if it has already begun."""
        encrypted = self._cipher.encrypt_json(act.reason, _REASON.at(act.id)) if act.reason else None
        values = {name: getattr(act, name) for name in _PLAIN} | {"kind": act.kind.value, "reason_sealed": encrypted}
        return await self._store(values, ((each.id, each.campus) for each in contracts))

    async def find(self, act: UUID) -> BulkAct | None:
        return await self._connection.find(self._act, select(ACT).where(ACT.c.id == act))

    async def get_progress(self, act: BulkAct) -> BulkProgress:
        left, counts = await self.count_verdicts(act.id)
        return BulkProgress(act, left, {BulkVerdict(verdict): count for verdict, count in counts.items()})

    async def list_recent(self, since: datetime, limit: int = 5) -> list[BulkProgress]:
        """Return acts that were requested since `since`, newest first."""
        return [await self.get_progress(self._act(row)) for row in await self._list_recent(since, limit)]

    async def list_results(self, act: UUID, verdicts: Sequence[BulkVerdict], limit: int) -> list[BulkResult]:
        """Return contracts with these verdicts, in the order of the act."""
        columns = (
            ITEM.c.contract,
            CONTRACT.c.number,
            CONTRACT.c.student_name,
            ITEM.c.verdict,
            ITEM.c.failure_sealed,
            ITEM.c.replaced_by,
        )
        joined = ITEM.join(CONTRACT, CONTRACT.c.id == ITEM.c.contract)
        mine = (ITEM.c.act == act) & ITEM.c.verdict.in_([verdict.value for verdict in verdicts])
        statement = select(*columns).select_from(joined).where(mine).order_by(ITEM.c.ordinal).limit(limit)
        return [self._result(act, row) for row in await self._connection.execute(statement)]

    def _result(self, act: UUID, row: Row) -> BulkResult:
        ending = BulkEnding(BulkVerdict(row["verdict"]), self._failure(act, row), row["replaced_by"])
        return BulkResult(row["contract"], row["number"], row["student_name"], ending)

    def _act(self, row: Row) -> BulkAct:
        encrypted = row["reason_sealed"]
        reason = self._cipher.decrypt_json(encrypted, _REASON.at(row["id"])) if encrypted else None
        return BulkAct(**{name: row[name] for name in _PLAIN}, kind=BulkKind(row["kind"]), reason=reason)

    async def forget_reason(self, act: UUID) -> None:
        """Delete the reason of an act that has no contract left."""
        left = exists().where(ITEM.c.act == act, self.tables.left)
        await self._connection.execute(ACT.update().where(ACT.c.id == act, not_(left)).values(reason_sealed=None))

    async def end(self, act: UUID, contract: UUID, ending: BulkEnding, at: datetime) -> None:
        """Write the result for a contract, in the transaction that changed it."""
        more = {"replaced_by": ending.replaced_by, "ended_at": at}
        await self._end(act, contract, ending.verdict.value, ending.failure, more)
