"""Staff log in at the school's own login service: a real one, that checks what it is sent, and what it may not say."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.errors import BadInput, NoAccountForLogin
from hub.lifecycle.staff.accounts import disable_staff, enable_staff
from hub.lifecycle.staff.provider_login import find_staff_of_login, link_staff_login, unlink_staff_login
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.roles import StaffRole
from hub.oidc import OidcProvider, ProvenLogin
from hub.web.app import make_app
from hub.web.staff.staff.provider_login import BACK, BEGIN, LOGIN_COOKIE
from tests.running import QUICK, Running, running_hub
from tests.web.oidc_server import CLIENT, SECRET, OidcServer
from tests.web.serving import served
from tests.web.staff.staff.test_own_account import with_factor
from tests.web.staff_visit import COOKIE, ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Answer:
    status: int
    location: str
    text: str
    cookies: dict[str, str]


@dataclass
class Place:
    running: Running
    server: OidcServer

    async def get(self, address: str, cookies: dict[str, str] | None = None) -> Answer:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())}
        headers |= {"Accept-Language": "en", "Sec-Fetch-Site": "cross-site"}
        if not address.startswith(self.server.issuer):
            headers["Host"] = urlsplit(self.running.origin).netloc  # an application of its own has the same address
        url = address if "://" in address else self.running.origin + address
        async with self.running.http.get(url, headers=headers, allow_redirects=False) as answer:
            kept = {name: each.value for name, each in answer.cookies.items()}
            return Answer(answer.status, answer.headers.get("Location", ""), await answer.text(), kept)

    async def log_in(self, query: str = "") -> Answer:
        """Go to the service and come back, as a browser does."""
        begun = await self.get(f"{BEGIN}{query}")
        assert begun.status == 302, begun.text
        there = await self.get(begun.location)
        return await self.get(there.location, {LOGIN_COOKIE: begun.cookies[LOGIN_COOKIE]})

    async def linked(self, role: StaffRole = StaffRole.CLERK) -> str:
        """Add an account of its own, which is linked to whoever the service lets in now; return its login."""
        login, subject = f"staff-{uuid4().hex[:8]}", uuid4().hex
        await add_staff(self.running, login, "hefei", QUICK, role)
        services = self.running.hub.services
        await link_staff_login(services, login, self.server.issuer, subject, COMMAND_LINE)
        self.server.person = {"sub": subject}
        return login


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    server = OidcServer()
    async with served(server.app()) as server.issuer:
        oidc = {"issuer": server.issuer, "client_id": CLIENT, "client_secret": SECRET, "name": "明德统一登录"}
        async with running_hub(with_worker=False, configured={"oidc": oidc}) as running:
            server.callback = running.origin + BACK
            yield Place(running, server)


async def test_a_linked_account_comes_in_where_it_wanted_to_go(place: Place) -> None:
    login = await place.linked()
    shown = await place.get("/staff/login?next=/staff/enrolments?q=a%26b")
    assert "Log in with 明德统一登录" in shown.text
    link = re.search(r'href="(/staff/login/provider[^"]*)"', shown.text)
    assert link
    back = await place.log_in(link[1].removeprefix(BEGIN))
    assert (back.status, back.location) == (303, "/staff/enrolments?q=a&b")
    assert back.cookies[LOGIN_COOKIE] == ""  # it counts once
    inside = await place.get("/staff/account", {COOKIE: back.cookies[COOKIE]})
    assert inside.status == 200 and login in inside.text


async def test_nobody_comes_in_by_a_login_that_another_browser_began(place: Place) -> None:
    await place.linked()
    begun, other = await place.get(BEGIN), await place.get(BEGIN)
    there = await place.get(begun.location)
    for cookies in ({}, {LOGIN_COOKIE: other.cookies[LOGIN_COOKIE]}, {LOGIN_COOKIE: "x"}):
        refused = await place.get(there.location, cookies)
        assert refused.status == 403 and COOKIE not in refused.cookies and refused.cookies[LOGIN_COOKIE] == ""
        assert "login service failed" in refused.text and 'name="password"' in refused.text
    mine = {LOGIN_COOKIE: begun.cookies[LOGIN_COOKIE]}
    assert (await place.get(there.location, mine)).status == 303
    assert (await place.get(there.location, mine)).status == 403  # the code was used
    assert (await place.get(f"{BACK}?error=access_denied", mine)).status == 403


async def test_a_login_asks_by_what_only_its_browser_knows(place: Place) -> None:
    asked = [parse_qs(urlsplit((await place.get(BEGIN)).location).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
    assert asked[0]["code_challenge_method"] == ["S256"]


def _sign_with_public_key(server: OidcServer, claims: dict[str, Any]) -> str:
    """The public key is everybody's: taken as a shared secret, anybody could sign."""
    public = server.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = ({"alg": "HS256", "kid": server.key_id}, claims)
    signed = b".".join(_base64(json.dumps(each).encode()) for each in parts)
    return (signed + b"." + _base64(hmac.digest(public, signed, "sha256"))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


STRANGER = rsa.generate_private_key(65537, 2048)
FORGERIES: dict[str, Callable[[OidcServer, dict[str, Any]], str]] = {
    "another login": lambda server, claims: server.sign(claims | {"nonce": "another"}),
    "no login": lambda server, claims: server.sign({name: it for name, it in claims.items() if name != "nonce"}),
    "another client": lambda server, claims: server.sign(claims | {"aud": "another"}),
    "for another as well": lambda server, claims: server.sign(claims | {"aud": [CLIENT, "b"], "azp": "b"}),
    "another issuer": lambda server, claims: server.sign(claims | {"iss": "https://login.example"}),
    "over": lambda server, claims: server.sign(claims | {"exp": int(time.time()) - 120}),
    "no expiry": lambda server, claims: server.sign({name: it for name, it in claims.items() if name != "exp"}),
    "nobody": lambda server, claims: server.sign({name: it for name, it in claims.items() if name != "sub"}),
    "another key": lambda server, claims: jwt.encode(claims, STRANGER, "RS256", headers={"kid": server.key_id}),
    "unsigned": lambda _, claims: jwt.encode(claims, "", "none"),
    "public key as secret": _sign_with_public_key,
    "a deep header": lambda *_: base64.urlsafe_b64encode(b"[" * 100_000).decode() + ".e30.e30",
    "no token": lambda _, __: "",
    "half a token": lambda server, claims: server.sign(claims)[:-20],
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_token_that_is_not_for_this_login_lets_nobody_in(place: Place, name: str) -> None:
    await place.linked()
    place.server.forge = lambda claims: FORGERIES[name](place.server, claims)
    try:
        refused = await place.log_in()
    finally:
        place.server.forge = None
    assert refused.status == 403 and COOKIE not in refused.cookies
    assert (await place.log_in()).status == 303  # the same, as it should be


async def test_keys_that_the_service_has_changed_are_read_again(place: Place) -> None:
    await place.linked()
    assert (await place.log_in()).status == 303
    place.server.key, place.server.key_id = rsa.generate_private_key(65537, 2048), "second"
    assert (await place.log_in()).status == 303


async def test_whoever_has_no_account_or_a_disabled_one_stays_outside(place: Place) -> None:
    login = await place.linked()
    place.server.person = {"sub": "unknown", "email": login, "email_verified": True}
    refused = await place.log_in()
    assert refused.status == 403 and "No account here belongs to this login" in refused.text
    login = await place.linked()
    await disable_staff(place.running.hub.services, login, COMMAND_LINE)
    assert (await place.log_in()).status == 403
    login = await place.linked()
    await unlink_staff_login(place.running.hub.services, login, COMMAND_LINE)
    assert (await place.log_in()).status == 403


async def test_the_second_factor_is_asked_for_after_it(place: Place) -> None:
    login = await place.linked()
    subject = dict(place.server.person)
    await with_factor(place.running, login, place.running.password)
    place.server.person = subject
    back = await place.log_in()
    assert back.location.startswith("/staff/login/code")
    assert (await place.get("/staff", {COOKIE: back.cookies[COOKIE]})).location.startswith("/staff/login")


async def test_while_the_service_is_away_the_password_counts(place: Place) -> None:
    login = await place.linked()
    begun = await place.get(BEGIN)
    there = await place.get(begun.location)
    hub = place.running.hub
    fresh = OidcProvider(hub.settings.oidc, place.running.http, hub.services.clock)  # which knows nothing yet
    async with served(make_app(replace(hub, login_provider=fresh))) as origin:
        place.server.away = True
        try:
            refused = await place.get(origin + BEGIN)
            assert refused.status == 503 and 'name="password"' in refused.text
            assert "does not answer" in refused.text and 'action="/staff/login?next=' in refused.text
            late = await place.get(there.location, {LOGIN_COOKIE: begun.cookies[LOGIN_COOKIE]})
            assert late.status == 503 and COOKIE not in late.cookies
            assert (await console_of(place.running, login)).cookie
        finally:
            place.server.away = False


async def test_a_service_that_answers_more_deeply_than_can_be_read_is_away(place: Place) -> None:
    await place.linked()
    begun = await place.get(BEGIN)
    there = await place.get(begun.location)
    place.server.answers_deeply = True
    try:
        assert (await place.get(there.location, {LOGIN_COOKIE: begun.cookies[LOGIN_COOKIE]})).status == 503
    finally:
        place.server.answers_deeply = False


async def test_a_service_that_is_not_at_its_address_is_away(place: Place) -> None:
    hub, closed = place.running.hub, "http://127.0.0.1:9"
    options = hub.settings.oidc.model_copy(update={"issuer": closed})
    provider = OidcProvider(options, place.running.http, hub.services.clock)
    async with served(make_app(replace(hub, login_provider=provider))) as origin:
        assert (await place.get(origin + BEGIN)).status == 503


@asynccontextmanager
async def fresh_login(place: Place, **options: Any) -> AsyncIterator[Callable[[], Awaitable[Answer]]]:
    """Yield a login at a hub that knows nothing of the service yet. `options`: its further settings."""
    hub = place.running.hub
    oidc = hub.settings.oidc.model_copy(update=options)
    fresh = OidcProvider(oidc, place.running.http, hub.services.clock)
    async with served(make_app(replace(hub, login_provider=fresh))) as origin:

        async def log_in() -> Answer:
            begun = await place.get(origin + BEGIN)
            if begun.status != 302:
                return begun
            came = urlsplit((await place.get(begun.location)).location)
            held = {LOGIN_COOKIE: begun.cookies[LOGIN_COOKIE]}
            return await place.get(f"{origin}{came.path}?{came.query}", held)

        yield log_in


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "https://login.example"),
        ("token_endpoint", "http://login.example/token"),
        ("token_endpoint", "{issuer}/token#x"),
        ("jwks_uri", ""),
        ("jwks_uri", "{issuer}/moved"),
    ],
)
async def test_a_service_that_describes_another_one_is_away(place: Place, name: str, value: str) -> None:
    """Another issuer, an address without TLS, with a fragment, none at all, and one that leads on to elsewhere."""
    await place.linked()
    async with fresh_login(place) as log_in:
        place.server.described = {name: value.format(issuer=place.server.issuer)}
        try:
            refused = await log_in()
        finally:
            place.server.described = {}
        assert refused.status == 503 and COOKIE not in refused.cookies
    async with fresh_login(place) as log_in:
        assert (await log_in()).status == 303


async def test_only_a_verified_mail_links_an_account(place: Place) -> None:
    login = f"{uuid4().hex[:8]}@school.example"
    await add_staff(place.running, login, "hefei", QUICK)
    async with fresh_login(place, accounts="mail") as log_in:
        for verified, status in (({}, 403), ({"email_verified": "true"}, 403), ({"email_verified": True}, 303)):
            place.server.person = {"sub": uuid4().hex, "email": login} | verified
            assert (await log_in()).status == status


async def test_a_disabled_account_is_linked_to_nobody_who_has_its_mail(place: Place) -> None:
    services, login = place.running.hub.services, f"{uuid4().hex[:8]}@school.example"
    await add_staff(place.running, login, "hefei", QUICK)
    await disable_staff(services, login, COMMAND_LINE)
    now_theirs, mine = (ProvenLogin(place.server.issuer, uuid4().hex, login) for _ in range(2))
    with pytest.raises(NoAccountForLogin):
        await find_staff_of_login(services, now_theirs, by_mail=True)
    await enable_staff(services, login, COMMAND_LINE)
    assert (await find_staff_of_login(services, mine, by_mail=True)).subject == mine.subject


async def test_a_link_and_its_end_put_out_who_is_inside(place: Place) -> None:
    services, subject = place.running.hub.services, uuid4().hex
    login = f"staff-{uuid4().hex[:8]}"
    await add_staff(place.running, login, "hefei", QUICK)
    for act in (
        partial(link_staff_login, services, login, place.server.issuer, subject, COMMAND_LINE),
        partial(link_staff_login, services, login, place.server.issuer, f"{subject}-2", COMMAND_LINE),  # in its place
        partial(unlink_staff_login, services, login, COMMAND_LINE),
    ):
        console = await console_of(place.running, login)
        assert (await console.get("/staff")).status == 200
        await act()
        assert (await console.get("/staff")).status == 303


async def test_the_second_factor_is_the_services_only_where_that_is_configured(place: Place) -> None:
    """An owner without ours comes in there, and not by the password."""
    login, subject = f"owner-{uuid4().hex[:8]}", uuid4().hex
    await add_staff(place.running, login, "hq", QUICK, StaffRole.OWNER)
    await link_staff_login(place.running.hub.services, login, place.server.issuer, subject, COMMAND_LINE)
    place.server.person = {"sub": subject}
    back = await place.log_in()
    hub = replace(place.running.hub, demo=False)
    for second_factor, status in (("own", 303), ("provider", 200)):
        oidc = hub.settings.oidc.model_copy(update={"second_factor": second_factor})
        changed = replace(hub, settings=hub.settings.model_copy(update={"oidc": oidc}))
        async with served(make_app(changed)) as origin:
            assert (await place.get(f"{origin}/staff", {COOKIE: back.cookies[COOKIE]})).status == status
            console = await console_of(place.running, login)
            assert (await place.get(f"{origin}/staff", {COOKIE: console.cookie})).location == "/staff/account"


@pytest.mark.parametrize("factor", [False, True])
async def test_such_a_login_lasts_as_long_as_is_configured(place: Place, factor: bool) -> None:
    """Afterwards the service is asked again, so whom it does not know any more has no session here."""
    running, server, codes = place.running, place.server, [""]
    login, subject = await place.linked(), dict(server.person)
    if factor:
        _, _, codes = await with_factor(running, login, running.password)
        server.person = subject
    oidc = running.hub.settings.oidc.model_copy(update={"session_minutes": 30})
    changed = replace(running.hub, settings=running.hub.settings.model_copy(update={"oidc": oidc}))
    async with served(make_app(changed)) as origin:
        begun = await place.get(f"{origin}{BEGIN}")
        there = await place.get(begun.location)
        came = urlsplit(there.location)
        back = await place.get(f"{origin}{came.path}?{came.query}", {LOGIN_COOKIE: begun.cookies[LOGIN_COOKIE]})
        console = ConsoleBrowser(running, back.cookies[COOKIE])
        if factor:
            form, headers = {"code": codes[0]}, {"Host": urlsplit(running.origin).netloc, "Origin": running.origin}
            headers["Cookie"] = f"{COOKIE}={back.cookies[COOKIE]}"
            async with running.http.post(
                f"{origin}/staff/login/code", data=form, headers=headers, allow_redirects=False
            ) as entered:
                console = ConsoleBrowser(running, entered.cookies[COOKIE].value)
    try:
        running.clock.advance(timedelta(minutes=29))
        assert (await console.get("/staff/account")).status == 200
        running.clock.advance(timedelta(minutes=2))
        assert (await console.get("/staff/account")).location.startswith("/staff/login")
    finally:
        running.clock.advance(-timedelta(minutes=31))


async def test_a_verified_mail_links_an_account_once(place: Place) -> None:
    services, issuer = place.running.hub.services, place.server.issuer
    login = f"{uuid4().hex[:8]}@school.example"
    await add_staff(place.running, login, "hefei", QUICK)
    first, later = ProvenLogin(issuer, uuid4().hex, login.upper()), ProvenLogin(issuer, uuid4().hex, login)
    for proven, by_mail in ((first, False), (replace(first, mail=""), True)):
        with pytest.raises(NoAccountForLogin):
            await find_staff_of_login(services, proven, by_mail=by_mail)
    assert (await find_staff_of_login(services, first, by_mail=True)).staff.login == login
    assert (await find_staff_of_login(services, replace(first, mail=""), by_mail=True)).staff.login == login
    for other in (later, replace(first, issuer="https://login.example")):  # with that mail, or that subject elsewhere
        with pytest.raises(NoAccountForLogin):
            await find_staff_of_login(services, other, by_mail=other is later)
    with pytest.raises(BadInput, match="another account has this subject"):
        await link_staff_login(services, await place.linked(), issuer, first.subject, COMMAND_LINE)


async def test_a_mail_that_is_an_accounts_only_in_small_letters_is_somebody_elses(place: Place) -> None:
    """Python makes a k of U+212A, KELVIN SIGN; a mail server does not."""
    login = f"frank{uuid4().hex[:8]}@school.example"
    await add_staff(place.running, login, "hefei", QUICK)
    proven = ProvenLogin(place.server.issuer, uuid4().hex, login.replace("k", "\u212a", 1))
    assert proven.mail.lower() == login
    with pytest.raises(NoAccountForLogin):
        await find_staff_of_login(place.running.hub.services, proven, by_mail=True)


async def test_without_one_there_is_no_such_page(place: Place) -> None:
    async with served(make_app(replace(place.running.hub, login_provider=None))) as origin:
        for path in (BEGIN, BACK):
            assert (await place.get(origin + path)).status == 404
