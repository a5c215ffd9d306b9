"""Accounts of staff: added, disabled, enabled, given another role or password. Each act is in the school's record."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from argon2 import PasswordHasher

from hub.errors import BadInput
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.services import Services
from hub.model.contract.person import normalise_name
from hub.model.staff.accounts import EVERYTHING, ROLES, Staff, StaffAccount, StaffSession
from hub.store.transaction import Transaction

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{1,39}")
# Characters. A shorter one is guessed, a longer one is none that somebody types.
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 10, 200
# Without letters and digits that look alike.
PASSWORD_CHARACTERS = "abcdefghjkmnpqrstvwxyz23456789"
PASSWORD_GROUPS, PASSWORD_GROUP_LENGTH = 4, 4


@dataclass(frozen=True)
class NewStaff:
    """What an account is made of."""

    login: str
    name: str
    campus: str
    role: str = "clerk"


def new_password() -> str:
    """Return a random password of 78 bits that can be read out, like `k7md-2v9q-x4tp-8wzc`."""
    groups = (
        "".join(secrets.choice(PASSWORD_CHARACTERS) for _ in range(PASSWORD_GROUP_LENGTH))
        for _ in range(PASSWORD_GROUPS)
    )
    return "-".join(groups)


def check_account(new: NewStaff, password: str) -> None:
    """Raise BadInput (with the field) for what cannot be an account, wherever it is added."""
    if not LOGIN.fullmatch(new.login):
        raise BadInput(
            f"the login {new.login!r} has to be 2 to 40 small letters, digits, dots, dashes, underscores or @",
            field="login",
        )
    normalise_name(new.name, field="name")
    _role(new.role)
    _check_password(password)


async def add_staff(services: Services, new: NewStaff, password: str, actor: str) -> Staff:
    """Add an account. Raises BadInput (with the field) for what cannot be one, and for a login that is taken."""
    check_account(new, password)
    staff = Staff(uuid4(), new.login, normalise_name(new.name, field="name"), new.campus, _role(new.role))
    password_hash = await _hash(password)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.accounts.guess_alone(new.login)  # nor does anybody else add it meanwhile
        await tx.school.campus(new.campus)
        if await tx.accounts.lock(new.login):
            raise BadInput(f"there is an account {new.login} already", field="login")
        await tx.accounts.put_staff(staff, password_hash, tx.now)
        await _record(tx, "staff-added", staff, actor)
    return staff


async def list_staff(services: Services) -> Sequence[StaffAccount]:
    async with services.database.transaction(EVERYTHING) as tx:
        return await tx.accounts.accounts(tx.now)


async def disable_staff(services: Services, login: str, actor: str) -> Staff:
    """Disable the account and end its sessions at once. Raises BadInput for a login that nobody has."""
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await _locked(tx, login)
        await tx.accounts.change(staff.id, disabled_at=tx.now)
        await tx.accounts.end_sessions(staff.id)
        await _record(tx, "staff-disabled", staff, actor)
    return staff


async def enable_staff(services: Services, login: str, actor: str) -> Staff:
    """Let the account log in again, with the password that it had. Raises BadInput for a login that nobody has."""
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await _locked(tx, login)
        await tx.accounts.change(staff.id, disabled_at=None)
        await _record(tx, "staff-enabled", staff, actor)
    return staff


async def reset_password(services: Services, login: str, password: str, actor: str) -> Staff:
    """Set another password, end all sessions, and forget failed logins: who was locked out may try at once.

    Raises BadInput for a login that nobody has, or a password that is too short.
    """
    password_hash = await _hash(password)
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await _locked(tx, login)
        await tx.accounts.change(staff.id, password_hash=password_hash)
        await tx.accounts.end_sessions(staff.id)
        await tx.accounts.forget_login_failures(login)
        await _record(tx, "staff-password-reset", staff, actor)
    return staff


async def change_role(services: Services, login: str, role: str, actor: str) -> Staff:
    """Give the account another role. Raises BadInput for a login that nobody has, or a role that does not exist."""
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await _locked(tx, login)
        await tx.accounts.change(staff.id, role=_role(role))
        changed = Staff(staff.id, staff.login, staff.name, staff.campus, role)
        await _record(tx, "staff-role-changed", changed, actor)
    return changed


async def list_sessions(services: Services, login: str) -> Sequence[StaffSession]:
    """Return the open sessions, the newest first. Raises BadInput for a login that nobody has."""
    async with services.database.transaction(EVERYTHING) as tx:
        return await tx.accounts.sessions((await _locked(tx, login)).id, tx.now)


async def end_sessions(services: Services, login: str, actor: str) -> int:
    """End all sessions of the account; returns how many there were. Raises BadInput for a login that nobody has."""
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await _locked(tx, login)
        ended = await tx.accounts.end_sessions(staff.id)
        await _record(tx, "staff-sessions-ended", staff, actor)
    return ended


async def _locked(tx: Transaction, login: str) -> Staff:
    staff = await tx.accounts.lock(login)
    if staff is None:
        raise BadInput(f"there is no account {login}", field="login")
    return staff


async def _record(tx: Transaction, kind: str, staff: Staff, actor: str) -> None:
    facts = {"staff": str(staff.id), "login": staff.login, "campus": staff.campus, "staff_role": staff.role}
    await record_act(tx, staff.campus, kind, actor, facts)


def _check_password(password: str) -> None:
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise BadInput(f"a password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters", field="password")


async def _hash(password: str) -> str:
    _check_password(password)
    return await asyncio.to_thread(PasswordHasher().hash, password)


def _role(role: str) -> str:
    if role not in ROLES:
        raise BadInput(f"there is no role {role}; there are {', '.join(ROLES)}", field="role")
    return role
