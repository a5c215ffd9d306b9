"""What protects visitors' browsers and the hub itself.

Origins, cookies, headers, hosts, sizes, slow clients, rate limits, the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
import structlog
from aiohttp import web
from asn1crypto import ocsp

from channels.applink import AndroidApp, AppLink
from hub.web.app import make_app, run_web
from hub.web.file_checks import MAX_BODY_BYTES as MAX_CHECK_BYTES, MAX_PARTS
from hub.web.http.rate_limit import RateLimits
from hub.web.http.security import COOKIE
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.web.serving import served
from tests.web.signer_visits import asked, opened
from tests.web.user_agents import PEOPLE

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 0.8
# Seconds that a busy machine may take for what has to happen at once.
BUSY = 60.0


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as hub:
        yield hub


async def test_who_may_change_something(running: Running) -> None:
    """A request with the cookie needs our own origin. A program sends neither origin nor site; if it has kept the
    cookie and sends a bearer too, the bearer wins. A request from another site is refused, even with a bearer."""
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        secret, own = client.bearer or "", running.origin
    cookie = {"Cookie": f"{COOKIE}={secret}"}

    async def status(**headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await asked(running, "POST", "/sign/v1/question", body={"text": "?"}, headers=sent))[0]

    assert await status(**cookie) == 403
    assert await status(**cookie, Origin="https://evil.example") == 403
    assert await status(**cookie, Origin=own + ".evil.example") == 403
    assert await status(**cookie, Origin="null") == 403
    assert await status(**cookie, Sec_Fetch_Site="cross-site") == 403
    assert await status(**cookie, Sec_Fetch_Site="same-site", Origin=own) == 403
    assert await status(**cookie, Sec_Fetch_Site="none") == 403
    assert await status(**cookie, Origin=own) == 202
    assert await status(**cookie, Sec_Fetch_Site="same-origin", Origin="null") == 202
    program = {"Authorization": f"Bearer {secret}"}
    assert await status(**program) == 202
    assert await status(**program, **cookie) == 202
    assert await status(**program, Origin=own) == 202
    assert await status(**program, Origin="https://evil.example") == 403
    assert await status(**program, Origin="null") == 403
    assert await status(**program, Sec_Fetch_Site="cross-site") == 403
    assert await status(**program, **cookie, Origin="https://evil.example") == 403
    assert await status(**cookie, Authorization="Bearer wrong", Origin=own) == 401
    status_open, _, _ = await asked(
        running, "POST", "/sign/v1/open", body={"ticket": "X"}, headers={"Origin": "https://evil.example"}
    )
    assert status_open == 403  # otherwise a visitor could be put into another person's session


async def test_the_cookie_is_for_this_host_alone(running: Running) -> None:
    body = {"ticket": await running.ticket(await running.issue_minor())}
    _, said, headers = await asked(running, "POST", "/sign/v1/open", body=body)
    cookie = headers["Set-Cookie"]
    assert cookie.startswith(f"__Host-qianda={said['session']};")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=7"):
        assert attribute in cookie
    assert "Domain" not in cookie


async def test_headers_on_everything(running: Running) -> None:
    for path in ("/", "/s", "/s/ABCDEFGHJKMNP", "/verify", "/sign/v1/session", "/nothing", "/p/1", "/sign/done"):
        _, body, headers = await asked(running, "GET", path, headers={"Accept": "text/html"})
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        if isinstance(body, str):
            assert " style=" not in body and "<style" not in body and " onclick=" not in body
            assert all("src=" in tag for tag in body.split("<script")[1:])


async def test_another_name_of_this_machine_leads_to_the_public_origin(running: Running) -> None:
    port = running.origin.rpartition(":")[2]
    status, _, headers = await asked(running, "GET", "/s/X?lang=en", headers={"Host": f"localhost:{port}"})
    assert (status, headers["Location"]) == (308, f"{running.origin}/s/X?lang=en")
    for host in ("evil.example/x", "evil.example", "127.0.0.1:1@evil.example"):
        _, body, headers = await asked(running, "GET", "/verify", headers={"Host": host})
        assert "evil.example" not in str(body) and headers["Location"] == f"{running.origin}/verify"
    assert (await asked(running, "GET", "/sign/v1/session", headers={"Host": "localhost"}))[0] == 401


async def test_what_an_answer_says_is_in_the_list_of_error_codes(running: Running) -> None:
    """With the status that it really has, and a page of its own."""
    _, page, _ = await asked(running, "GET", "/problems?lang=en")
    for method, path in (
        ("GET", "/sign/v1/session"),
        ("POST", "/sign/v1/open"),
        ("GET", "/api/v1/contracts"),
        ("GET", "/api/"),
    ):
        status, said, _ = await asked(running, method, path)
        assert f"<code>{said['code']}</code> {status}</dt>" in str(page), said["code"]
        assert (await asked(running, "GET", said["type"]))[0] == 200


async def test_bodies_are_strict_and_bounded(running: Running) -> None:
    ticket = await running.ticket(await running.issue_minor())
    wrong: list[object] = [{"ticket": ticket, "more": 1}, {"ticket": 1}, {}, [], {"ticket": "X" * 201}, "text"]
    for body in wrong:
        status, said, _ = await asked(running, "POST", "/sign/v1/open", body=body)
        assert (status, said["code"]) == (422, "bad-input")
    async with running.http.post(f"{running.origin}/sign/v1/open", data=b"{not json") as answer:
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        said = await answer.json(content_type=None)
        assert {"type", "title", "status", "detail", "code", "retry"} <= set(said)
        assert said["type"] == "/problems/bad-input"
    huge = b'{"ticket": "' + b"A" * 300_000 + b'"}'
    async with running.http.post(f"{running.origin}/sign/v1/open", data=huge) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (413, "too-large")
    deep = {
        "document_sha256": "0" * 64,
        "consent": {"version": "1", "sha256": "0" * 64},
        "appearance": {"strokes": [[[0.1, 2.0]]]},
    }
    status, said, _ = await asked(running, "POST", "/sign/v1/prepare", body=deep)
    assert (status, said["field"]) == (422, "appearance.strokes.0.0.1")


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/authority/ocsp", "application/ocsp-request", 200),
        ("/staff/login", "application/x-www-form-urlencoded", 413),
        ("/staff/login", "multipart/form-data; boundary=x", 413),
        ("/copy/X/Y", "application/x-www-form-urlencoded", 413),
    ],
)
async def test_a_strangers_long_body_is_not_read_to_its_end(
    running: Running, path: str, kind: str, status: int
) -> None:
    answered = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\n' + b"A" * 20_000
        await answered.wait()

    headers = {"Content-Type": kind, "Origin": running.origin}
    async with running.http.post(f"{running.origin}{path}", data=endless(), headers=headers) as answer:
        said = await answer.read()
        answered.set()
    assert answer.status == status
    assert status != 200 or ocsp.OCSPResponse.load(said)["response_status"].native == "malformed_request"


async def test_a_form_is_bounded_as_a_whole_and_need_not_be_one(running: Running) -> None:
    other = b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n'
    answered = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield other
        for _ in range(MAX_CHECK_BYTES >> 20):
            yield b"A" * (1 << 20)
        yield b"A" * 200_000
        await answered.wait()

    for body, kind, status in (
        (endless(), "multipart/form-data; boundary=x", 413),
        ((other + b"A\r\n") * (MAX_PARTS + 1) + b"--x--\r\n", "multipart/form-data; boundary=x", 422),
        (other + b"never ended", "multipart/form-data; boundary=x", 422),
        (b"x", "multipart/form-data", 422),
    ):
        headers = {"Content-Type": kind, "Origin": running.origin}
        async with running.http.post(f"{running.origin}/verify", data=body, headers=headers) as answer:
            assert answer.status == status, (kind, await answer.text())
    answered.set()


async def test_problems_speak_the_readers_language(running: Running) -> None:
    for language, word in (("zh-CN", "失效"), ("en-GB", "no longer valid")):
        headers = {"Accept-Language": language, "Accept": "text/html"}
        status, body, _ = await asked(running, "GET", "/p/POSTER", headers=headers)
        assert status == 404 and word in body
        status, said, _ = await asked(running, "POST", "/sign/v1/open", body={"ticket": "X"}, headers=headers)
        assert word in said["title"]
    assert (await asked(running, "DELETE", "/sign/v1/open", headers={"Origin": running.origin}))[1]["code"] == (
        "method-not-allowed"
    )


async def test_app_links_name_the_schools_apps(running: Running) -> None:
    app = AppLink("school", ["TEAM.app"], [AndroidApp("org.example.app", ("AA:BB",))])
    async with served(replace_app(running, app)) as origin:
        async with running.http.get(f"{origin}/.well-known/apple-app-site-association") as answer:
            assert answer.content_type == "application/json"
            detail = (await answer.json())["applinks"]["details"][0]
        assert detail["appIDs"] == ["TEAM.app"] and all(part["caseSensitive"] is False for part in detail["components"])
        async with running.http.get(f"{origin}/.well-known/assetlinks.json") as answer:
            assert (await answer.json())[0]["target"]["package_name"] == "org.example.app"
        iphone = {"User-Agent": PEOPLE["Safari, iPhone"][1]}
        async with running.http.get(f"{origin}/s/ABCDEFGHJKMNP", headers=iphone) as answer:
            assert 'data-address="school://{place}"' in await answer.text()
    async with served(make_app(replace(running.hub, demo=False))) as origin:
        headers = iphone | {"Host": running.origin.removeprefix("http://")}
        async with running.http.get(f"{origin}/s/ABCDEFGHJKMNP", headers=headers) as answer:
            assert "data-address" not in await answer.text()


def replace_app(running: Running, app: AppLink) -> web.Application:
    """Return the application with another app link. Its public origin is changed, so that any address will do."""
    hub = replace(running.hub, app_link=app)
    return make_app(replace(hub, services=replace(hub.services, origin="https://sign.example.org")))


async def test_one_address_cannot_open_without_end(running: Running) -> None:
    async with served(make_app(running.hub, rate_limits=RateLimits({"open": 3}))) as origin:

        async def opened_from(address: str) -> tuple[int, str | None]:
            headers = {"X-Forwarded-For": f"10.9.8.7, {address}"}
            async with running.http.post(f"{origin}/sign/v1/open", json={"ticket": "X"}, headers=headers) as answer:
                return answer.status, answer.headers.get("Retry-After")

        first = [await opened_from("203.0.113.9") for _ in range(4)]
        assert [status for status, _ in first] == [404, 404, 404, 429] and first[-1][1] == "60"
        assert await opened_from("203.0.113.10") == (404, None)
        pair = [await opened_from(f"2001:db8::{n}") for n in range(4)]
        assert pair[-1][0] == 429  # one subscriber has a whole /64


HALF = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a body": b"POST /sign/v1/open HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    "half an upload": b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n%PDF",
    "nothing after an answer": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
}


async def test_a_client_that_does_not_get_on_with_it_is_dropped(running: Running) -> None:
    async with served(make_app(running.hub, patience=PATIENCE)) as origin:

        async def left_alone(sent: bytes) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]))
            writer.write(sent)
            with contextlib.suppress(ConnectionResetError):
                await reader.read(-1)  # ends only when the hub ends the connection
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

        tasks = {what: asyncio.create_task(left_alone(sent)) for what, sent in HALF.items()}
        await asyncio.wait(tasks.values(), timeout=BUSY)
        assert [what for what, task in tasks.items() if not task.done()] == []


async def test_drips_do_not_keep_a_connection(running: Running) -> None:
    async with served(make_app(running.hub, patience=PATIENCE)) as origin:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]))
        writer.write(b"POST /sign/v1/open HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        ended = asyncio.create_task(reader.read(-1))

        async def drip() -> None:
            while not ended.done():
                writer.write(b" ")
                await asyncio.sleep(PATIENCE / 10)

        dripping = asyncio.create_task(drip())
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(ended, BUSY)
        await dripping
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_an_answer_that_nobody_fetches_is_given_up(running: Running) -> None:
    app = make_app(running.hub, patience=PATIENCE)
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 16))
        finally:
            gone.set()

    app.router.add_get("/endless", endless)
    async with served(app) as origin:
        _, writer = await asyncio.open_connection("127.0.0.1", int(origin.rpartition(":")[2]), limit=1024)
        writer.write(b"GET /endless HTTP/1.1\r\nHost: " + running.origin.removeprefix("http://").encode() + b"\r\n\r\n")
        await asyncio.wait_for(gone.wait(), BUSY)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_the_log_holds_no_tickets_and_no_queries(running: Running) -> None:
    lines = io.StringIO()
    factory = structlog.WriteLoggerFactory(lines)
    structlog.configure(processors=[structlog.processors.JSONRenderer()], logger_factory=factory)
    try:
        ticket = await running.ticket(await running.issue_minor())
        await asked(running, "GET", f"/s/{ticket}?lang=en")
        await asked(running, "GET", f"/s?code={ticket}")
        await asked(running, "POST", "/sign/v1/open", body={"ticket": ticket})
        await asked(running, "GET", f"/nothing/{ticket}")
    finally:
        structlog.reset_defaults()
    said = [json.loads(line) for line in lines.getvalue().splitlines()]
    routes = [line["route"] for line in said if line["event"] == "request"]
    assert routes == ["/s/{ticket}", "/s", "/sign/v1/open", "none"]
    assert ticket not in lines.getvalue() and "lang" not in lines.getvalue()


async def test_the_server_stops_when_it_is_told(running: Running) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(run_web(running.hub, host="127.0.0.1", port=0, stop=stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(serving, BUSY)
