"""The login: the password, then the second factor of an account that has one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from hub.errors import Locked, LoginRequired, QiandaError, WrongPassword
from hub.lifecycle.staff.check_password import check_second_factor
from hub.measures import SecurityEvent
from hub.model.staff.accounts import CurrentSession, NewStaffSession, StaffLogin
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import HUB, PASSWORDS, RATE_LIMITS
from hub.web.http.problems import retry_seconds, status_of
from hub.web.http.security import cookie
from hub.web.http.security_events import report_login
from hub.web.pages.render import page
from hub.web.staff.staff.access import COOKIE, MAX_INPUT_LENGTH

SESSION_LIFE = timedelta(hours=12)
# The longest time between password and code, enough to find the phone.
PENDING_LIFE = timedelta(minutes=5)
CODE_PAGE = "/staff/login/code"
MAX_FORM_BYTES = 8 * 1024
MAX_USER_AGENT_LENGTH = 1000
# The names that people know. The first match counts, because browsers also send names further down in this list.
_BROWSERS = (
    ("MicroMessenger", "WeChat"),
    ("Edg/", "Edge"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


async def show_login(request: web.Request) -> web.Response:
    return login_page(request)


def login_page(request: web.Request, problem: QiandaError | None = None, login: str = "") -> web.Response:
    """Show the form, with the button of the school's own login service if there is one."""
    words = {"wrong-password": "wrong", "locked": "locked"}.get(problem.code, problem.sentence) if problem else None
    options = request.app[HUB].settings.oidc
    provider = (options.name or urlsplit(options.issuer).hostname) if options.issuer else None
    status = status_of(problem) if problem else 200
    wanted = safe_destination(request.query.get("next", ""))
    response = page(
        request, "staff/staff/login.html", status=status, problem=words, login=login, provider=provider, wanted=wanted
    )
    if problem is not None and problem.retry_after is not None:
        response.headers["Retry-After"] = str(retry_seconds(problem))
    return response


async def enter_password(request: web.Request) -> web.StreamResponse:
    await request.app[RATE_LIMITS].slow_down(request, "login")
    login, password = await _read_form(request, "login", "password")
    try:
        known = await request.app[PASSWORDS].check(request.app[HUB].services, login, password)
        secret = await begin_session(request, known, pending=known.second_factor)
    except (Locked, LoginRequired, WrongPassword) as problem:
        report_login(request, event_of(problem), login)
        return login_page(request, problem, login)
    wanted = safe_destination(request.query.get("next", ""))
    where = f"{CODE_PAGE}?{urlencode({'next': wanted})}" if known.second_factor else wanted
    raise with_cookie(web.HTTPSeeOther(where), secret, PENDING_LIFE if known.second_factor else SESSION_LIFE)


async def show_code(request: web.Request) -> web.Response:
    await _pending(request)
    return page(request, "staff/staff/login_code.html", problem=None)


async def enter_code(request: web.Request) -> web.StreamResponse:
    """Log in a person whose password was correct. The session gets a new secret, because it may now do more."""
    await request.app[RATE_LIMITS].slow_down(request, "login")
    session = await _pending(request)
    (code,) = await _read_form(request, "code")
    try:
        await check_second_factor(request.app[HUB].services, session.staff, code)
    except QiandaError as problem:
        report_login(request, event_of(problem), session.staff.login)
        return _code_refused(request, problem)
    secret, life = secrets.token_urlsafe(32), choose_life(request, by_provider=session.by_provider)
    async with request.app[HUB].services.database.transaction(EVERYTHING) as tx:
        if not await tx.accounts.open_pending(cookie(request, COOKIE), secret, tx.now + life):
            raise LoginRequired
    raise with_cookie(web.HTTPSeeOther(safe_destination(request.query.get("next", ""))), secret, life)


async def leave(request: web.Request) -> web.StreamResponse:
    async with request.app[HUB].services.database.transaction(EVERYTHING) as tx:
        await tx.accounts.end_session(cookie(request, COOKIE))
    response = web.HTTPSeeOther("/staff/login")
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    raise response


async def _pending(request: web.Request) -> CurrentSession:
    """Return the session that waits for its second factor. If there is none, redirect to the login."""
    async with request.app[HUB].services.database.transaction(EVERYTHING) as tx:
        secret = cookie(request, COOKIE)
        session = await tx.accounts.find_session(secret, tx.now, PENDING_LIFE) if secret else None
    if session is None or not session.pending:
        if request.method == "POST":
            raise LoginRequired
        raise web.HTTPSeeOther("/staff/login")
    return session


def event_of(problem: QiandaError) -> SecurityEvent:
    return SecurityEvent.LOGIN_LOCKED if isinstance(problem, Locked) else SecurityEvent.LOGIN_FAILED


def _code_refused(request: web.Request, problem: QiandaError) -> web.Response:
    words = "locked" if isinstance(problem, Locked) else "code"
    response = page(request, "staff/staff/login_code.html", status=status_of(problem), problem=words)
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(retry_seconds(problem))
    return response


async def begin_session(request: web.Request, known: StaffLogin, *, pending: bool, by_provider: bool = False) -> str:
    """Begin a session in this browser; return its secret. Raises LoginRequired if the account has changed meanwhile."""
    secret = secrets.token_urlsafe(32)
    life = choose_life(request, pending=pending, by_provider=by_provider)
    browser = browser_name(request.headers.get("User-Agent", ""))
    async with request.app[HUB].services.database.transaction(EVERYTHING) as tx:
        session = NewStaffSession(known, secret, life, browser, pending, by_provider)
        if not await tx.accounts.begin_session(session, tx.now):
            raise LoginRequired
    return secret


def choose_life(request: web.Request, *, pending: bool = False, by_provider: bool = False) -> timedelta:
    """Return how long a new session lasts. `pending`, `by_provider`: see `NewStaffSession`."""
    if pending:
        return PENDING_LIFE
    return timedelta(minutes=request.app[HUB].settings.oidc.session_minutes) if by_provider else SESSION_LIFE


def with_cookie(response: web.HTTPSeeOther, secret: str, life: timedelta) -> web.HTTPSeeOther:
    seconds = int(life.total_seconds())
    response.set_cookie(COOKIE, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="Lax")
    return response


def browser_name(user_agent: str) -> str:
    """Return browser and system by the names that people know, like `Firefox, Windows`; empty if neither is known.

    Nothing else that a browser says about itself is stored.
    """
    text = user_agent[:MAX_USER_AGENT_LENGTH]
    found = [next((name for mark, name in known if mark in text), "") for known in (_BROWSERS, _SYSTEMS)]
    return ", ".join(each for each in found if each)


def safe_destination(address: str) -> str:
    """Return the page to open after the login. It is always within the console."""
    is_inside = address == "/staff" or address.startswith(("/staff/", "/staff?"))
    return address if is_inside and not re.search(r"[\\\n]", address) else "/staff"


async def _read_form(request: web.Request, *names: str) -> list[str]:
    form = await request.clone(client_max_size=MAX_FORM_BYTES).post()
    return [_words(form.get(name)) for name in names]


def _words(value: object) -> str:
    """Return the text of a form field without characters that the database cannot store."""
    text = value if isinstance(value, str) else ""
    return "".join(character for character in text if character.isprintable())[:MAX_INPUT_LENGTH]


def login_routes() -> Iterable[web.AbstractRouteDef]:
    return [
        web.get("/staff/login", show_login, name="login"),
        web.post("/staff/login", enter_password),
        web.get(CODE_PAGE, show_code),
        web.post(CODE_PAGE, enter_code),
        web.post("/staff/logout", leave),
    ]
