"""Begin a session by a pickup code and a phone number, for signers whose message could not carry a link.

Before the one-time code is verified, no answer reveals whether pickup code and phone number match. A pair that does not
match gets a session too, but its one-time codes are never sent, and every answer counts as wrong. `otp_limits` applies
the same limits to it as to a real session.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from hub.errors import Locked, SessionNotValid, WrongAnswer
from hub.lifecycle.messaging.quotas import refuse_code
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import CHALLENGE_BYTES, new_secret
from hub.lifecycle.signing.entry.otp_limits import refuse_at_phone
from hub.model.contract.person import normalise_phone
from hub.model.reminders.schedule import local_day
from hub.model.school.guest import Visitor
from hub.model.signing.pickup_code import (
    DAY_OF,
    MAX_DAILY_PICKUPS,
    PICKUP_DOOR,
    mark_secret,
    match_pickup_code,
    parse_pickup_code,
)
from hub.model.signing.session import SESSION_LIFE, begin_session
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class NewPickupSession:
    """A new session. `secret` is its bearer secret; the database stores only the hash."""

    secret: str
    key_challenge: bytes
    expires_at: datetime


async def open_pickup(services: Services, code: str, phone: str) -> NewPickupSession:
    """Begin a session, whether pickup code and phone number match or not.

    Raises BadInput for a malformed pickup code or mobile number, Locked after MAX_DAILY_PICKUPS for one phone number.
    """
    typed, number = parse_pickup_code(code), normalise_phone(phone, field="phone")
    async with services.database.transaction(EVERYTHING) as tx:
        await _count_try(tx, number)
        links = await tx.links.list_waiting_at(tx.cipher.found_by("phone", number))
        link = match_pickup_code(services.signing.keys.link, links, typed)
        picked = NewPickupSession(
            mark_secret(new_secret()), services.signing.randomness(CHALLENGE_BYTES), tx.now + SESSION_LIFE
        )
        await tx.visitors.forget_ended(tx.now)
        if link:
            await tx.sessions.add(begin_session(link, picked.key_challenge, tx.now), picked.secret)
        else:
            await tx.visitors.add(_nobody(tx, number, picked), picked.secret)
    return picked


async def _count_try(tx: Transaction, phone: str) -> None:
    counted = tx.sessions.pickup_tries_key(tx.visitors.person(phone))
    await tx.sessions.lock_persons(counted)
    begins, ends = local_day(tx.now, DAY_OF)
    if await tx.sessions.count_wrong_answers(counted, begins) >= MAX_DAILY_PICKUPS:
        raise Locked(retry_after=ends - tx.now, zone=DAY_OF.key)
    await tx.sessions.add_wrong_answer(counted, tx.now)


def _nobody(tx: Transaction, phone: str, picked: NewPickupSession) -> Visitor:
    return Visitor(
        id=uuid4(),
        door=PICKUP_DOOR,
        person=tx.visitors.person(phone),
        phone=phone,
        key_challenge=picked.key_challenge,
        created_at=tx.now,
        expires_at=picked.expires_at,
    )


# ---- sessions begun with a wrong pickup code


async def visitor_of_code(tx: Transaction, secret: str) -> Visitor:
    """Return the pickup-code session that has no signer. Raises SessionNotValid."""
    visitor = await tx.visitors.find_by_secret(secret)
    if visitor is None or visitor.door != PICKUP_DOOR or not visitor.live(tx.now):
        raise SessionNotValid
    return visitor


async def send_no_code(services: Services, secret: str) -> None:
    """Behave as `send_code` does, but send nothing. Raises Locked, TooSoon and BudgetSpent; only the phone number
    decides which."""
    async with services.database.transaction(EVERYTHING) as tx:
        visitor = await visitor_of_code(tx, secret)
        await tx.sessions.lock_persons(visitor.person)
        await refuse_at_phone(tx, visitor.phone, code=True)
        await refuse_code(services, tx, visitor.phone, DAY_OF.key)
        await tx.sessions.add_code(visitor.person, visitor.id, tx.now)


async def refuse_unknown_code(services: Services, secret: str) -> None:
    """Behave as `verify_identity.verify` does after wrong answers. Raises WrongAnswer, Locked."""
    async with services.database.transaction(EVERYTHING) as tx:
        visitor = await visitor_of_code(tx, secret)
        await tx.sessions.lock_persons(visitor.person)
        await refuse_at_phone(tx, visitor.phone, code=False)
        await tx.sessions.add_wrong_answer(visitor.person, tx.now)
    raise WrongAnswer


async def ignore_question(services: Services, secret: str) -> None:
    """Behave as `questions.ask` does, but store nothing. Raises SessionNotValid."""
    async with services.database.transaction(EVERYTHING) as tx:
        await visitor_of_code(tx, secret)


async def resume_pickup(services: Services, secret: str) -> bytes:
    """Return a fresh key challenge for a pickup-code session, with or without a signer. Raises SessionNotValid."""
    async with services.database.transaction(EVERYTHING) as tx:
        challenge = services.signing.randomness(CHALLENGE_BYTES)
        session = await tx.sessions.find_by_secret(secret)
        if session is not None and session.live(tx.now):
            await tx.sessions.new_challenge(session.id, challenge)
        else:
            await tx.visitors.new_challenge((await visitor_of_code(tx, secret)).id, challenge)
    return challenge
