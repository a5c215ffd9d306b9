"""How many codes and wrong answers are too many, and by whom they are counted."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from hub.errors import Locked, TooSoon
from hub.model.contract.signer import Signer
from hub.model.reminders.schedule import local_day
from hub.model.signing.pickup_code import DAY_OF, is_pickup_secret
from hub.model.signing.session import WRONG_ANSWERS_A_DAY, compute_code_wait
from hub.store.transaction import Transaction


async def take_turn_at_phone(tx: Transaction, secret: str, signer: Signer) -> None:
    """At the door of pickup codes nobody else asks or answers at this phone until the unit ends. Before any other lock,
    as those take it who are nobody yet."""
    if is_pickup_secret(secret):
        await tx.sessions.one_at_a_time(tx.visitors.person(signer.phone))


async def refuse(tx: Transaction, secret: str, signer: Signer, *, code: bool) -> None:
    """Raises Locked after too many wrong answers, and TooSoon when a `code` is wanted and one went out just now."""
    if is_pickup_secret(secret):
        await refuse_at_phone(tx, signer.phone, code=code)
    else:
        await _refuse(tx, [signer.person], ZoneInfo(signer.zone), code)


async def refuse_at_phone(tx: Transaction, phone: str, *, code: bool) -> None:
    """At the door of pickup codes: what counts for one of those who have this phone number counts for whoever names
    it. So the answer depends on the phone alone, and not on whether the pickup code was right."""
    everybody = {tx.visitors.person(phone), *await tx.contracts.persons_at(phone)}
    await _refuse(tx, sorted(everybody), DAY_OF, code)


async def _refuse(tx: Transaction, persons: Sequence[str], zone: ZoneInfo, code: bool) -> None:
    begins, ends = local_day(tx.now, zone)
    if sum([await tx.sessions.wrong_answers(each, begins) for each in persons]) >= WRONG_ANSWERS_A_DAY:
        raise Locked(retry_after=ends - tx.now, zone=zone.key)
    if not code:
        return
    issued = [at for each in persons for at in await tx.sessions.codes_issued(each, tx.now)]
    if (wait := compute_code_wait(issued, tx.now)) is not None:
        raise TooSoon(retry_after=wait, zone=zone.key)
