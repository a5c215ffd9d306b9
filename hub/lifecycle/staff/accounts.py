"""Add, disable and enable staff accounts; change roles and passwords. The school's record has an entry for each act."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

from hub.errors import AccountNotFound, BadInput, NoSecondFactor
from hub.lifecycle.evidence.school_acts import record_staff_act
from hub.lifecycle.services import Services
from hub.lifecycle.staff.check_password import hash_password
from hub.model.contract.person import normalise_name
from hub.model.staff.accounts import Staff, StaffAccount, StaffSession
from hub.model.staff.administration import Administrator, check_may_give, check_may_manage, check_owner_remains
from hub.model.staff.password import check_password
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{1,39}")
# How long a one-time password can be used for the first login.
ONE_TIME_LIFE = timedelta(days=7)


@dataclass(frozen=True)
class NewStaff:
    """The values of a new account."""

    login: str
    name: str
    campus: str
    role: StaffRole = StaffRole.CLERK


def check_account(new: NewStaff, password: str) -> None:
    """Raise BadInput (with the field) for values or a password that an account cannot have."""
    if not LOGIN.fullmatch(new.login):
        raise BadInput(
            f"the login {new.login!r} has to be 2 to 40 small letters, digits, dots, dashes, underscores or @",
            field="login",
        )
    normalise_name(new.name, field="name")
    check_password(password, (new.login, new.name))


def check_new_password(services: Services, staff: Staff, password: str, present: str = "") -> None:
    """Raise BadInput for a password that this account may not have."""
    school = services.documents
    called = (school.school.name, school.school_called("zh"), school.school_called("en"))
    check_password(password, (staff.login, staff.name, *called))
    if password == present:
        raise BadInput("this is the present password", field="password")


async def add_staff(
    services: Services, new: NewStaff, password: str, by: Administrator, *, one_time: bool = False
) -> Staff:
    """Add an account. `one_time`: the password must be changed at the first login, within ONE_TIME_LIFE.

    Raises BadInput (with the field) for invalid values and for a login that is taken; RoleAboveOwn.
    """
    check_account(new, password)
    staff = Staff(uuid4(), new.login, normalise_name(new.name, field="name"), new.campus, new.role)
    check_new_password(services, staff, password)
    password_hash = await hash_password(services.password_cost, password)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.accounts.lock_login(new.login)  # so that nobody else adds it meanwhile
        await _check_may_give(tx, by, new.role, new.campus)
        if await tx.accounts.lock(new.login):
            raise BadInput(f"there is an account {new.login} already", field="login")
        await tx.accounts.put_staff(staff, password_hash, tx.now, tx.now + ONE_TIME_LIFE if one_time else None)
        await record_staff_act(tx, "staff-added", staff, by.actor)
    return staff


async def list_staff(services: Services, by: Administrator) -> Sequence[StaffAccount]:
    """Return the accounts that this administrator may see, by login."""
    async with services.database.transaction(by.scope) as tx:
        return await tx.accounts.list_accounts(tx.now)


async def disable_staff(services: Services, login: str, by: Administrator) -> Staff:
    """Disable the account and end its sessions at once. Raises LastOwner, and as `manage_account` does."""
    async with manage_account(services, login, by, "staff-disabled") as (tx, staff):
        await _check_owner_remains(tx, staff)
        await tx.accounts.change(staff.id, disabled_at=tx.now)
        await tx.accounts.end_sessions(staff.id)
    return staff


async def enable_staff(services: Services, login: str, by: Administrator) -> Staff:
    """Let the account log in again, with its former password. Raises as `check_may_manage` does."""
    async with manage_account(services, login, by, "staff-enabled") as (tx, staff):
        await tx.accounts.change(staff.id, disabled_at=None)
    return staff


async def reset_password(
    services: Services, login: str, password: str, by: Administrator, *, one_time: bool = False
) -> Staff:
    """Set another password, end all sessions, and forget failed logins, so that the account is not locked any more.

    `one_time`: as for `add_staff`. A second factor is kept. Raises as `check_may_manage` does, and BadInput for a
    password that is too short or too common.
    """
    check_password(password, (login,))
    password_hash = await hash_password(services.password_cost, password)
    async with manage_account(services, login, by, "staff-password-reset") as (tx, staff):
        check_new_password(services, staff, password)
        expires_at = tx.now + ONE_TIME_LIFE if one_time else None
        await tx.accounts.change(staff.id, password_hash=password_hash, password_expires_at=expires_at)
        await tx.accounts.end_sessions(staff.id)
        await tx.accounts.forget_login_failures(login)
    return staff


async def unlock_staff(services: Services, login: str, by: Administrator) -> Staff:
    """Forget failed logins, so that the account may log in at once. Raises as `check_may_manage` does."""
    async with manage_account(services, login, by, "staff-unlocked") as (tx, staff):
        await tx.accounts.forget_login_failures(login)
    return staff


async def change_role(services: Services, login: str, role: StaffRole, by: Administrator) -> Staff:
    """Give the account another role, which takes effect at its next request.

    Raises as `check_may_manage` does; BadInput for a role that does not exist at its campus, RoleAboveOwn, LastOwner.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await _lock_managed(tx, login, by)
        await _check_may_give(tx, by, role, staff.campus)
        if role is not StaffRole.OWNER:
            await _check_owner_remains(tx, staff)
        changed = replace(staff, role=role)
        await tx.accounts.change(staff.id, role=role)
        await record_staff_act(tx, "staff-role-changed", changed, by.actor)
    return changed


async def list_sessions(services: Services, login: str, by: Administrator) -> Sequence[StaffSession]:
    """Return the open sessions, the newest first. Raises AccountNotFound."""
    async with services.database.transaction(by.scope) as tx:
        found = await tx.accounts.list_accounts(tx.now, login)
        if not found:
            raise AccountNotFound(f"there is no account {login}")
        return await tx.accounts.list_sessions(found[0].staff.id, tx.now)


async def end_sessions(services: Services, login: str, by: Administrator) -> int:
    """End all sessions of the account. Return how many there were. Raises as `check_may_manage` does."""
    async with manage_account(services, login, by, "staff-sessions-ended") as (tx, staff):
        return await tx.accounts.end_sessions(staff.id)


async def remove_second_factor(services: Services, login: str, by: Administrator) -> Staff:
    """Remove the second factor of somebody who has lost the phone and the recovery codes, and end all sessions.

    Raises as `check_may_manage` does, and NoSecondFactor.
    """
    async with manage_account(services, login, by, "staff-second-factor-removed") as (tx, staff):
        if await tx.second_factors.get(staff.id) is None:
            raise NoSecondFactor
        await tx.second_factors.remove(staff.id)
        await tx.accounts.end_sessions(staff.id)
    return staff


@asynccontextmanager
async def manage_account(
    services: Services, login: str, by: Administrator, kind: str
) -> AsyncIterator[tuple[Transaction, Staff]]:
    """Lock an account for an act of this kind, which is recorded at the end. Raises AccountNotFound, and what
    `check_may_manage` raises."""
    async with services.database.transaction(EVERYTHING) as tx:
        staff = await _lock_managed(tx, login, by)
        yield tx, staff
        await record_staff_act(tx, kind, staff, by.actor)


async def _lock_managed(tx: Transaction, login: str, by: Administrator) -> Staff:
    staff = await tx.accounts.lock(login)
    if staff is None:
        raise AccountNotFound(f"there is no account {login}")
    check_may_manage(by, staff)
    return staff


async def _check_may_give(tx: Transaction, by: Administrator, role: StaffRole, campus: str) -> None:
    found = await tx.school.get_campus(campus)
    check_may_give(by, role, campus, at_headquarters=found.parent is None)


async def _check_owner_remains(tx: Transaction, staff: Staff) -> None:
    if staff.role is StaffRole.OWNER:
        check_owner_remains(staff, await tx.accounts.lock_owners())
