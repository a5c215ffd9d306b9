"""Which member of staff a chat user is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.model.staff.accounts import Staff
from hub.store.kernel.repository import Repository
from hub.store.staff.accounts import read_staff
from hub.store.tables.staff import CHAT_ACCOUNT as ACCOUNT, STAFF


@dataclass(frozen=True)
class ChatAccount:
    """A chat user mapped to an account. `person`: the platform's id of the user. `disabled`: the account is disabled,
    so the user gets no answers."""

    chat: str
    person: str
    staff: Staff
    disabled: bool


class Chats(Repository):
    async def find_staff(self, chat: str, person: str) -> Staff | None:
        """Return the member of staff. None if the user is not mapped, or if the account is disabled."""
        mine = (ACCOUNT.c.chat == chat) & (ACCOUNT.c.person == person) & STAFF.c.disabled_at.is_(None)
        statement = select(STAFF).join(ACCOUNT, ACCOUNT.c.staff == STAFF.c.id).where(mine)
        return await self._connection.find(read_staff, statement)

    async def list_accounts(self) -> list[ChatAccount]:
        columns = (ACCOUNT.c.chat, ACCOUNT.c.person, *STAFF.c)
        statement = select(*columns).join(STAFF, ACCOUNT.c.staff == STAFF.c.id)
        rows = await self._connection.execute(statement.order_by(ACCOUNT.c.chat, STAFF.c.login, ACCOUNT.c.person))
        return [
            ChatAccount(row["chat"], row["person"], read_staff(row), row["disabled_at"] is not None) for row in rows
        ]

    async def put(self, chat: str, person: str, staff: UUID, at: datetime) -> None:
        """Map a chat user to an account, in place of an earlier one."""
        values = {"chat": chat, "person": person, "staff": staff, "created_at": at}
        statement = insert(ACCOUNT).values(values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["chat", "person"], set_={"staff": staff, "created_at": at})
        )

    async def remove(self, chat: str, person: str) -> Staff | None:
        """End a mapping. Returns the account that it was to."""
        mine = (ACCOUNT.c.chat == chat) & (ACCOUNT.c.person == person) & (ACCOUNT.c.staff == STAFF.c.id)
        return await self._connection.find(read_staff, ACCOUNT.delete().where(mine).returning(*STAFF.c))
