"""Staff accounts, their sessions, and failed logins."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.model.staff.accounts import CurrentSession, NewStaffSession, Staff, StaffAccount, StaffLogin, StaffSession
from hub.model.staff.roles import StaffRole
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.staff import LOGIN_FAILURE as FAILURE, STAFF, STAFF_DIRECTORY, STAFF_SESSION as SESSION

_STAFF = [STAFF.c[name] for name in Staff.__dataclass_fields__]
# The time of a session's last use is stored this precisely.
SEEN_EVERY = timedelta(minutes=1)
# Each request of the console runs these two, so they are compiled once.
_FIND_SESSION = SqlStatement(
    select(
        *_STAFF,
        STAFF.c.password_expires_at,
        STAFF.c.totp_since,
        SESSION.c.pending,
        SESSION.c.by_provider,
        SESSION.c.id.label("session"),
    )
    .join(SESSION, SESSION.c.staff == STAFF.c.id)
    .where(
        SESSION.c.secret_hash == bindparam("secret_hash"),
        SESSION.c.expires_at > bindparam("now"),
        SESSION.c.seen_at > bindparam("used_since"),
        STAFF.c.disabled_at.is_(None),
    )
)
_NOTE_SEEN = SqlStatement(
    SESSION.update()
    .where(SESSION.c.id == bindparam("session"), SESSION.c.seen_at <= bindparam("seen_before"))
    .values(seen_at=bindparam("now"))
)


def key_hash(secret: str) -> bytes:
    """Return the hash by which API keys and staff session secrets are stored. Both are random, so it needs no key."""
    return hashlib.sha256(b"desk:" + secret.encode()).digest()


class Accounts(EncryptedRepository):
    async def put_staff(
        self, staff: Staff, password_hash: str, at: datetime, password_expires_at: datetime | None = None
    ) -> None:
        values = {name: getattr(staff, name) for name in Staff.__dataclass_fields__}
        values |= {"password_hash": password_hash, "created_at": at, "password_expires_at": password_expires_at}
        kept = {name: value for name, value in values.items() if name not in ("id", "created_at")}
        await self._connection.execute(
            insert(STAFF).values(values).on_conflict_do_update(index_elements=["login"], set_=kept)
        )

    async def find_by_login(self, login: str) -> tuple[Staff, str] | None:
        """Return an active account and its password hash, or None."""
        found = (STAFF.c.login == login) & STAFF.c.disabled_at.is_(None)
        row = (await self._connection.execute(select(STAFF).where(found))).first()
        return (read_staff(row), row["password_hash"]) if row else None

    async def get_login(self, login: str, now: datetime) -> StaffLogin | None:
        """Return an active account whose password has not expired, or None."""
        lasts = or_(STAFF.c.password_expires_at.is_(None), STAFF.c.password_expires_at > now)
        found = (STAFF.c.login == login) & STAFF.c.disabled_at.is_(None) & lasts
        return await self._connection.find(_read_login, select(STAFF).where(found))

    async def get_login_of_subject(self, issuer: str, subject: str) -> StaffLogin | None:
        """Return the active account that is linked to this subject, or None."""
        found = (STAFF.c.login_issuer == issuer) & (STAFF.c.login_subject == subject) & STAFF.c.disabled_at.is_(None)
        return await self._connection.find(_read_login, select(STAFF).where(found))

    async def link_login(self, staff: UUID, issuer: str, subject: str) -> bool:
        """Link an account. Return False if it is already linked to this issuer, or the subject to another account."""
        taken = select(STAFF.c.id).where(STAFF.c.login_issuer == issuer, STAFF.c.login_subject == subject).exists()
        free = (STAFF.c.id == staff) & STAFF.c.login_issuer.is_distinct_from(issuer) & ~taken
        values = {"login_issuer": issuer, "login_subject": subject}
        return (await self._connection.execute(STAFF.update().where(free).values(values))).rowcount == 1

    async def unlink_login(self, staff: UUID) -> bool:
        """Remove the link of an account. Return False if it was not linked."""
        linked = (STAFF.c.id == staff) & STAFF.c.login_subject.is_not(None)
        nothing = {"login_issuer": None, "login_subject": None}
        return (await self._connection.execute(STAFF.update().where(linked).values(nothing))).rowcount == 1

    async def get_names(self, staff: Sequence[UUID]) -> dict[UUID, str]:
        """Return the names of these accounts, whatever their campus."""
        statement = select(STAFF_DIRECTORY.c.id, STAFF_DIRECTORY.c.name).where(STAFF_DIRECTORY.c.id.in_(staff))
        return {row.id: row.name for row in await self._connection.execute(statement)}

    async def begin_session(self, session: NewStaffSession, now: datetime) -> bool:
        """Begin a session, and delete the expired sessions of the account. Return False, and begin none, if the account
        was disabled, or got another password, second factor or link, since it was read: its sessions ended then."""
        known, staff = session.known, session.known.staff.id
        same = (STAFF.c.id == staff) & STAFF.c.disabled_at.is_(None) & (STAFF.c.password_hash == known.password_hash)
        same &= STAFF.c.totp_since.is_not(None) == known.second_factor
        same &= STAFF.c.login_subject.is_not_distinct_from(known.subject)
        if not await self._connection.execute(select(STAFF.c.id).where(same).with_for_update(read=True)):
            return False
        over = (SESSION.c.staff == staff) & (SESSION.c.expires_at <= now)
        await self._connection.execute(SESSION.delete().where(over))
        values = {"id": uuid4(), "secret_hash": key_hash(session.secret), "staff": staff, "created_at": now}
        values |= {"expires_at": now + session.life, "seen_at": now, "browser": session.browser}
        values |= {"pending": session.pending, "by_provider": session.by_provider}
        await self._connection.execute(insert(SESSION).values(values))
        return True

    async def open_pending(self, secret: str, fresh: str, ends_at: datetime) -> bool:
        """Open a session that waited for its second factor, with a fresh secret. Return False if it has ended."""
        mine = (SESSION.c.secret_hash == key_hash(secret)) & SESSION.c.pending
        values = {"secret_hash": key_hash(fresh), "expires_at": ends_at, "pending": False}
        return (await self._connection.execute(SESSION.update().where(mine).values(values))).rowcount == 1

    async def is_open(self, session: UUID) -> bool:
        return await self._connection.scalar(select(SESSION.c.id).where(SESSION.c.id == session)) is not None

    async def find_session(self, secret: str, now: datetime, idle: timedelta) -> CurrentSession | None:
        """Return the open session with this secret; None if it was not used for the time `idle`."""
        values = {"secret_hash": key_hash(secret), "now": now, "used_since": now - idle}
        row = (await self._connection.execute(_FIND_SESSION, values)).first()
        if row is None:
            return None
        one_time, factor = row["password_expires_at"] is not None, row["totp_since"] is not None
        return CurrentSession(row["session"], read_staff(row), row["pending"], one_time, factor, row["by_provider"])

    async def note_seen(self, session: UUID, now: datetime) -> None:
        """Note a request of this session, to the minute, so that most requests write nothing."""
        values = {"session": session, "seen_before": now - SEEN_EVERY, "now": now}
        await self._connection.execute(_NOTE_SEEN, values)

    async def end_session(self, secret: str) -> None:
        await self._connection.execute(SESSION.delete().where(SESSION.c.secret_hash == key_hash(secret)))

    # ---- administration

    async def list_accounts(self, now: datetime, login: str | None = None) -> list[StaffAccount]:
        """Return all accounts by login, including disabled ones, or only the account with this login."""
        theirs = (SESSION.c.staff == STAFF.c.id) & (SESSION.c.expires_at > now) & ~SESSION.c.pending
        sessions = select(func.count()).select_from(SESSION).where(theirs).scalar_subquery().label("sessions")
        statement = select(STAFF, sessions).order_by(STAFF.c.login)
        statement = statement if login is None else statement.where(STAFF.c.login == login)
        rows = await self._connection.execute(statement)
        return [_read_account(row) for row in rows]

    async def find_account(self, staff: UUID, now: datetime) -> StaffAccount | None:
        """Return the account with this id within the scope, or None."""
        login = await self._connection.scalar(select(STAFF.c.login).where(STAFF.c.id == staff))
        return (await self.list_accounts(now, login))[0] if login else None

    async def lock(self, login: str) -> Staff | None:
        """Lock an account, disabled or not, until this transaction ends, and return it."""
        statement = select(STAFF).where(STAFF.c.login == login).with_for_update()
        return await self._connection.find(read_staff, statement)

    async def lock_owners(self) -> list[UUID]:
        """Lock and return the owners who are not disabled. If two remove each other, one waits for the other."""
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('owners', 3))"))
        owners = STAFF.select().where(STAFF.c.role == StaffRole.OWNER, STAFF.c.disabled_at.is_(None))
        return [row["id"] for row in await self._connection.execute(owners)]

    async def change(self, staff: UUID, **values: Any) -> None:
        await self._connection.execute(STAFF.update().where(STAFF.c.id == staff).values(values))

    async def list_sessions(self, staff: UUID, now: datetime) -> list[StaffSession]:
        """Return the open sessions of an account, newest first."""
        theirs = (SESSION.c.staff == staff) & (SESSION.c.expires_at > now) & ~SESSION.c.pending
        columns = [SESSION.c[name] for name in StaffSession.__dataclass_fields__]
        rows = await self._connection.execute(select(*columns).where(theirs).order_by(SESSION.c.created_at.desc()))
        return [StaffSession(**row) for row in rows]

    async def end_sessions(self, staff: UUID, but: UUID | None = None) -> int:
        """End all sessions of this account except `but`. Return how many were ended."""
        theirs = (SESSION.c.staff == staff) & (SESSION.c.id.is_distinct_from(but))
        return (await self._connection.execute(SESSION.delete().where(theirs))).rowcount

    async def end_one_session(self, staff: UUID, session: UUID) -> bool:
        """End one session. Return False if this account has no such session."""
        its = (SESSION.c.staff == staff) & (SESSION.c.id == session)
        return (await self._connection.execute(SESSION.delete().where(its))).rowcount == 1

    async def forget_login_failures(self, login: str) -> None:
        await self._connection.execute(FAILURE.delete().where(FAILURE.c.login == self._hash_guess(login)))

    # ---- failed logins

    async def lock_login(self, login: str) -> None:
        """Lock a login until the transaction ends, so that simultaneous guesses are counted one after the other."""
        await self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:login, 2))"), {"login": login}
        )

    async def add_login_failure(self, login: str, at: datetime) -> int:
        """Count a failed login. Return its number, for `forget_login_failure` if the login succeeds after all."""
        statement = insert(FAILURE).values(login=self._hash_guess(login), at=at).returning(FAILURE.c.id)
        return int((await self._connection.execute(statement)).one()[0])

    async def forget_login_failure(self, number: int) -> None:
        await self._connection.execute(FAILURE.delete().where(FAILURE.c.id == number))

    async def count_login_failures(self, login: str, since: datetime) -> int:
        return await self._connection.count(FAILURE, FAILURE.c.login == self._hash_guess(login), FAILURE.c.at >= since)

    def _hash_guess(self, login: str) -> str:
        """Return the keyed hash by which failed logins are counted: people sometimes type their password there."""
        return self._cipher.found_by("failed-login", login).hex()


def _read_account(row: Row) -> StaffAccount:
    since, factor = (row["created_at"], row["disabled_at"], row["sessions"]), row["totp_since"] is not None
    return StaffAccount(read_staff(row), *since, factor, row["password_expires_at"], row["login_subject"])


def _read_login(row: Row) -> StaffLogin:
    one_time, factor = row["password_expires_at"] is not None, row["totp_since"] is not None
    return StaffLogin(read_staff(row), row["password_hash"], one_time, factor, row["login_subject"])


def read_staff(row: Row | Mapping[str, Any]) -> Staff:
    """Return the member of staff in a row that contains their columns."""
    return Staff(row["id"], row["login"], row["name"], row["campus"], StaffRole(row["role"]))
