"""Compare one-time codes, and limit codes and wrong answers. People at one phone number may be counted together."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import Locked, TooSoon
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import signer_of_session
from hub.model.contract.signer import Signer
from hub.model.reminders.schedule import local_day
from hub.model.signing.pickup_code import DAY_OF, is_pickup_secret
from hub.model.signing.session import GUESSES_OF_A_CODE, WRONG_ANSWERS_A_DAY, CodeHistory, code_for, compute_code_wait
from hub.store.transaction import Transaction


async def lock_pickup_phone(tx: Transaction, secret: str) -> None:
    """Lock the phone number of a pickup-code session until the transaction ends; do nothing for other sessions.

    Call this before taking any other lock, because pickup-code sessions without a signer take this lock first too.
    """
    if is_pickup_secret(secret):
        _, signer = await signer_of_session(tx, secret)
        await tx.sessions.lock_persons(tx.visitors.person(signer.phone))


async def refuse(tx: Transaction, secret: str, signer: Signer, history: CodeHistory, *, code: bool) -> None:
    """Raise Locked after too many wrong answers. With `code`, also raise TooSoon if a code was sent too recently.

    `history`: the signer's. For a pickup-code session, those of everybody with the phone number are read instead.
    """
    if is_pickup_secret(secret):
        await refuse_at_phone(tx, signer.phone, code=code)
    else:
        _refuse(history, tx.now, ZoneInfo(signer.zone), code)


async def refuse_at_phone(tx: Transaction, phone: str, *, code: bool) -> None:
    """Apply the limits to a pickup-code session, counting everybody with this phone number. Raises Locked, TooSoon.

    The answer depends on the phone number alone, so it does not reveal whether the pickup code was correct.
    """
    everybody = {tx.visitors.person(phone), *await tx.contracts.list_persons_at(phone)}
    await refuse_persons(tx, sorted(everybody), DAY_OF, code=code)


async def refuse_persons(tx: Transaction, persons: Sequence[str], zone: ZoneInfo, *, code: bool) -> None:
    """Apply the limits to these persons together, by the days of this zone. Raises Locked, TooSoon."""
    _refuse(await tx.sessions.get_code_history(persons), tx.now, zone, code)


def _refuse(history: CodeHistory, now: datetime, zone: ZoneInfo, code: bool) -> None:
    begins, ends = local_day(now, zone)
    if sum(at >= begins for at in history.wrong_answers) >= WRONG_ANSWERS_A_DAY:
        raise Locked(retry_after=ends - now, zone=zone.key)
    if code and (wait := compute_code_wait(history.codes_issued, now)) is not None:
        raise TooSoon(retry_after=wait, zone=zone.key)


async def count_wrong_answer(tx: Transaction, person: str, zone: str) -> bool:
    """Count a wrong answer, and end a code that was guessed too often. Return whether the person is locked now."""
    await tx.sessions.add_wrong_answer(person, tx.now)
    await tx.sessions.end_guessed_codes(person, tx.now, GUESSES_OF_A_CODE)
    begins, _ = local_day(tx.now, ZoneInfo(zone))
    return await tx.sessions.count_wrong_answers(person, begins) >= WRONG_ANSWERS_A_DAY


def is_same_code(services: Services, live: UUID | None, code: str) -> bool:
    """Compare codes in constant time. Without a live code, compare with a random value, which takes as long."""
    expected = code_for(services.signing.keys.code, live) if live else secrets.token_hex(16)
    return hmac.compare_digest(expected.encode(), code.strip().encode())
