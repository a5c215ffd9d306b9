"""Check passwords and second factors of staff, at login and on the account page, and count wrong ones.

An attempt counts as failed until it succeeds, so that parallel attempts cannot exceed the limit. Wrong codes and wrong
passwords are counted together. No database connection is held while a password is hashed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.errors import Locked, NoSecondFactor, TooMany, WrongPassword, WrongSecondFactor
from hub.lifecycle.evidence.school_acts import record_staff_act
from hub.lifecycle.services import Services
from hub.model.staff.accounts import Staff, StaffLogin
from hub.model.staff.password_cost import PasswordCost
from hub.model.staff.scope import EVERYTHING
from hub.model.staff.second_factor import find_step, recovery_hash
from hub.store.transaction import Transaction

MAX_FAILURES = 10
FAILURES_WITHIN = timedelta(minutes=15)
HASHES_AT_ONCE = 2  # each takes 64 MB, and one core for a fifth of a second
# The most checks at once, including those that wait. Anybody can start one, and it goes on when the visitor leaves.
MAX_CHECKS = 50
QUEUE_PAUSE = timedelta(seconds=5)


@cache  # once in each process, since it takes a fifth of a second
def _hash_of_nobody(cost: PasswordCost) -> str:
    """Return the hash of a password that nobody knows."""
    return _hasher(cost).hash(secrets.token_hex(16))


def _hasher(cost: PasswordCost) -> PasswordHasher:
    return PasswordHasher(cost.passes, cost.memory, cost.lanes)


async def hash_password(cost: PasswordCost, password: str) -> str:
    return await asyncio.to_thread(_hasher(cost).hash, password)


class PasswordGate:
    """A check of passwords, which hashes only a few at a time. An unknown login takes as long as a wrong password."""

    def __init__(self, cost: PasswordCost) -> None:
        self._hasher = _hasher(cost)
        self._hash_of_nobody = _hash_of_nobody(cost)
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE)
        self._checks = 0

    async def check(self, services: Services, login: str, password: str) -> StaffLogin:
        """Return the account of this login. Raises WrongPassword, also for an unknown login; Locked; TooMany while
        MAX_CHECKS others are checked."""
        if self._checks >= MAX_CHECKS:
            raise TooMany(retry_after=QUEUE_PAUSE)
        self._checks += 1
        try:
            return await self._check(services, login, password)
        finally:
            self._checks -= 1

    async def _check(self, services: Services, login: str, password: str) -> StaffLogin:
        async with services.database.transaction(EVERYTHING) as tx:
            known = await tx.accounts.get_login(login, tx.now)
        async with count_failures(services, login):
            async with self._turns:
                hashed = known.password_hash if known else self._hash_of_nobody
                fits = await asyncio.to_thread(self._fits, hashed, password)
            if known is None or not fits:
                raise WrongPassword
        return known

    def _fits(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


@asynccontextmanager
async def count_failures(services: Services, login: str) -> AsyncIterator[None]:
    """Count the block as a failed login, unless it ends without an error. Raises Locked after too many failures."""
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.accounts.lock_login(login)
        if await tx.accounts.count_login_failures(login, tx.now - FAILURES_WITHIN) >= MAX_FAILURES:
            raise Locked("ten wrong passwords within a quarter of an hour", retry_after=FAILURES_WITHIN)
        attempt = await tx.accounts.add_login_failure(login, tx.now)
    yield
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.accounts.forget_login_failure(attempt)


async def check_second_factor(services: Services, staff: Staff, code: str) -> None:
    """Use up one code of this account: from the authenticator app, or a recovery code.

    Raises WrongSecondFactor, NoSecondFactor; Locked after too many wrong codes and passwords.
    """
    async with count_failures(services, staff.login), services.database.transaction(EVERYTHING) as tx:
        await use_code(tx, staff, code)


async def use_code(tx: Transaction, staff: Staff, code: str) -> None:
    """Use up a code in this transaction. The caller counts the attempt. Raises WrongSecondFactor, NoSecondFactor."""
    factor = await tx.second_factors.get(staff.id)
    if factor is None or factor.since is None:
        raise NoSecondFactor
    step = find_step(factor.secret, code, tx.now, factor.step)
    if step is not None and await tx.second_factors.use_step(staff.id, step):
        return
    if not await tx.second_factors.use_code(staff.id, recovery_hash(code)):
        raise WrongSecondFactor
    await record_staff_act(tx, "staff-recovery-code-used", staff, staff.actor)
