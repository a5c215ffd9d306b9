"""The signing protocol for poster visitors: `open`, `code` and `verify` without a link, then `enrol`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hub.errors import BadInput, SessionNotValid
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.contract.terms import course_facts
from hub.lifecycle.school import enrol as enrolment, guests
from hub.lifecycle.school.guests import GuestSession
from hub.lifecycle.signing.entry.open_link import session_of
from hub.model.school.course import Course
from hub.model.staff.scope import EVERYTHING
from hub.web.api.schemas import SignerAsked
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.security import session_secret, set_session
from hub.web.pages.i18n import language_of
from hub.web.signer import schemas
from hub.web.signer.answers import base64, contracts_json, school_and_campus


async def open_poster(request: web.Request, poster: str, phone: str, name: str) -> web.Response:
    """Start a session. Returns `{session, key_challenge, school, campus, language}`, also for unknown phones."""
    services = request.app[HUB].services
    admitted = await guests.open_poster(services, poster, phone, name, language_of(request))
    return _with_session(
        request,
        admitted,
        {
            "key_challenge": base64(admitted.visitor.key_challenge),
            **school_and_campus(request, admitted.offer.campus, admitted.visitor.language),
        },
    )


async def verify(request: web.Request, code: str) -> web.Response:
    """Verify the code. Returns `{session, contracts: [], courses}`. A signer's session also needs name and id_tail."""
    try:
        admitted = await guests.verify(request.app[HUB].services, session_secret(request), code)
    except SessionNotValid:
        async with request.app[HUB].database.transaction(EVERYTHING) as tx:
            await session_of(tx, session_secret(request), agent=True)
        raise BadInput("name and id_tail are also needed", field="name") from None
    return _with_session(request, admitted, {"contracts": [], "courses": courses_json(request, admitted)})


async def session(request: web.Request) -> web.Response:
    """Return the session, with name and phone only after the phone is verified. `enrolled`: waiting for staff."""
    admitted = await guests.resume_guest(request.app[HUB].services, session_secret(request))
    visitor = admitted.visitor
    answer: dict[str, Any] = {
        "verified": visitor.verified_at is not None,
        "contracts": [],
        "key_challenge": base64(visitor.key_challenge),
        "enrolled": admitted.enrolled,
        **school_and_campus(request, admitted.offer.campus, visitor.language),
    }
    if visitor.verified_at:
        answer |= {"name": visitor.name, "phone": visitor.phone, "courses": courses_json(request, admitted)}
    return web.json_response(answer)


async def enrol(request: web.Request) -> web.Response:
    """Enrol a student. Answers like `verify` of a link, or with 202 and no contract if staff check it first."""
    await request.app[RATE_LIMITS].slow_down(request, "enrol")
    asked = await schemas.body(request, schemas.Enrol)
    student = asked.student
    wanted = enrolment.EnrolmentRequest(
        asked.course,
        NewStudent(student.name, student.id_type.value, student.id_number, student.birth_date),
        [_signer(each) for each in asked.signers],
    )
    services = request.app[HUB].services
    enrolled = await enrolment.enrol(services, session_secret(request), wanted)
    answer = {"session": enrolled.secret, "contracts": contracts_json(enrolled.contracts)}
    response = web.json_response(answer, status=201 if enrolled.session else 202)
    set_session(response, enrolled.secret, services.clock(), enrolled.expires_at)
    return response


def _signer(asked: SignerAsked) -> NewSigner:
    return NewSigner(
        asked.role,
        asked.name,
        asked.phone,
        asked.id_number,
        asked.id_type.value,
        asked.email,
        asked.relation,
        language=asked.language,
    )


def courses_json(request: web.Request, admitted: GuestSession) -> list[dict[str, Any]]:
    language = language_of(request, admitted.visitor.language)
    return [course_json(each, language) for each in admitted.offer.courses]


def course_json(course: Course, language: str) -> dict[str, Any]:
    """Return the facts by which a visitor chooses a course. `fee`: the total in yuan."""
    facts = course_facts(course, language)
    return {
        "id": course.id,
        "name": facts.name,
        "subject": facts.subject,
        "fee": f"{facts.total:.2f}",
        "starts": facts.starts.isoformat(),
        "ends": facts.ends.isoformat(),
        "schedule": facts.schedule,
        "place": facts.place,
        "lessons": facts.lessons,
        "minutes": facts.minutes,
    }


def _with_session(request: web.Request, admitted: GuestSession, answer: dict[str, Any]) -> web.Response:
    response = web.json_response({"session": admitted.secret, **answer})
    set_session(response, admitted.secret, request.app[HUB].services.clock(), admitted.visitor.expires_at)
    return response
