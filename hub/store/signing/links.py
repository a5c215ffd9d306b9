"""Sign links: found by the hash of their ticket, which is derived and never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, RowMapping, Table, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.contract.signer import Signer, TaskState
from hub.model.signing.link import DoorKind, SignLink, lookup_hash, ticket_for
from hub.store.joint import Joint, joint
from hub.store.kernel.keys import Keys
from hub.store.tables import SignerRow, SigningTaskRow, SignLinkRow, table_of

LINK: Table = table_of(SignLinkRow)
SIGNER: Table = table_of(SignerRow)
TASK: Table = table_of(SigningTaskRow)
_LASTING = LINK.c.revoked_at.is_(None) & LINK.c.expires_at.is_(None)
_OF_SIGNERS = select(LINK).where(LINK.c.signer == any_(bindparam("ids", type_=ARRAY(Uuid()))), _LASTING)
_ADD = insert(LINK)


class Links:
    def __init__(self, connection: AsyncConnection, keys: Keys) -> None:
        self._connection = connection
        self._key = keys.link

    def ticket(self, link: SignLink) -> str:
        return ticket_for(self._key, link.id, link.generation)

    async def foresee(self, ahead: Joint, signers: Sequence[UUID]) -> None:
        doors: dict[UUID, dict[DoorKind, SignLink]] = {signer: {} for signer in signers}
        for row in (await ahead.aside(_OF_SIGNERS, {"ids": list(signers)})).mappings():
            link = _link(row)
            doors[link.signer][link.door] = link
            ahead.put("link", link.id, link)
        for signer, links in doors.items():
            ahead.put("doors", signer, links)

    async def for_door(self, signer: Signer, door: DoorKind, now: datetime) -> SignLink:
        """The signer's one lasting link of this door: made when first asked for, the same again afterwards."""
        if (ahead := joint(self._connection)) and isinstance(known := ahead.get("doors", signer.id), dict):
            return self._foreseen(ahead, signer, door, known, now)
        lasting = (LINK.c.signer == signer.id) & (LINK.c.door == door.value) & _LASTING
        row = (await self._connection.execute(select(LINK).where(lasting))).mappings().first()
        if row is None:
            link = SignLink(uuid4(), signer.contract, signer.id, signer.campus, door, 1, now)
            if await self._insert(link):
                return link
            # Somebody else made it at this very moment.
            row = (await self._connection.execute(select(LINK).where(lasting))).mappings().one()
        return _link(row)

    def _foreseen(
        self, ahead: Joint, signer: Signer, door: DoorKind, known: dict[DoorKind, SignLink], now: datetime
    ) -> SignLink:
        if door not in known:
            link = SignLink(uuid4(), signer.contract, signer.id, signer.campus, door, 1, now)
            ahead.keep(_ADD, self._values(link))  # if somebody makes it at this very moment, both cannot be stored
            ahead.put("link", link.id, link)
            known[door] = link
        return known[door]

    async def add(self, signer: Signer, door: DoorKind, now: datetime, expires_at: datetime | None = None) -> SignLink:
        """A new row; a desk code is one for each rotation, with an expiry of its own."""
        link = SignLink(uuid4(), signer.contract, signer.id, signer.campus, door, 1, now, expires_at)
        await self._insert(link)
        return link

    async def _insert(self, link: SignLink) -> bool:
        statement = insert(LINK).values(self._values(link))
        return (await self._connection.execute(statement.on_conflict_do_nothing())).rowcount == 1

    def _values(self, link: SignLink) -> dict[str, Any]:
        return {
            "id": link.id,
            "contract": link.contract,
            "signer": link.signer,
            "campus": link.campus,
            "door": link.door.value,
            "generation": link.generation,
            "created_at": link.created_at,
            "expires_at": link.expires_at,
            "ticket_hash": lookup_hash(self._key, self.ticket(link)),
        }

    async def by_ticket(self, ticket: str) -> SignLink | None:
        """`ticket` as `normalised_ticket` returns it. Expired and revoked ones are found too: the caller decides."""
        found = LINK.c.ticket_hash == lookup_hash(self._key, ticket)
        row = (await self._connection.execute(select(LINK).where(found))).mappings().first()
        return _link(row) if row else None

    async def get(self, link: UUID) -> SignLink | None:
        if (ahead := joint(self._connection)) and isinstance(known := ahead.get("link", link), SignLink):
            return known
        row = (await self._connection.execute(select(LINK).where(LINK.c.id == link))).mappings().first()
        return _link(row) if row else None

    async def waiting_at(self, phone_hash: bytes, limit: int = 200) -> list[SignLink]:
        """The lasting links of everybody with this phone who still has to sign, the newest first."""
        lasting = LINK.c.revoked_at.is_(None) & LINK.c.expires_at.is_(None)
        waiting = TASK.c.state.in_([TaskState.WAITING.value, TaskState.OPEN.value])
        statement = select(LINK).join(SIGNER, SIGNER.c.id == LINK.c.signer).join(TASK, TASK.c.signer == SIGNER.c.id)
        statement = statement.where(SIGNER.c.phone_hash == phone_hash, lasting, waiting)
        rows = await self._connection.execute(statement.order_by(LINK.c.created_at.desc()).limit(limit))
        return [_link(row) for row in rows.mappings()]

    async def renew(self, signers: Sequence[UUID], at: datetime) -> None:
        """Every ticket of these signers that is out is worthless from now on. Lasting links stay, with a new ticket;
        those with an expiry of their own end."""
        mine = LINK.c.signer.in_(signers) & LINK.c.revoked_at.is_(None)
        rows = await self._connection.execute(select(LINK).where(mine).order_by(LINK.c.id).with_for_update())
        for link in [_link(row) for row in rows.mappings()]:
            fresh = replace(link, generation=link.generation + 1)
            values: dict[str, Any] = {"revoked_at": at}
            if link.expires_at is None:
                ticket_hash = lookup_hash(self._key, self.ticket(fresh))
                values = {"generation": fresh.generation, "ticket_hash": ticket_hash}
            await self._connection.execute(LINK.update().where(LINK.c.id == link.id).values(values))

    async def revoke_all(self, signer: UUID, at: datetime) -> None:
        statement = LINK.update().where(LINK.c.signer == signer, LINK.c.revoked_at.is_(None))
        await self._connection.execute(statement.values(revoked_at=at))


def _link(row: RowMapping) -> SignLink:
    values = {name: value for name, value in row.items() if name != "ticket_hash"}
    return SignLink(**(values | {"door": DoorKind(row["door"])}))
