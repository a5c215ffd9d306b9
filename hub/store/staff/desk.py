"""Staff accounts and their sessions, staff tasks, API keys and idempotent requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, Table, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import IdempotencyMismatch, TooSoon
from hub.model.staff.accounts import ApiKey, Staff, StaffTask
from hub.store.kernel.cipher import Cipher
from hub.store.tables import (
    ApiKeyRow,
    IdempotencyRow,
    LoginFailureRow,
    SignerRow,
    StaffRow,
    StaffSessionRow,
    StaffTaskRow,
    table_of,
)

STAFF: Table = table_of(StaffRow)
SESSION: Table = table_of(StaffSessionRow)
TASK: Table = table_of(StaffTaskRow)
SIGNER: Table = table_of(SignerRow)
FAILURE: Table = table_of(LoginFailureRow)
KEY: Table = table_of(ApiKeyRow)
REPLAY: Table = table_of(IdempotencyRow)
REPLAY_LIFE = timedelta(hours=24)
# No request takes longer: one without an answer by then died with its process, and its key may be taken up again.
REQUEST_LIFE = timedelta(minutes=2)


def key_hash(secret: str) -> bytes:
    """API keys and staff session secrets are random, so a plain hash keeps them out of the database."""
    return hashlib.sha256(b"desk:" + secret.encode()).digest()


class Desk:
    def __init__(self, connection: AsyncConnection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    # ---- staff

    async def put_staff(self, staff: Staff, password_hash: str, at: datetime) -> None:
        values = {name: getattr(staff, name) for name in Staff.__dataclass_fields__}
        values |= {"password_hash": password_hash, "created_at": at}
        kept = {name: value for name, value in values.items() if name not in ("id", "created_at")}
        await self._connection.execute(
            insert(STAFF).values(values).on_conflict_do_update(index_elements=["login"], set_=kept)
        )

    async def staff_by_login(self, login: str) -> tuple[Staff, str] | None:
        """The account and its password hash."""
        found = (STAFF.c.login == login) & STAFF.c.disabled_at.is_(None)
        row = (await self._connection.execute(select(STAFF).where(found))).mappings().first()
        return (_staff(row), row["password_hash"]) if row else None

    async def staff_names(self, staff: Sequence[UUID]) -> dict[UUID, str]:
        statement = select(STAFF.c.id, STAFF.c.name).where(STAFF.c.id.in_(staff))
        return {row.id: row.name for row in await self._connection.execute(statement)}

    async def begin_session(self, staff: UUID, secret: str, now: datetime, life: timedelta) -> None:
        values = {"secret_hash": key_hash(secret), "staff": staff, "created_at": now, "expires_at": now + life}
        await self._connection.execute(insert(SESSION).values(values))

    async def staff_by_session(self, secret: str, now: datetime) -> Staff | None:
        live = (
            (SESSION.c.secret_hash == key_hash(secret)) & (SESSION.c.expires_at > now) & STAFF.c.disabled_at.is_(None)
        )
        statement = select(STAFF).join(SESSION, SESSION.c.staff == STAFF.c.id).where(live)
        row = (await self._connection.execute(statement)).mappings().first()
        return _staff(row) if row else None

    async def end_session(self, secret: str) -> None:
        await self._connection.execute(SESSION.delete().where(SESSION.c.secret_hash == key_hash(secret)))

    async def guess_alone(self, login: str) -> None:
        """Whoever tries this login waits here until this unit ends: guesses made at once are counted one by one."""
        await self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:login, 2))"), {"login": login}
        )

    async def add_login_failure(self, login: str, at: datetime) -> int:
        """Its number, for one that turns out to be none."""
        statement = insert(FAILURE).values(login=login, at=at).returning(FAILURE.c.id)
        return int((await self._connection.execute(statement)).scalar_one())

    async def forget_login_failure(self, number: int) -> None:
        await self._connection.execute(FAILURE.delete().where(FAILURE.c.id == number))

    async def login_failures(self, login: str, since: datetime) -> int:
        statement = select(func.count()).select_from(FAILURE).where(FAILURE.c.login == login, FAILURE.c.at >= since)
        return int(await self._connection.scalar(statement) or 0)

    # ---- staff tasks

    async def add_task(self, task: StaffTask) -> None:
        await self._connection.execute(insert(TASK).values(_columns(task)))

    async def add_task_once(self, task: StaffTask, *, same_text: bool = False) -> bool:
        """False, and nothing is done, if an open task of this kind exists for the same contract and signer: with any
        text, or with the `same_text`. Of those who add it at once, one does; the others wait for that one."""
        same = (TASK.c.kind == task.kind) & TASK.c.contract.is_not_distinct_from(task.contract)
        same &= TASK.c.signer.is_not_distinct_from(task.signer) & TASK.c.done_at.is_(None)
        if same_text:
            same &= TASK.c.text == task.text
        if await self._connection.scalar(select(func.count()).select_from(TASK).where(same)):
            return False
        values = _columns(task) | {"once": _once(task, same_text)}
        adding = insert(TASK).values(values)
        adding = adding.on_conflict_do_nothing(index_elements=["once"], index_where=TASK.c.done_at.is_(None))
        return (await self._connection.execute(adding)).rowcount == 1

    async def had_task(self, signer: UUID, kind: str, since: datetime) -> bool:
        """Whether staff have, or had, a task of this kind about this signer that is no older."""
        found = (TASK.c.signer == signer) & (TASK.c.kind == kind) & (TASK.c.created_at >= since)
        return await self._connection.scalar(select(TASK.c.id).where(found).limit(1)) is not None

    async def open_tasks(
        self, contract: UUID | None = None, owner: UUID | None = None, limit: int = 100
    ) -> list[StaffTask]:
        """What is due first, first; what has no time yet behind it."""
        statement = select(*_TASK).where(TASK.c.done_at.is_(None))
        if contract:
            statement = statement.where(TASK.c.contract == contract)
        if owner:
            statement = statement.where(TASK.c.owner == owner)
        urgency = (TASK.c.due_at.asc().nulls_last(), TASK.c.created_at, TASK.c.id)
        rows = await self._connection.execute(statement.order_by(*urgency).limit(limit))
        return [StaffTask(**row) for row in rows.mappings()]

    async def count_open_tasks(self, owner: UUID) -> tuple[int, int]:
        """How many there are, and how many of them are in these hands."""
        theirs = func.count().filter(TASK.c.owner == owner)
        row = (await self._connection.execute(select(func.count(), theirs).where(TASK.c.done_at.is_(None)))).one()
        return row[0], row[1]

    async def task(self, task: UUID) -> StaffTask | None:
        row = (await self._connection.execute(select(*_TASK).where(TASK.c.id == task))).mappings().first()
        return StaffTask(**row) if row else None

    async def questions_at(self, phone_hash: bytes, kinds: Sequence[str], besides: Sequence[UUID] = ()) -> bool:
        """Whether tasks of these kinds wait for an answer to signers with this phone, `besides` these signers."""
        asked = (SIGNER.c.phone_hash == phone_hash) & TASK.c.kind.in_(kinds) & TASK.c.done_at.is_(None)
        statement = select(TASK.c.id).join(SIGNER, SIGNER.c.id == TASK.c.signer).where(asked)
        return await self._connection.scalar(statement.where(SIGNER.c.id.not_in(besides)).limit(1)) is not None

    async def finish_task(self, task: UUID, by: str, at: datetime) -> bool:
        mine = (TASK.c.id == task) & TASK.c.done_at.is_(None)
        return (await self._connection.execute(TASK.update().where(mine).values(done_at=at, done_by=by))).rowcount == 1

    async def finish_tasks_of(self, signer: UUID, kind: str, by: str, at: datetime) -> None:
        """What the signer has settled by an act of their own."""
        open_ones = (TASK.c.signer == signer) & (TASK.c.kind == kind) & TASK.c.done_at.is_(None)
        await self._connection.execute(TASK.update().where(open_ones).values(done_at=at, done_by=by))

    async def forget_words(self, contract: UUID, words: Sequence[str]) -> None:
        """What somebody wrote is erased: a task that quotes it keeps its own sentence, and no digest of theirs."""
        for each in words:
            quoting = (TASK.c.contract == contract) & (func.strpos(TASK.c.text, each) > 0)
            without = func.replace(TASK.c.text, each, "–")
            await self._connection.execute(TASK.update().where(quoting).values(text=without, once=None))

    # ---- API keys

    async def put_api_key(self, name: str, secret: str, campus: str, at: datetime) -> None:
        """One key per name: a new secret replaces the old, and one that was replaced before counts again."""
        old = KEY.update().where(KEY.c.name == name, KEY.c.secret_hash != key_hash(secret), KEY.c.revoked_at.is_(None))
        await self._connection.execute(old.values(revoked_at=at))
        values = {"id": uuid4(), "name": name, "secret_hash": key_hash(secret), "campus": campus, "created_at": at}
        again = {"revoked_at": None, "name": name, "campus": campus}
        await self._connection.execute(
            insert(KEY).values(values).on_conflict_do_update(index_elements=["secret_hash"], set_=again)
        )

    async def api_key(self, secret: str) -> ApiKey | None:
        found = (KEY.c.secret_hash == key_hash(secret)) & KEY.c.revoked_at.is_(None)
        row = (await self._connection.execute(select(KEY).where(found))).mappings().first()
        return ApiKey(row["id"], row["name"], row["campus"]) if row else None

    # ---- Idempotency-Key

    async def replay(self, owner: UUID, key: str, request_hash: bytes, now: datetime) -> tuple[int, str] | None:
        """Status and body of the first answer to this key; None: it is new, and now reserved.

        Raises IdempotencyMismatch for another request, TooSoon while the first one is still being worked on.
        """
        await self._connection.execute(
            REPLAY.delete().where(REPLAY.c.owner == owner, REPLAY.c.key == key, REPLAY.c.created_at < now - REPLAY_LIFE)
        )
        values = {"owner": owner, "key": key, "request_hash": request_hash, "created_at": now}
        if (await self._connection.execute(insert(REPLAY).values(values).on_conflict_do_nothing())).rowcount:
            return None
        mine = (REPLAY.c.owner == owner) & (REPLAY.c.key == key)
        row = (await self._connection.execute(select(REPLAY).where(mine))).mappings().one()
        if row["request_hash"] != request_hash:
            raise IdempotencyMismatch
        if row["status"] is None and row["created_at"] < now - REQUEST_LIFE:
            abandoned = REPLAY.update().where(mine, REPLAY.c.created_at == row["created_at"]).values(created_at=now)
            if (await self._connection.execute(abandoned)).rowcount:
                return None
        if row["status"] is None:
            raise TooSoon("the first request with this key is still being worked on", retry_after=timedelta(seconds=1))
        return row["status"], self._cipher.open(row["body_sealed"])

    async def keep_answer(self, owner: UUID, key: str, status: int, body: str) -> None:
        mine = (REPLAY.c.owner == owner) & (REPLAY.c.key == key)
        await self._connection.execute(
            REPLAY.update().where(mine).values(status=status, body_sealed=self._cipher.seal(body))
        )

    async def forget_request(self, owner: UUID, key: str) -> None:
        """The request failed: the same key may try again."""
        await self._connection.execute(
            REPLAY.delete().where(REPLAY.c.owner == owner, REPLAY.c.key == key, REPLAY.c.status.is_(None))
        )


_TASK = [TASK.c[name] for name in StaffTask.__dataclass_fields__]


def _columns(task: StaffTask) -> dict[str, Any]:
    return {name: getattr(task, name) for name in StaffTask.__dataclass_fields__}


def _once(task: StaffTask, same_text: bool) -> bytes:
    """The same for two tasks of which one is enough."""
    about = [task.kind, str(task.contract), str(task.signer), *([task.text] if same_text else [])]
    return hashlib.sha256(json.dumps(about).encode()).digest()


def _staff(row: RowMapping | Mapping[str, Any]) -> Staff:
    return Staff(**{name: row[name] for name in Staff.__dataclass_fields__})
