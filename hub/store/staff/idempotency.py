"""Keep answers for Idempotency-Keys, so that a repeated request gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import IdempotencyMismatch, TooSoon
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.staff import IDEMPOTENCY as REPLAY

_BODY = EncryptedColumn.of(REPLAY.c.body_sealed)
REPLAY_LIFE = timedelta(hours=24)
# No request takes longer than this. If there is still no answer, its process died, and the key may be used again.
REQUEST_LIFE = timedelta(minutes=2)


@dataclass(frozen=True)
class ReservedKey:
    """A key that a request of `owner` has reserved at `at`. A request that takes longer than REQUEST_LIFE loses it to
    its repetition."""

    owner: UUID
    key: str
    at: datetime


class Idempotency(EncryptedRepository):
    async def find_answer(self, owner: UUID, key: str, request_hash: bytes, now: datetime) -> tuple[int, str] | None:
        """Return status and body of the first answer to this key. Return None, and reserve the key, if it is new or its
        first request was abandoned.

        Raises IdempotencyMismatch if the key was used for another request, TooSoon while the first request is in
        progress or if it has just released the key.
        """
        await self._connection.execute(
            REPLAY.delete().where(REPLAY.c.owner == owner, REPLAY.c.key == key, REPLAY.c.created_at < now - REPLAY_LIFE)
        )
        values = {"owner": owner, "key": key, "request_hash": request_hash, "created_at": now}
        if (await self._connection.execute(insert(REPLAY).values(values).on_conflict_do_nothing())).rowcount:
            return None
        mine = (REPLAY.c.owner == owner) & (REPLAY.c.key == key)
        row = (await self._connection.execute(select(REPLAY).where(mine))).first()
        if row is None:  # released since the last statement
            raise TooSoon("the first request with this key has just failed", retry_after=timedelta(seconds=1))
        if row["request_hash"] != request_hash:
            raise IdempotencyMismatch
        if row["status"] is None and row["created_at"] < now - REQUEST_LIFE:
            abandoned = REPLAY.update().where(mine, REPLAY.c.created_at == row["created_at"]).values(created_at=now)
            if (await self._connection.execute(abandoned)).rowcount:
                return None
        if row["status"] is None:
            raise TooSoon("the first request with this key is still running", retry_after=timedelta(seconds=1))
        return row["status"], self._cipher.decrypt(row["body_sealed"], _BODY.at(owner, key))

    async def keep_answer(self, reserved: ReservedKey, status: int, body: str) -> None:
        """Keep the answer, in the transaction of the act. Raises TooSoon if a repetition of the request has taken the
        key over meanwhile, so that nothing is done twice."""
        sealed = self._cipher.encrypt(body, _BODY.at(reserved.owner, reserved.key))
        kept = REPLAY.update().where(_is_held(reserved)).values(status=status, body_sealed=sealed)
        if not (await self._connection.execute(kept)).rowcount:
            raise TooSoon("a repetition of this request is still running", retry_after=timedelta(seconds=1))

    async def forget_request(self, reserved: ReservedKey) -> None:
        """Release the key of a failed request, so that it can be used again, unless a repetition has taken it over."""
        await self._connection.execute(REPLAY.delete().where(_is_held(reserved), REPLAY.c.status.is_(None)))


def _is_held(reserved: ReservedKey) -> ColumnElement[bool]:
    return (REPLAY.c.owner == reserved.owner) & (REPLAY.c.key == reserved.key) & (REPLAY.c.created_at == reserved.at)
