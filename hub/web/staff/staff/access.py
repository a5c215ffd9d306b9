"""Login and sessions of staff, and the campuses that they see."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import NamedTuple

from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.errors import AccessDenied, Locked, LoginRequired, RoleNotAllowed
from hub.lifecycle.services import Services
from hub.measures import SecurityEvent
from hub.model.school.course import Campus
from hub.model.staff.accounts import EVERYTHING, Scope, Staff
from hub.model.staff.roles import Permission, may
from hub.web.app_keys import BRAKES, HUB
from hub.web.pages import page
from hub.web.problems import retry_seconds
from hub.web.security import cookie
from hub.web.security_events import report_login
from hub.wiring import Hub

COOKIE = "__Host-qianda-staff"
SESSION_LIFE = timedelta(hours=12)
MAX_FAILURES = 10
FAILURES_WITHIN = timedelta(minutes=15)
MAX_INPUT_LENGTH = 200
MAX_FORM_BYTES = 8 * 1024
HASHES_AT_ONCE = 2  # each takes 64 MB, and one core for a fifth of a second


@dataclass(frozen=True)
class DeskVisit:
    """A request of a logged-in member of staff. `scope`: campuses they may see; `shown`: those selected now."""

    request: web.Request
    services: Services
    staff: Staff
    scope: Scope
    campuses: tuple[Campus, ...]
    campus: Campus | None
    shown: Scope

    @property
    def zone(self) -> str:
        """Time zone of the campus of this member of staff."""
        return next(each.zone for each in self.campuses if each.id == self.staff.campus)

    @property
    def actor(self) -> str:
        return f"staff:{self.staff.id}"

    def may(self, permission: Permission) -> bool:
        return may(self.staff.role, permission)


Handler = Callable[[DeskVisit], Awaitable[web.StreamResponse]]


class StaffRoute(NamedTuple):
    """What answers a route of the console, and what somebody's role has to permit for it."""

    permission: Permission
    handler: Handler


def staff_only(route: StaffRoute) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Require a login, and a role that permits the route.

    Without a login a GET is redirected to the login page, and a form is refused. A role is refused before anything is
    looked up, so that the answer says nothing about what there is.
    """

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            visit = await _visit(request)
        except LoginRequired:
            if request.method not in ("GET", "HEAD") or "part" in request.query:
                raise
            raise web.HTTPSeeOther(request.app.router["login"].url_for().with_query(next=request.path_qs)) from None
        if not visit.may(route.permission):
            raise RoleNotAllowed
        return await route.handler(visit)

    return guarded


async def _visit(request: web.Request) -> DeskVisit:
    services = request.app[HUB].services
    async with services.database.transaction(EVERYTHING) as tx:
        secret = cookie(request, COOKIE)
        staff = await tx.accounts.staff_by_session(secret, tx.now) if secret else None
        if staff is None:
            raise LoginRequired
        scope = await tx.school.scope_below(staff.campus)
        campuses = tuple(each for each in await tx.school.campuses() if scope.covers(each.id))
        wanted = request.query.get("campus", "")
        campus = next((each for each in campuses if each.id == wanted), None)
        if wanted and campus is None:
            raise AccessDenied("you have no access to this campus")
        shown = await tx.school.scope_below(campus.id) if campus else scope
    return DeskVisit(request, services, staff, scope, campuses, campus, shown)


# ---- login


@cache  # a hash takes a fifth of a second: make it once in a process
def _nobody() -> str:
    """Return the hash of a password that nobody knows."""
    return PasswordHasher().hash(secrets.token_hex(16))


class LoginDoor:
    """The login. An unknown login takes the same time as a wrong password."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobody = _nobody()
        self._turns = asyncio.Semaphore(HASHES_AT_ONCE)

    async def show(self, request: web.Request) -> web.Response:
        return page(request, "staff/login.html", problem=None, login="")

    async def enter(self, request: web.Request) -> web.StreamResponse:
        await request.app[BRAKES].slow_down(request, "login")
        form = await request.clone(client_max_size=MAX_FORM_BYTES).post()
        login, password = (_words(form.get(name)) for name in ("login", "password"))
        try:
            staff = await self._known(request.app[HUB].services, login, password)
        except Locked as locked:
            report_login(request, SecurityEvent.LOGIN_LOCKED, login)
            response = page(request, "staff/login.html", status=429, problem="locked", login=login)
            response.headers["Retry-After"] = str(retry_seconds(locked))
            return response
        if staff is None:
            report_login(request, SecurityEvent.LOGIN_FAILED, login)
            return page(request, "staff/login.html", status=403, problem="wrong", login=login)
        return await self._begin(request, staff)

    async def _known(self, services: Services, login: str, password: str) -> Staff | None:
        """Return the account if the password is correct.

        An attempt counts as failed until it succeeds, so that parallel attempts cannot exceed the limit. No database
        connection is held while the password is hashed.
        """
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.accounts.guess_alone(login)
            if await tx.accounts.login_failures(login, tx.now - FAILURES_WITHIN) >= MAX_FAILURES:
                raise Locked("ten wrong passwords within a quarter of an hour", retry_after=FAILURES_WITHIN)
            account = await tx.accounts.staff_by_login(login)
            attempt = await tx.accounts.add_login_failure(login, tx.now)
        async with self._turns:
            fits = await asyncio.to_thread(self._fits, account[1] if account else self._nobody, password)
        if account is None or not fits:
            return None
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.accounts.forget_login_failure(attempt)
        return account[0]

    def _fits(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _begin(self, request: web.Request, staff: Staff) -> web.StreamResponse:
        secret = secrets.token_urlsafe(32)
        async with request.app[HUB].services.database.transaction(EVERYTHING) as tx:
            await tx.accounts.begin_session(staff.id, secret, tx.now, SESSION_LIFE)
        response = web.HTTPSeeOther(_inside(request.query.get("next", "")))
        response.set_cookie(
            COOKIE,
            secret,
            max_age=int(SESSION_LIFE.total_seconds()),
            path="/",
            secure=True,
            httponly=True,
            samesite="Lax",
        )
        raise response

    async def leave(self, request: web.Request) -> web.StreamResponse:
        async with request.app[HUB].services.database.transaction(EVERYTHING) as tx:
            await tx.accounts.end_session(cookie(request, COOKIE))
        response = web.HTTPSeeOther("/staff/login")
        response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        raise response


def _inside(address: str) -> str:
    """Return the page to go to after the login, which is always within the console."""
    inside = address == "/staff" or address.startswith(("/staff/", "/staff?"))
    return address if inside and "\\" not in address and "\n" not in address else "/staff"


def _words(value: object) -> str:
    """Return the text of a form field in a form that the database can store."""
    text = value if isinstance(value, str) else ""
    return "".join(character for character in text if character.isprintable())[:MAX_INPUT_LENGTH]


def login_routes(_hub: Hub) -> Iterable[web.AbstractRouteDef]:
    door = LoginDoor()
    return [
        web.get("/staff/login", door.show, name="login"),
        web.post("/staff/login", door.enter),
        web.post("/staff/logout", door.leave),
    ]
