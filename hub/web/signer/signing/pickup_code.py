"""The signing protocol for visitors with a pickup code. Correct and wrong codes get the same answers after the same
time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from aiohttp import web

from hub.errors import SessionNotValid, TooSoon
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry import pickup_codes, verify_identity
from hub.lifecycle.signing.entry.verify_identity import VerifiedSession
from hub.lifecycle.signing.questions import ask as ask_question
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.security import session_secret, set_session
from hub.web.pages.i18n import language_of
from hub.web.signer.answers import base64

# Minimum time of answers that must not reveal whether the code was correct.
SAME_SECONDS = 0.25
Given = TypeVar("Given")


async def take_same_time(work: Awaitable[Given]) -> Given:
    """Return or raise the outcome of `work`, but not before SAME_SECONDS."""
    pause = asyncio.ensure_future(asyncio.sleep(SAME_SECONDS))
    try:
        return await work
    finally:
        await pause


async def open_pickup(request: web.Request, code: str, phone: str) -> web.Response:
    """Start a session. Returns `{session, key_challenge, school, campus: null}`.

    The campus would reveal that there is something to sign.
    """
    await request.app[RATE_LIMITS].slow_down(request, "pickup")
    services = request.app[HUB].services
    picked = await take_same_time(pickup_codes.open_pickup(services, code, phone))
    response = web.json_response(
        {"session": picked.secret, "key_challenge": base64(picked.key_challenge), **_where(request)}
    )
    set_session(response, picked.secret, services.clock(), picked.expires_at)
    return response


def _where(request: web.Request) -> dict[str, Any]:
    return {"school": request.app[HUB].settings.school.named(language_of(request)), "campus": None}


async def session(request: web.Request) -> web.Response:
    challenge = await take_same_time(pickup_codes.resume_pickup(request.app[HUB].services, session_secret(request)))
    return web.json_response(
        {"verified": False, "contracts": [], "key_challenge": base64(challenge), **_where(request)}
    )


async def send_code(services: Services, secret: str, channel: str | None = None) -> None:
    """Send a one-time code. If the session belongs to no signer, send nothing but count as if one was sent.

    Raises Locked, TooSoon, BudgetSpent, SessionNotValid.
    """
    try:
        await verify_identity.send_code(services, secret, channel)
    except SessionNotValid:
        await pickup_codes.send_no_code(services, secret)


async def verify(services: Services, secret: str, code: str, name: str, id_tail: str) -> VerifiedSession:
    """Verify code and identity. If the session belongs to no signer, answer as for a wrong code.

    Raises WrongAnswer, Locked, SessionNotValid.
    """
    try:
        return await verify_identity.verify(services, secret, code, name, id_tail)
    except SessionNotValid:
        await pickup_codes.refuse_unknown_code(services, secret)
        raise


async def ask(services: Services, secret: str, kind: str, text: str) -> None:
    try:
        await ask_question(services, secret, kind, text)
    except SessionNotValid:
        await pickup_codes.ignore_question(services, secret)
    except TooSoon:
        pass  # a person who guesses pickup codes must not learn that the signer has asked too often
