"""Limit one-time codes and wrong answers. Several people at one phone number are counted together where necessary."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from hub.errors import Locked, TooSoon
from hub.lifecycle.signing.open_link import signer_of_session
from hub.model.contract.signer import Signer
from hub.model.reminders.schedule import local_day
from hub.model.signing.pickup_code import DAY_OF, is_pickup_secret
from hub.model.signing.session import WRONG_ANSWERS_A_DAY, compute_code_wait
from hub.store.transaction import Transaction


async def take_turn_at_phone(tx: Transaction, secret: str) -> None:
    """Lock the phone number of a pickup-code session until the transaction ends; do nothing for other sessions.

    Call this before taking any other lock, because pickup-code sessions without a signer take this lock first too.
    """
    if is_pickup_secret(secret):
        _, signer = await signer_of_session(tx, secret)
        await tx.sessions.one_at_a_time(tx.visitors.person(signer.phone))


async def refuse(tx: Transaction, secret: str, signer: Signer, *, code: bool) -> None:
    """Raise Locked after too many wrong answers. With `code`, also raise TooSoon if a code was sent too recently."""
    if is_pickup_secret(secret):
        await refuse_at_phone(tx, signer.phone, code=code)
    else:
        await _refuse(tx, [signer.person], ZoneInfo(signer.zone), code)


async def refuse_at_phone(tx: Transaction, phone: str, *, code: bool) -> None:
    """Apply the limits to a pickup-code session, counting everybody with this phone number. Raises Locked, TooSoon.

    The answer depends on the phone number alone, so it does not reveal whether the pickup code was correct.
    """
    everybody = {tx.visitors.person(phone), *await tx.contracts.persons_at(phone)}
    await _refuse(tx, sorted(everybody), DAY_OF, code)


async def _refuse(tx: Transaction, persons: Sequence[str], zone: ZoneInfo, code: bool) -> None:
    begins, ends = local_day(tx.now, zone)
    tries = await tx.sessions.get_tries(persons, begins, tx.now)
    if tries.wrong_answers >= WRONG_ANSWERS_A_DAY:
        raise Locked(retry_after=ends - tx.now, zone=zone.key)
    if code and (wait := compute_code_wait(tries.codes_issued, tx.now)) is not None:
        raise TooSoon(retry_after=wait, zone=zone.key)
