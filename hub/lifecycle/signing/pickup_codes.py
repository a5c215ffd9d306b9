"""Somebody types a pickup code and their phone number, as a message told them that could carry no link.

Whether the two fit is not told before the one-time code: who guessed wrong gets a session as well, in which codes can
be asked for that nobody ever gets, and in which no answer is right. `otp_limits` sees to it that its budgets run out as
the others do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from hub.errors import Locked, SessionNotValid, WrongAnswer
from hub.lifecycle.messaging.quotas import refuse_code
from hub.lifecycle.services import Parts
from hub.lifecycle.signing.open_link import CHALLENGE_BYTES, new_secret
from hub.lifecycle.signing.otp_limits import refuse_at_phone
from hub.model.contract.person import phone_number
from hub.model.reminders.schedule import local_day
from hub.model.school.guest import Visitor
from hub.model.signing.link import SignLink
from hub.model.signing.pickup_code import DAY_OF, MOST_PICKUPS_A_DAY, PICKUP_DOOR, fitting, marked, pickup_code
from hub.model.signing.session import SESSION_LIFE, SigningSession
from hub.model.staff.accounts import EVERYTHING
from hub.store.unit import Unit


@dataclass(frozen=True)
class PickedUp:
    """`secret` is the bearer; the database has only its hash."""

    secret: str
    key_challenge: bytes
    expires_at: datetime


async def open_pickup(parts: Parts, code: str, phone: str) -> PickedUp:
    """A session, whether the two fit or not. Raises BadInput for what can be no pickup code or mobile number, Locked
    after MOST_PICKUPS_A_DAY for one phone."""
    typed, number = pickup_code(code), phone_number(phone, field="phone")
    async with parts.database.unit(EVERYTHING) as unit:
        await _count_try(unit, number)
        links = await unit.links.waiting_at(unit.cipher.found_by("phone", number))
        link = fitting(parts.keys.link, links, typed)
        picked = PickedUp(marked(new_secret()), parts.randomness(CHALLENGE_BYTES), unit.now + SESSION_LIFE)
        await unit.visitors.forget_ended(unit.now)
        if link:
            await unit.sessions.add(_session(unit, link, picked), picked.secret)
        else:
            await unit.visitors.add(_nobody(unit, number, picked), picked.secret)
    return picked


async def _count_try(unit: Unit, phone: str) -> None:
    counted = unit.sessions.pickups_of(unit.visitors.person(phone))
    await unit.sessions.one_at_a_time(counted)
    begins, ends = local_day(unit.now, DAY_OF)
    if await unit.sessions.wrong_answers(counted, begins) >= MOST_PICKUPS_A_DAY:
        raise Locked(retry_after=ends - unit.now, zone=DAY_OF.key)
    await unit.sessions.add_wrong_answer(counted, unit.now)


def _session(unit: Unit, link: SignLink, picked: PickedUp) -> SigningSession:
    return SigningSession(
        id=uuid4(), link=link.id, contract=link.contract, signer=link.signer, created_at=unit.now,
        expires_at=picked.expires_at, key_challenge=picked.key_challenge,
    )  # fmt: skip


def _nobody(unit: Unit, phone: str, picked: PickedUp) -> Visitor:
    return Visitor(
        id=uuid4(), door=PICKUP_DOOR, person=unit.visitors.person(phone), phone=phone,
        key_challenge=picked.key_challenge, created_at=unit.now, expires_at=picked.expires_at,
    )  # fmt: skip


# ---- for whoever guessed wrong


async def nobody(unit: Unit, secret: str) -> Visitor:
    """Raises SessionNotValid."""
    visitor = await unit.visitors.by_secret(secret)
    if visitor is None or visitor.door != PICKUP_DOOR or not visitor.live(unit.now):
        raise SessionNotValid
    return visitor


async def send_no_code(parts: Parts, secret: str) -> None:
    """As `identify.send_code`, but nothing is sent. Raises Locked, TooSoon and BudgetSpent by the phone alone."""
    async with parts.database.unit(EVERYTHING) as unit:
        visitor = await nobody(unit, secret)
        await unit.sessions.one_at_a_time(visitor.person)
        await refuse_at_phone(unit, visitor.phone, code=True)
        await refuse_code(parts, unit, visitor.phone, DAY_OF.key)
        await unit.sessions.add_code(visitor.person, visitor.id, unit.now)


async def verify_nobody(parts: Parts, secret: str) -> None:
    """As `identify.verify` with wrong answers: raises WrongAnswer, Locked."""
    async with parts.database.unit(EVERYTHING) as unit:
        visitor = await nobody(unit, secret)
        await unit.sessions.one_at_a_time(visitor.person)
        await refuse_at_phone(unit, visitor.phone, code=False)
        await unit.sessions.add_wrong_answer(visitor.person, unit.now)
    raise WrongAnswer


async def hear_nobody(parts: Parts, secret: str) -> None:
    """As `answer.ask`, but nobody hears it. Raises SessionNotValid."""
    async with parts.database.unit(EVERYTHING) as unit:
        await nobody(unit, secret)


async def come_back(parts: Parts, secret: str) -> bytes:
    """A fresh key challenge for a session of either kind. Raises SessionNotValid."""
    async with parts.database.unit(EVERYTHING) as unit:
        challenge = parts.randomness(CHALLENGE_BYTES)
        session = await unit.sessions.by_secret(secret)
        if session is not None and session.live(unit.now):
            await unit.sessions.new_challenge(session.id, challenge)
        else:
            await unit.visitors.new_challenge((await nobody(unit, secret)).id, challenge)
    return challenge
