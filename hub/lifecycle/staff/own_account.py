"""Let members of staff change their own password, sessions and second factor. The school's record shows each change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from hub.errors import LoginRequired, NotFound, SecondFactorThere, WrongSecondFactor
from hub.lifecycle.evidence.school_acts import record_staff_act
from hub.lifecycle.services import Services
from hub.lifecycle.staff.accounts import check_new_password
from hub.lifecycle.staff.check_password import PasswordGate, check_second_factor, count_failures, hash_password
from hub.model.staff.accounts import CurrentSession, Staff
from hub.model.staff.scope import EVERYTHING
from hub.model.staff.second_factor import find_step, new_recovery_codes, new_secret, recovery_hash
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class PasswordChange:
    """The present password and the new one."""

    present: str
    new: str


@asynccontextmanager
async def _change_own(services: Services, session: CurrentSession) -> AsyncIterator[Transaction]:
    """Lock the account of this session for a change. Raises LoginRequired if the session has ended since the request
    came, for example because the account was reset: a stranger may know its former password or code."""
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.accounts.lock(session.staff.login)
        if not await tx.accounts.is_open(session.id):
            raise LoginRequired
        yield tx


async def change_own_password(
    services: Services, gate: PasswordGate, session: CurrentSession, change: PasswordChange
) -> None:
    """Change the password, and end all other sessions.

    Raises WrongPassword, Locked; BadInput for a password that is too short or too common, or is the present one.
    """
    staff = session.staff
    check_new_password(services, staff, change.new, change.present)
    await gate.check(services, staff.login, change.present)
    password_hash = await hash_password(services.password_cost, change.new)
    async with _change_own(services, session) as tx:
        await tx.accounts.change(staff.id, password_hash=password_hash, password_expires_at=None)
        await tx.accounts.end_sessions(staff.id, but=session.id)
        await record_staff_act(tx, "staff-password-changed", staff, staff.actor)


async def begin_second_factor(services: Services, gate: PasswordGate, session: CurrentSession, password: str) -> None:
    """Make a secret for an authenticator app, to be confirmed by a first code, and end all other sessions.

    They end because another session could read the secret and confirm it first. Raises WrongPassword, Locked,
    SecondFactorThere.
    """
    staff = session.staff
    await gate.check(services, staff.login, password)
    async with _change_own(services, session) as tx:
        if not await tx.second_factors.begin(staff.id, new_secret()):
            raise SecondFactorThere
        await tx.accounts.end_sessions(staff.id, but=session.id)


async def get_unconfirmed_secret(services: Services, staff: Staff) -> str | None:
    """Return the secret (base 32) that waits for its first code, or None."""
    async with services.database.transaction(EVERYTHING) as tx:
        factor = await tx.second_factors.get(staff.id)
    return factor.secret if factor and factor.since is None else None


async def confirm_second_factor(services: Services, session: CurrentSession, code: str) -> tuple[str, ...]:
    """Activate the second factor and end all other sessions. Return the recovery codes, which are shown once.

    Raises WrongSecondFactor, SecondFactorThere, Locked.
    """
    staff, codes = session.staff, new_recovery_codes()
    async with count_failures(services, staff.login), _change_own(services, session) as tx:
        factor = await tx.second_factors.get(staff.id)
        if factor is None or factor.since is not None:
            raise SecondFactorThere
        step = find_step(factor.secret, code, tx.now, factor.step)
        if step is None or not await tx.second_factors.use_step(staff.id, step):
            raise WrongSecondFactor
        await tx.second_factors.confirm(staff.id, tx.now)
        await tx.second_factors.replace_codes(staff.id, [recovery_hash(each) for each in codes])
        await tx.accounts.end_sessions(staff.id, but=session.id)
        await record_staff_act(tx, "staff-second-factor-added", staff, staff.actor)
    return codes


async def renew_recovery_codes(services: Services, session: CurrentSession, code: str) -> tuple[str, ...]:
    """Replace all recovery codes, and return the new ones. Raises WrongSecondFactor, NoSecondFactor, Locked."""
    staff, codes = session.staff, new_recovery_codes()
    await check_second_factor(services, staff, code)
    async with _change_own(services, session) as tx:
        await tx.second_factors.replace_codes(staff.id, [recovery_hash(each) for each in codes])
        await record_staff_act(tx, "staff-recovery-codes-made", staff, staff.actor)
    return codes


async def remove_own_second_factor(services: Services, session: CurrentSession, code: str) -> None:
    """Remove the second factor, and end all other sessions. Raises WrongSecondFactor, NoSecondFactor, Locked."""
    await check_second_factor(services, session.staff, code)
    async with _change_own(services, session) as tx:
        await tx.second_factors.remove(session.staff.id)
        await tx.accounts.end_sessions(session.staff.id, but=session.id)
        await record_staff_act(tx, "staff-second-factor-removed", session.staff, session.staff.actor)


async def end_own_session(services: Services, staff: Staff, session: UUID) -> None:
    """End one session of this account. Raises NotFound if the account has no such session."""
    async with services.database.transaction(EVERYTHING) as tx:
        if not await tx.accounts.end_one_session(staff.id, session):
            raise NotFound
        await record_staff_act(tx, "staff-sessions-ended", staff, staff.actor)


async def end_other_sessions(services: Services, session: CurrentSession) -> None:
    """End all sessions of this account except the present one."""
    async with services.database.transaction(EVERYTHING) as tx:
        if await tx.accounts.end_sessions(session.staff.id, but=session.id):
            await record_staff_act(tx, "staff-sessions-ended", session.staff, session.staff.actor)
