"""Signature requests, and the attempts to reach the token and the timestamp authority."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.signing.session import hash_secret
from hub.model.signing.signature_request import Custody, RequestState, SignatureRequest
from hub.store.tables import AttemptRow, SignatureRequestRow, SigningSessionRow, table_of

REQUEST: Table = table_of(SignatureRequestRow)
ATTEMPT: Table = table_of(AttemptRow)
SESSION: Table = table_of(SigningSessionRow)
_UNFINISHED = REQUEST.c.state.in_([RequestState.PREPARED.value, RequestState.ACCEPTED.value])


@dataclass(frozen=True)
class LeftBehind:
    """A request that nobody can sign any more, and its file; `needed`: by another one, for which it is the same."""

    request: UUID
    prepared: str
    needed: bool


class Signatures:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, request: SignatureRequest) -> None:
        values = {name: getattr(request, name) for name in _FIELDS - {"gap"}}
        values |= {"state": request.state.value, "chain": list(request.chain)}
        values |= {"gap_start": request.gap[0], "gap_end": request.gap[1]}
        await self._connection.execute(insert(REQUEST).values(values))

    async def get(self, request: UUID) -> SignatureRequest | None:
        row = (await self._connection.execute(select(REQUEST).where(REQUEST.c.id == request))).mappings().first()
        return _request(row) if row else None

    async def get_of_session(self, request: UUID, secret: str) -> SignatureRequest | None:
        """Return the request if the session with this secret asked for it."""
        mine = (SESSION.c.id == REQUEST.c.session) & (SESSION.c.secret_hash == hash_secret(secret))
        statement = select(REQUEST).join(SESSION, mine).where(REQUEST.c.id == request)
        row = (await self._connection.execute(statement)).mappings().first()
        return _request(row) if row else None

    async def unfinished(self, contract: UUID) -> list[SignatureRequest]:
        """Prepared or accepted ones, newest first. At most one is accepted."""
        statement = select(REQUEST).where(REQUEST.c.contract == contract, _UNFINISHED)
        rows = await self._connection.execute(statement.order_by(REQUEST.c.created_at.desc()))
        return [_request(row) for row in rows.mappings()]

    async def holds_revision(self, contract: UUID) -> bool:
        """Whether an accepted signature waits to be written into the file."""
        accepted = (REQUEST.c.contract == contract) & (REQUEST.c.state == RequestState.ACCEPTED.value)
        return await self._connection.scalar(select(REQUEST.c.id).where(accepted).limit(1)) is not None

    async def of_contract(self, contract: UUID) -> list[SignatureRequest]:
        statement = select(REQUEST).where(REQUEST.c.contract == contract).order_by(REQUEST.c.created_at)
        return [_request(row) for row in (await self._connection.execute(statement)).mappings()]

    async def accept(self, request: UUID, signature: bytes, at: datetime, confirmation: bytes | None = None) -> bool:
        """False: it lapsed at this moment, since its key was revoked."""
        values = {"signature": signature, "confirmation": confirmation, "accepted_at": at}
        mine = (REQUEST.c.id == request) & (REQUEST.c.state == RequestState.PREPARED.value)
        taken = REQUEST.update().where(mine).values(state=RequestState.ACCEPTED.value, **values)
        return (await self._connection.execute(taken)).rowcount == 1

    async def key_deleted(self, session: UUID, at: datetime) -> list[SignatureRequest]:
        """The signatures that a browser made in this visit and whose key is gone now; in one order for all."""
        theirs = (REQUEST.c.session == session) & (REQUEST.c.custody == Custody.BROWSER.value)
        theirs &= REQUEST.c.key_deleted_at.is_(None) & REQUEST.c.signature.is_not(None)
        statement = REQUEST.update().where(theirs).values(key_deleted_at=at).returning(REQUEST)
        found = [_request(row) for row in (await self._connection.execute(statement)).mappings()]
        return sorted(found, key=lambda request: request.contract)

    async def embedded(self, request: UUID, at: datetime) -> bool:
        """False: it was not an accepted one any more."""
        mine = (REQUEST.c.id == request) & (REQUEST.c.state == RequestState.ACCEPTED.value)
        embedded = REQUEST.update().where(mine).values(state=RequestState.EMBEDDED.value, embedded_at=at)
        return (await self._connection.execute(embedded)).rowcount == 1

    async def lapse(self, request: UUID, was: RequestState = RequestState.PREPARED) -> bool:
        """False: it is in another state by now, and stays there."""
        mine = (REQUEST.c.id == request) & (REQUEST.c.state == was.value)
        lapsed = REQUEST.update().where(mine).values(state=RequestState.LAPSED.value)
        return (await self._connection.execute(lapsed)).rowcount == 1

    async def lapse_prepared(self, contract: UUID) -> None:
        """What was prepared on an older revision can no longer be signed."""
        prepared = (REQUEST.c.contract == contract) & (REQUEST.c.state == RequestState.PREPARED.value)
        await self._connection.execute(REQUEST.update().where(prepared).values(state=RequestState.LAPSED.value))

    async def left_behind(self, before: datetime, limit: int) -> list[LeftBehind]:
        """Signers' requests that lapsed and could have been signed until `before` at the latest, whose files may still
        be there."""
        again = REQUEST.alias()
        same = (again.c.contract == REQUEST.c.contract) & (again.c.prepared == REQUEST.c.prepared)
        needed = same & ((again.c.state != RequestState.LAPSED.value) | (again.c.expires_at > before))
        lapsed = (REQUEST.c.state == RequestState.LAPSED.value) & REQUEST.c.prepared_deleted_at.is_(None)
        lapsed &= REQUEST.c.task.is_not(None) & (REQUEST.c.expires_at <= before)
        found = select(REQUEST.c.id, REQUEST.c.prepared, select(again.c.id).where(needed).correlate(REQUEST).exists())
        rows = await self._connection.execute(found.where(lapsed).order_by(REQUEST.c.expires_at).limit(limit))
        return [LeftBehind(*row) for row in rows]

    async def prepared_deleted(self, requests: Sequence[UUID], at: datetime) -> None:
        mine = REQUEST.update().where(REQUEST.c.id.in_(requests))
        await self._connection.execute(mine.values(prepared_deleted_at=at))

    # ---- attempts: one row before each outside call

    async def begin_attempt(self, kind: str, contract: UUID | None, request: UUID | None, at: datetime) -> UUID:
        attempt = uuid4()
        values = {"id": attempt, "kind": kind, "contract": contract, "request": request, "state": "started"}
        await self._connection.execute(insert(ATTEMPT).values(**values, started_at=at))
        return attempt

    async def end_attempt(self, attempt: UUID, at: datetime, failure: str | None = None) -> None:
        state = "failed" if failure else "done"
        statement = ATTEMPT.update().where(ATTEMPT.c.id == attempt)
        await self._connection.execute(statement.values(state=state, ended_at=at, failure=failure))

    async def attempts(self, contract: UUID) -> list[dict[str, Any]]:
        statement = select(ATTEMPT).where(ATTEMPT.c.contract == contract).order_by(ATTEMPT.c.started_at)
        return [dict(row) for row in (await self._connection.execute(statement)).mappings()]


_FIELDS = set(SignatureRequest.__dataclass_fields__)


def _request(row: RowMapping) -> SignatureRequest:
    values = {name: row[name] for name in _FIELDS - {"gap"}}
    values |= {"state": RequestState(row["state"]), "chain": tuple(row["chain"])}
    return SignatureRequest(**values, gap=(row["gap_start"], row["gap_end"]))
