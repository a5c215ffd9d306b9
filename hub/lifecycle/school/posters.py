"""Create, print and revoke posters, and restrict who may use them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from channels import Doorway, Rendering
from hub.documents.fonts import ContractFont
from hub.documents.school.poster import CourseLine, PosterFacts
from hub.errors import BadInput, WrongListLine
from hub.lifecycle.contract.terms import course_facts
from hub.lifecycle.services import Services
from hub.model.contract.person import IdType, normalise_phone, parse_id_document, strip_separators
from hub.model.school.course import Campus, Course
from hub.model.school.poster import Poster, PosterMode
from hub.model.signing.link import format_ticket
from hub.model.staff.scope import Scope
from hub.store.encryption.cipher import Cipher
from hub.store.transaction import Transaction

MAX_TITLE_LENGTH = 40
MAX_LIFE = timedelta(days=400)
MAX_COURSES = 12
MAX_ALLOWED = 5_000
MAX_ENROLMENTS = 10_000


@dataclass(frozen=True)
class NewPoster:
    """Input of staff, not validated. `allowed`: students' document numbers or phone numbers; empty for everybody."""

    campus: str
    title: str
    courses: Sequence[str]
    mode: str
    expires_at: datetime
    maximum: int | None = None
    allowed: Sequence[str] = ()


@dataclass(frozen=True)
class PosterOffer:
    """A poster with its campus and courses."""

    poster: Poster
    campus: Campus
    courses: tuple[Course, ...]


async def add_poster(services: Services, scope: Scope, asked: NewPoster, actor: str) -> Poster:
    """Create a poster. Raises BadInput with the field, UndrawableText for a title that cannot be printed."""
    title = " ".join(asked.title.split())
    if not 0 < len(title) <= MAX_TITLE_LENGTH:
        raise BadInput(f"a title of up to {MAX_TITLE_LENGTH} characters", field="title")
    await asyncio.to_thread(lambda: ContractFont().check([title], field="title"))
    mode = _mode(asked.mode)
    if asked.maximum is not None and not 0 < asked.maximum <= MAX_ENROLMENTS:
        raise BadInput(f"a number from 1 to {MAX_ENROLMENTS}", field="maximum")
    allowed = allowed_hashes(services.database.cipher, asked.allowed)
    async with services.database.transaction(scope) as tx:
        if not tx.now < asked.expires_at <= tx.now + MAX_LIFE:
            raise BadInput("a day from today on, at most 400 days ahead", field="expires_at")
        await _check_courses(tx, scope, asked)
        poster = Poster(
            id=uuid4(),
            campus=asked.campus,
            title=title,
            courses=tuple(asked.courses),
            mode=mode,
            created_by=actor,
            created_at=tx.now,
            expires_at=asked.expires_at,
            maximum=asked.maximum,
            allowed=allowed,
        )
        await tx.posters.add(poster)
    return poster


def _mode(text: str) -> PosterMode:
    try:
        return PosterMode(text)
    except ValueError:
        raise BadInput("contract or ask", field="mode") from None


async def _check_courses(tx: Transaction, scope: Scope, asked: NewPoster) -> None:
    """Check that all courses belong to one campus and are complete enough for a contract."""
    if not asked.courses or len(set(asked.courses)) < len(asked.courses) or len(asked.courses) > MAX_COURSES:
        raise BadInput(f"choose 1 to {MAX_COURSES} courses", field="courses")
    if not scope.covers(asked.campus):
        raise BadInput(f"there is no campus {asked.campus}", field="campus")
    for course in asked.courses:
        course_facts(await tx.school.get_course(asked.campus, course), "zh")


async def revoke_poster(services: Services, scope: Scope, poster: UUID) -> bool:
    """Revoke a poster; existing enrolments stay. Return False if it was already revoked."""
    async with services.database.transaction(scope) as tx:
        await tx.posters.get(poster, lock=True)
        return await tx.posters.revoke(poster, tx.now)


def build_poster_doorway(services: Services, ticket: str) -> Doorway:
    """Return the URLs of a poster. The upper-case URL gives a smaller QR code."""
    return Doorway(
        f"{services.origin}/p/{ticket}", f"{services.origin}/P/{ticket}".upper(), ticket, format_ticket(ticket)
    )


async def get_offer(tx: Transaction, poster: Poster) -> PosterOffer:
    """Return the offer of a poster, without courses that no longer exist."""
    campus = await tx.school.get_campus(poster.campus)
    known = {course.id: course for course in await tx.school.list_courses(poster.campus)}
    return PosterOffer(poster, campus, tuple(known[each] for each in poster.courses if each in known))


# ---- on paper


@dataclass(frozen=True)
class Paper:
    """A printable sheet (PDF) of one poster."""

    poster: Poster
    pdf: bytes


def code_of(services: Services, ticket: str) -> Rendering:
    return services.messaging.doors["poster"].render(build_poster_doorway(services, ticket))


async def print_poster(services: Services, scope: Scope, poster: UUID, print_: Callable[[PosterFacts], bytes]) -> Paper:
    """Print a poster. `print_`: `poster_sheet` or `sticker_sheet`. Raises NotFound, UndrawableText."""
    async with services.database.transaction(scope) as tx:
        found = await get_offer(tx, await tx.posters.get(poster))
        ticket = tx.posters.ticket(found.poster)
    return Paper(found.poster, await asyncio.to_thread(print_, _facts(services, found, ticket)))


def _facts(services: Services, found: PosterOffer, ticket: str) -> PosterFacts:
    campus = found.campus
    until = found.poster.expires_at.astimezone(ZoneInfo(campus.zone))
    last = [campus.address, campus.phone, f"报名截止 {until:%Y-%m-%d}", f"Enrol until {until.day} {until:%B %Y}"]
    return PosterFacts(
        school=services.documents.school.name,
        campus=campus.name,
        title=found.poster.title,
        courses=[_line(course) for course in found.courses],
        svg=code_of(services, ticket).svg or "",
        code=format_ticket(ticket),
        entry=f"{services.origin}/s",
        foot=" · ".join(each for each in last if each),
    )


def _line(course: Course) -> CourseLine:
    facts = course_facts(course, "zh")
    when = f"{facts.starts} – {facts.ends}，{facts.schedule}"
    return CourseLine(course.name, course.name_en, f"{facts.total:,.2f}", when)


# ---- the list of those who may enrol


def allowed_hashes(cipher: Cipher, entries: Sequence[str]) -> frozenset[bytes]:
    """Return the keyed hashes of the list. Raises WrongListLine, which gives the line's number but never its text."""
    lines = [(number, strip_separators(line)) for number, line in enumerate(entries, 1)]
    filled = [(number, line) for number, line in lines if line]
    if len(filled) > MAX_ALLOWED:
        raise BadInput(f"at most {MAX_ALLOWED} lines", field="allowed")
    return frozenset(_allowed(cipher, line, number) for number, line in filled)


def _allowed(cipher: Cipher, text: str, line: int) -> bytes:
    """Return the hash of a phone number, or of the number of any kind of identity document."""
    try:
        return phone_hash(cipher, normalise_phone(text))
    except BadInput:
        pass
    for kind in IdType:
        try:
            return student_hash(cipher, parse_id_document(kind, text).number)
        except BadInput:
            continue
    raise WrongListLine(str(line), field="allowed")


def phone_hash(cipher: Cipher, phone: str) -> bytes:
    return cipher.found_by("poster-phone", phone)


def student_hash(cipher: Cipher, number: str) -> bytes:
    """Return the hash of a document number without the kind of document, because lists do not contain the kind."""
    return cipher.found_by("poster-student", number)


def is_on_list(cipher: Cipher, poster: Poster, phone: str, number: str) -> bool:
    return not poster.allowed or bool(poster.allowed & {phone_hash(cipher, phone), student_hash(cipher, number)})
