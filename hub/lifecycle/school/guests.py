"""Open sessions for poster visitors. They verify their phone by a one-time code, even if the school knows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hub.errors import BadInput, LinkNotValid, PosterFull, SessionNotValid, WrongAnswer
from hub.lifecycle.messaging.quotas import alert_if_spent, consume_message_quota
from hub.lifecycle.school.posters import PosterOffer, get_offer
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import CHALLENGE_BYTES, new_secret
from hub.lifecycle.signing.entry.otp_limits import count_wrong_answer, is_same_code, refuse_persons
from hub.model.contract.person import normalise_name, normalise_phone
from hub.model.messaging.budget import Cause, CountedMessage
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.school.course import Campus
from hub.model.school.guest import Visitor
from hub.model.school.poster import Poster, PosterScan, ScanStep
from hub.model.signing.link import normalise_ticket
from hub.model.signing.session import CODE_LIFE, SESSION_LIFE
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.operation.jobs import DELIVER_CODE
from hub.store.transaction import Transaction

POSTER_DOOR = "poster"
WAYS = ("sms", "voice")


@dataclass(frozen=True)
class PosterVisit:
    """A poster visitor with the campus of the poster."""

    visitor: Visitor
    poster: Poster
    campus: Campus


@dataclass(frozen=True)
class GuestSession:
    """A session of a visitor. `secret`: its bearer secret, stored only as a hash. `enrolled`: the visitor's enrolment
    is waiting for staff."""

    secret: str
    visitor: Visitor
    offer: PosterOffer
    enrolled: bool = False


async def get_open_offer(services: Services, text: str) -> tuple[PosterOffer, bool]:
    """Return the offer of a poster, and whether it is full.

    Raises LinkNotValid for unknown, expired and revoked posters alike.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        poster = await _poster(tx, text)
        return await get_offer(tx, poster), poster.full(await tx.posters.count_enrolled(poster.id))


async def open_poster(services: Services, text: str, phone: str, name: str, language: str) -> GuestSession:
    """Start a session and count a scan. The answer does not depend on whose phone it is.

    Raises LinkNotValid, PosterFull, BadInput for an invalid name or mobile number.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        poster = await _poster(tx, text)
        if poster.full(await tx.posters.count_enrolled(poster.id)):
            raise PosterFull
        number = normalise_phone(phone, field="phone")
        visitor = Visitor(
            id=uuid4(),
            door=POSTER_DOOR,
            person=tx.visitors.person(number),
            phone=number,
            poster=poster.id,
            key_challenge=services.signing.randomness(CHALLENGE_BYTES),
            created_at=tx.now,
            expires_at=tx.now + SESSION_LIFE,
            name=normalise_name(name, field="name"),
            language=language,
        )
        secret = new_secret()
        await tx.visitors.forget_ended(tx.now)
        await tx.visitors.add(visitor, secret)
        await tx.posters.add_scan(PosterScan(poster, ScanStep.OPENED, visitor.id), tx.now)
        return GuestSession(secret, visitor, await get_offer(tx, poster))


async def _poster(tx: Transaction, text: str) -> Poster:
    ticket = normalise_ticket(text)
    poster = await tx.posters.find_by_ticket(ticket) if ticket else None
    if poster is None or not poster.valid(tx.now):
        raise LinkNotValid
    return poster


async def visitor_of(tx: Transaction, secret: str, *, lock: bool = False) -> tuple[Visitor, Poster]:
    """Return the visitor whose session has this secret, and the poster.

    Raises SessionNotValid for an unknown, replaced or expired secret and for a session that began at another door,
    LinkNotValid if the poster has ended meanwhile.
    """
    visitor = await tx.visitors.find_by_secret(secret, lock=lock) if secret else None
    if visitor is None or not visitor.live(tx.now) or visitor.poster is None:
        raise SessionNotValid
    poster = await tx.posters.get(visitor.poster)
    if not poster.valid(tx.now):
        raise LinkNotValid
    return visitor, poster


async def resume_guest(services: Services, secret: str) -> GuestSession:
    """Return the state of the session, with a new key challenge."""
    async with services.database.transaction(EVERYTHING) as tx:
        visitor, poster = await visitor_of(tx, secret)
        challenge = services.signing.randomness(CHALLENGE_BYTES)
        await tx.visitors.new_challenge(visitor.id, challenge)
        enrolled = await tx.posters.has_enrolled(poster.id, visitor.id)
        return GuestSession(secret, replace(visitor, key_challenge=challenge), await get_offer(tx, poster), enrolled)


# ---- the code


async def send_code(services: Services, secret: str, channel: str | None = None) -> None:
    """Send a one-time code to the phone. `channel`: preferred channel; another one is used if it is not available.

    Raises Locked, TooSoon, BudgetSpent; BadInput if no channel reaches the number.
    """
    async with alert_if_spent(services), services.database.transaction(EVERYTHING) as tx:
        visitor, poster = await visitor_of(tx, secret)
        await tx.sessions.lock_persons(visitor.person)
        campus = await tx.school.get_campus(poster.campus)
        await refuse_persons(tx, [visitor.person], ZoneInfo(campus.zone), code=True)
        code = await tx.sessions.add_code(visitor.person, visitor.id, tx.now)
        ways = sorted(WAYS, key=lambda way: way != channel)
        chosen = next((way for way in ways if services.messaging.router.providers.list_able(way, visitor.phone)), None)
        if chosen is None:
            raise BadInput("messages cannot be sent to this number", field="phone")
        await _write_code(services, tx, PosterVisit(visitor, poster, campus), code, chosen)


async def _write_code(services: Services, tx: Transaction, came: PosterVisit, code: UUID, channel: str) -> None:
    """Write the attempt row of a code, and its job. A visitor has only a phone number, no contract and no signer."""
    router, visitor, poster = services.messaging.router, came.visitor, came.poster
    counted = CountedMessage(visitor.phone, Cause.GUEST, poster.campus, poster.id, zone=came.campus.zone)
    await consume_message_quota(services, tx, [counted], tx.now)
    await services.messaging.texts.refresh(tx)
    shape = router.choose_shape(channel, visitor.phone)
    variables = {
        "minutes": str(int(CODE_LIFE.total_seconds() // 60)),
        "school": services.documents.school_called(visitor.language),
    }
    text = router.renderer.render_stored(Purpose.CODE, channel, visitor.language, shape, variables)
    at = tx.planning_now
    delivery = Delivery(
        id=uuid4(),
        key=f"code-{code}",
        purpose=Purpose.CODE.value,
        channel=channel,
        to=visitor.phone,
        language=visitor.language,
        text=text,
        variables=variables,
        state=DeliveryState.SENDING,
        created_at=at,
        planned_at=at,
        campus=poster.campus,
        code=code,
        intent=f"code-{code}",
        shape=shape.value if shape else None,
    )
    await tx.deliveries.add(delivery, visitor.person)
    await tx.jobs.enqueue(DELIVER_CODE, {"delivery": str(delivery.id)}, f"deliver-{delivery.id}")


async def verify(services: Services, secret: str, code: str) -> GuestSession:
    """Verify the code. Raises WrongAnswer; Locked after too many wrong codes."""
    async with services.database.transaction(EVERYTHING) as tx:
        visitor, poster = await visitor_of(tx, secret, lock=True)
        await tx.sessions.lock_persons(visitor.person)
        campus = await tx.school.get_campus(poster.campus)
        await refuse_persons(tx, [visitor.person], ZoneInfo(campus.zone), code=False)
        live = await tx.sessions.find_live_code(visitor.person, visitor.id, tx.now)
        if is_same_code(services, live, code) and live is not None:
            await tx.sessions.use_code(live, tx.now)
            return await _admit(tx, visitor, poster)
        await count_wrong(tx, visitor, campus)
    raise WrongAnswer


async def _admit(tx: Transaction, visitor: Visitor, poster: Poster) -> GuestSession:
    secret = new_secret()
    await tx.visitors.mark_verified(visitor.id, secret, tx.now)
    if visitor.verified_at is None:
        await tx.posters.add_scan(PosterScan(poster, ScanStep.VERIFIED, visitor.id), tx.now)
    return GuestSession(secret, replace(visitor, verified_at=tx.now), await get_offer(tx, poster))


async def count_wrong(tx: Transaction, visitor: Visitor, campus: Campus) -> None:
    if await count_wrong_answer(tx, visitor.person, campus.zone):
        text = "Somebody who came by a poster gave too many wrong answers today; locked until tomorrow."
        await tx.staff_tasks.add_task_once(StaffTask(uuid4(), "locked", text, campus.id, tx.now))
