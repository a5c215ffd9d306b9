"""Requests to change a person's phone number, with their approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.staff.phone_change import OPEN_FOR, PhoneChange, PhoneChangeState
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.staff import PHONE_CHANGE as CHANGE

_NEW = EncryptedColumn.of(CHANGE.c.new_sealed)
_OPEN = CHANGE.c.state == PhoneChangeState.OPEN.value


class PhoneChanges(EncryptedRepository):
    async def add(self, change: PhoneChange) -> None:
        values = {name: getattr(change, name) for name in _PLAIN}
        values |= {"state": change.state.value, "approvals": dict(change.approvals)}
        values |= {"new_sealed": self._cipher.encrypt(change.phone, _NEW.at(change.id))}
        values |= {"new_hash": self._cipher.found_by("phone", change.phone)}
        await self._connection.execute(insert(CHANGE).values(values))

    async def get(self, change: UUID, *, lock: bool = False) -> PhoneChange | None:
        return await self._one(CHANGE.c.id == change, lock)

    async def find_open(self, person: str, *, lock: bool = False) -> PhoneChange | None:
        """Return the open change for this person, or None. There is at most one."""
        return await self._one((CHANGE.c.person == person) & _OPEN, lock)

    async def get_present_number(self, person: str, phone: str, since: datetime) -> str:
        """Return the number (E.164) that has replaced `phone` for this person since `since`, or `phone` itself."""
        mine = (CHANGE.c.person == person) & (CHANGE.c.state == PhoneChangeState.CHANGED.value)
        statement = select(CHANGE).where(mine, CHANGE.c.ended_at >= since).order_by(CHANGE.c.ended_at)
        for row in await self._connection.execute(statement):
            if row["old_hash"] == self._cipher.found_by("phone", phone):
                phone = self._cipher.decrypt(row["new_sealed"], _NEW.at(row["id"]))
        return phone

    async def _one(self, found: ColumnElement[bool], lock: bool) -> PhoneChange | None:
        statement = select(CHANGE).where(found)
        return await self._connection.find(self._change, statement.with_for_update() if lock else statement)

    async def list_waiting(self, now: datetime, limit: int = 200) -> list[PhoneChange]:
        """Return the changes that wait for approval within the scope, oldest first."""
        statement = select(CHANGE).where(_OPEN, CHANGE.c.asked_at > now - OPEN_FOR)
        rows = await self._connection.execute(statement.order_by(CHANGE.c.asked_at).limit(limit))
        return [self._change(row) for row in rows]

    async def list_signers_waiting(self, now: datetime) -> set[UUID]:
        """Return the signers with a change that waits for approval, within the scope."""
        statement = select(CHANGE.c.signer).where(_OPEN, CHANGE.c.asked_at > now - OPEN_FOR)
        return set(await self._connection.scalars(statement))

    async def write_decision(self, change: PhoneChange) -> None:
        """Write the decision about a change, which was read under its lock."""
        values = {"state": change.state.value, "approvals": dict(change.approvals), "ended_at": change.ended_at}
        await self._connection.execute(CHANGE.update().where(CHANGE.c.id == change.id).values(values))

    async def expire(self, now: datetime) -> None:
        """Mark changes as expired that were not approved in time."""
        late = CHANGE.update().where(_OPEN, CHANGE.c.asked_at <= now - OPEN_FOR)
        await self._connection.execute(late.values(state=PhoneChangeState.EXPIRED.value, ended_at=now))

    async def forget_words(self, contract: UUID, words: Sequence[str]) -> None:
        """Erase the reasons of this contract's phone changes that are one of these texts."""
        given = (CHANGE.c.contract == contract) & CHANGE.c.reason.in_(words)
        await self._connection.execute(CHANGE.update().where(given).values(reason="–"))

    def _change(self, row: Row) -> PhoneChange:
        values = {name: row[name] for name in _PLAIN}
        values |= {"state": PhoneChangeState(row["state"]), "approvals": dict(row["approvals"])}
        return PhoneChange(**values, phone=self._cipher.decrypt(row["new_sealed"], _NEW.at(row["id"])))


_PLAIN = set(PhoneChange.__dataclass_fields__) - {"phone"}
