"""Log in through the school's own login service: redirect the browser to it, and log the person in when the browser
comes back.

Meanwhile the browser keeps the secret of this login in a cookie. So another browser cannot finish a login with the
values that the service gets.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from hmac import compare_digest
from urllib.parse import quote, unquote, urlencode

from aiohttp import web

from hub.errors import LoginProviderAway, NotFound, ProviderLoginRefused, QiandaError
from hub.lifecycle.staff.provider_login import find_staff_of_login
from hub.measures import SecurityEvent
from hub.model.staff.accounts import StaffLogin
from hub.oidc import OidcLogin, OidcProvider
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.security import cookie
from hub.web.http.security_events import report_login
from hub.web.staff.staff.log_in import (
    CODE_PAGE,
    begin_session,
    choose_life,
    login_page,
    safe_destination,
    with_cookie,
)

BEGIN, BACK = "/staff/login/provider", "/staff/login/provider/back"
LOGIN_COOKIE = "__Host-qianda-login"
LOGIN_LIFE = timedelta(minutes=10)
# The longest code that the service may send back, in characters.
MAX_CODE_LENGTH = 4096
SECRET_LENGTH = 43
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


async def begin(request: web.Request) -> web.StreamResponse:
    """Redirect the browser to the service. If the service is unavailable, the page says so; a password still works."""
    await request.app[RATE_LIMITS].slow_down(request, "login")
    login = OidcLogin(secrets.token_urlsafe(32))
    try:
        address = await _provider(request).begin(login, _callback(request))
    except QiandaError as problem:
        return login_page(request, problem)
    wanted = safe_destination(request.query.get("next", ""))
    response = web.HTTPFound(address)
    response.set_cookie(
        LOGIN_COOKIE,
        f"{login.secret}{quote(wanted, safe='')}",
        max_age=int(LOGIN_LIFE.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",
    )
    raise response


async def come_back(request: web.Request) -> web.StreamResponse:
    """Log in a person whom the service has identified. The cookie can be used only once, whatever the result."""
    await request.app[RATE_LIMITS].slow_down(request, "login")
    provider = _provider(request)
    held = cookie(request, LOGIN_COOKIE)
    try:
        known = await _finish(request, provider, held[:SECRET_LENGTH])
        pending = known.second_factor and provider.options.second_factor == "own"
        secret = await begin_session(request, known, pending=pending, by_provider=True)
    except QiandaError as problem:
        if not isinstance(problem, LoginProviderAway):
            report_login(request, SecurityEvent.LOGIN_FAILED, "")
        refused = login_page(request, problem)
        _forget(refused)
        return refused
    wanted = safe_destination(unquote(held[SECRET_LENGTH:]))
    where = f"{CODE_PAGE}?{urlencode({'next': wanted})}" if pending else wanted
    life = choose_life(request, pending=pending, by_provider=True)
    response = with_cookie(web.HTTPSeeOther(where), secret, life)
    _forget(response)
    raise response


async def _finish(request: web.Request, provider: OidcProvider, secret: str) -> StaffLogin:
    """Finish the login and return the account. Raises ProviderLoginRefused unless this browser began the login."""
    login = OidcLogin(secret)
    state, code = request.query.get("state", ""), request.query.get("code", "")
    if not _SECRET.fullmatch(secret) or not compare_digest(state.encode(), login.state.encode()):
        raise ProviderLoginRefused("it began in another browser, or too long ago")
    if not 0 < len(code) <= MAX_CODE_LENGTH:
        raise ProviderLoginRefused(f"the service says: {request.query.get('error', 'nothing')[:60]}")
    proven = await provider.finish(login, code, _callback(request))
    by_mail = provider.options.accounts == "mail"
    return await find_staff_of_login(request.app[HUB].services, proven, by_mail=by_mail)


def _provider(request: web.Request) -> OidcProvider:
    found = request.app[HUB].login_provider
    if found is None:
        raise NotFound
    return found


def _callback(request: web.Request) -> str:
    return request.app[HUB].services.origin + BACK


def _forget(response: web.StreamResponse) -> None:
    response.del_cookie(LOGIN_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def provider_routes() -> Iterable[web.AbstractRouteDef]:
    return [web.get(BEGIN, begin), web.get(BACK, come_back)]
