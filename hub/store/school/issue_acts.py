"""Acts of staff that issue many contracts: the enrolments of an act, and the outcome for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, exists, not_, select

from hub.model.board.act_progress import ActFailure
from hub.model.school.course import Enrolment
from hub.model.school.issue_many import FailedItem, IssueAct, IssueOutcome, IssueProgress, SignerReplacement
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.act_items import ActItems, ActTables
from hub.store.kernel.connection import Row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.school import ENROLMENT, ISSUE_ACT as ACT, ISSUE_ITEM as ITEM

_REPLACEMENT = EncryptedColumn.of(ITEM.c.replacement_sealed)
OF_ISSUE = ActTables(ACT, ITEM, "enrolment", "outcome")
_KEEP_APPROVED = SqlStatement(
    "UPDATE issue_item SET approved_digest = given.digest"
    " FROM unnest(CAST(:enrolments AS uuid[]), CAST(:digests AS bytea[])) AS given (enrolment, digest)"
    " WHERE issue_item.act = :act AND issue_item.enrolment = given.enrolment",
    takes_arrays=True,
)


class IssueActs(ActItems):
    tables = OF_ISSUE

    async def begin(
        self, act: IssueAct, enrolments: Sequence[Enrolment], replacement: SignerReplacement | None = None
    ) -> bool:
        """Store an act with its enrolments, in this order. Return False if it has already begun. `replacement`: if the
        act replaces a signer of its only contract."""
        values = {name: getattr(act, name) for name in IssueAct.__dataclass_fields__}
        if not await self._store(values, ((each.id, each.campus) for each in enrolments)):
            return False
        if replacement:
            (only,) = enrolments
            encrypted = self._cipher.encrypt_json(replacement.to_dict(), _REPLACEMENT.at(act.id, only.id))
            mine = self.tables.is_item(act.id, only.id)
            await self._connection.execute(ITEM.update().where(mine).values(replacement_sealed=encrypted))
        return True

    @property
    def is_ready(self) -> ColumnElement[bool]:
        return not_(ACT.c.refused) & (not_(ACT.c.needs_approval) | ACT.c.decided_by.is_not(None))

    async def find(self, act: UUID, *, lock: bool = False) -> IssueAct | None:
        statement = select(ACT).where(ACT.c.id == act)
        return await self._connection.find(_act, statement.with_for_update() if lock else statement)

    async def lock_empty(self) -> list[IssueAct]:
        """Lock and return acts that wait for a decision although nothing is left that they could issue."""
        waits = ACT.c.needs_approval & ACT.c.decided_by.is_(None)
        left = exists().where(ITEM.c.act == ACT.c.id, self.tables.left)
        statement = select(ACT).where(waits, not_(left)).order_by(ACT.c.id).limit(100).with_for_update()
        return [_act(row) for row in await self._connection.execute(statement)]

    async def decide(self, act: IssueAct) -> None:
        values = {name: getattr(act, name) for name in ("decided_by", "decided_at", "refused")}
        await self._connection.execute(ACT.update().where(ACT.c.id == act.id).values(values))
        if act.refused:
            await self._connection.execute(ITEM.update().where(ITEM.c.act == act.id).values(replacement_sealed=None))

    async def get_replacement(self, act: UUID) -> SignerReplacement | None:
        """Return the replacement of a signer by an act that has not ended; None if there is none."""
        mine = (ITEM.c.act == act) & ITEM.c.replacement_sealed.is_not(None)  # an act on one enrolment
        row = (await self._connection.execute(select(ITEM.c.enrolment, ITEM.c.replacement_sealed).where(mine))).first()
        if row is None:
            return None
        encrypted, name = row["replacement_sealed"], _REPLACEMENT.at(act, row["enrolment"])
        return SignerReplacement.of(self._cipher.decrypt_json(encrypted, name))

    async def keep_digests(self, act: UUID, digests: Mapping[UUID, bytes]) -> None:
        """Store for each enrolment the digest of what was asked for. After an approval, call this again with the
        digests of what was approved."""
        values = {"act": act, "enrolments": list(digests), "digests": list(digests.values())}
        await self._connection.execute(_KEEP_APPROVED, values)

    async def list_digests(self, act: UUID) -> Mapping[UUID, bytes]:
        """Return the digest of what was asked for or approved, of each enrolment for which one is kept."""
        mine = (ITEM.c.act == act) & ITEM.c.approved_digest.is_not(None)
        rows = await self._connection.execute(select(ITEM.c.enrolment, ITEM.c.approved_digest).where(mine))
        return {row["enrolment"]: row["approved_digest"] for row in rows}

    async def get_approved(self, act: UUID, enrolment: UUID) -> bytes | None:
        """Return the digest of what was approved for an enrolment of an approved act; None if none was kept."""
        kept = select(ITEM.c.approved_digest).where(self.tables.is_item(act, enrolment))
        found: bytes | None = await self._connection.scalar(kept)
        return found

    async def get_progress(self, act: IssueAct) -> IssueProgress:
        left, counts = await self.count_verdicts(act.id)
        return IssueProgress(act, left, {IssueOutcome(outcome): count for outcome, count in counts.items()})

    async def list_recent(self, since: datetime, limit: int = 5) -> list[IssueProgress]:
        """Return acts that were requested since `since`, newest first."""
        return [await self.get_progress(_act(row)) for row in await self._list_recent(since, limit)]

    async def list_not_issued(self, act: UUID, limit: int) -> list[FailedItem]:
        """Return the enrolments whose contracts were not issued by this act, with the reason."""
        columns = (ITEM.c.enrolment, ENROLMENT.c.student_name, ITEM.c.outcome, ITEM.c.failure_sealed)
        joined = ITEM.outerjoin(ENROLMENT, ENROLMENT.c.id == ITEM.c.enrolment)
        mine = (ITEM.c.act == act) & ITEM.c.outcome.is_not(None) & (ITEM.c.outcome != IssueOutcome.ISSUED.value)
        statement = select(*columns).select_from(joined).where(mine).order_by(ITEM.c.ordinal).limit(limit)
        return [self._failed(act, row) for row in await self._connection.execute(statement)]

    def _failed(self, act: UUID, row: Row) -> FailedItem:
        outcome, failure = IssueOutcome(row["outcome"]), self._failure(act, row)
        return FailedItem(row["enrolment"], row["student_name"], outcome, failure)

    async def end(
        self, act: UUID, enrolment: UUID, outcome: IssueOutcome, at: datetime, failure: ActFailure | None = None
    ) -> None:
        """Write the outcome, in the transaction of the contract."""
        await self._end(act, enrolment, outcome.value, failure, {"ended_at": at, "replacement_sealed": None})


def _act(row: Row) -> IssueAct:
    return IssueAct(**{name: row[name] for name in IssueAct.__dataclass_fields__})
