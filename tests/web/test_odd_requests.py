"""Malformed requests: whatever is wrong with them is answered as the sender's error, never as ours."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
from aiohttp.http_parser import DeflateBuffer
from structlog.testing import capture_logs

from hub.commands.setup import SchoolInstaller
from hub.web.app import make_app
from hub.web.http.security import MAX_PREAMBLE_LINES
from hub.web.setup.app import make_setup_app
from hub.web.setup.state import SetupState
from hub.worker.health import make_health_app
from hub.worker.loop_watch import LoopWatch
from tests.running import API_KEY, Running
from tests.web.serving import served
from tests.web.staff_visit import COOKIE, ConsoleBrowser, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
Headers = Mapping[str, str]


async def raw(running: Running, method: str, target: str, headers: Headers, body: bytes = b"") -> tuple[int, bytes]:
    """Send a raw request. Return the status and all that comes back; 0 if nothing does."""
    own = running.origin.removeprefix("http://")
    given = {"Host": own, "Connection": "close"} | dict(headers)
    if method == "POST" and "Transfer-Encoding" not in given:
        given["Content-Length"] = str(len(body))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in given.items())
    host, _, port = own.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head.encode("latin-1") + b"\r\n" + body)
        answer = await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return 0, b""
    finally:
        writer.close()
    return (int(answer.split(b" ", 2)[1]) if answer else 0), answer


def routes(running: Running, method: str) -> list[str]:
    """Return every route of the hub, with values that match nothing, and with some that the database cannot store."""
    resources = make_app(running.hub).router.resources()
    found = [each.canonical for each in resources if any(route.method == method for route in each)]
    targets = []
    for path in dict.fromkeys(found):
        for value in ("x", "%00", str(UUID(int=1)))[: 2 if method == "GET" else 3] if "{" in path else ("",):
            parts = path.split("{")
            targets.append(parts[0] + "".join(value + each.partition("}")[2] for each in parts[1:]))
    return targets


def credentials(running: Running, console: ConsoleBrowser, path: str) -> Headers:
    if path.startswith("/api/"):
        return {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "x"}
    return {"Cookie": f"{COOKIE}={console.cookie}", "Origin": running.origin}


def odd_bodies() -> Iterator[tuple[Headers, bytes]]:
    form, text = {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "application/json"}
    for encoding in ("gzip", "deflate", "br", "zstd", "x"):
        yield {**form, "Content-Encoding": encoding}, b"this is no compressed body"
    yield {**text, "Content-Encoding": "gzip"}, gzip.compress(b'{"ticket":"x"}')[:-9]
    yield {**form, "Content-Encoding": "deflate"}, zlib.compress(b"login=a&password=b" * 9)[:-5]
    yield {**text, "Content-Encoding": "gzip"}, gzip.compress(b"[" * 1_000_000)
    yield {**form, "Content-Encoding": "gzip"}, gzip.compress(b"at=" + b"0" * (2 << 20))
    yield form, b"login=%00&password=%ff&at=%00/%00&reason=%00&deadline=%00&enrolment=%00&campus=%00&course=%00"
    yield form, b"at=nowhere&campus=nowhere&course=nowhere&act=%ff&contract=%00&enrolment=x&chat=%00&person=%00"
    yield {"Content-Type": "application/x-www-form-urlencoded; charset=nonsense"}, b"at=hefei&reason=x"
    yield {"Content-Type": "application/json; charset=utf-16"}, b'{"ticket": "x"}'
    yield text, b'{"ticket": "\\u0000", "code": "\\ud800"}'
    yield text, json.dumps({"campus": "\0", "course": "\0", "student": {"name": "\0"}, "signers": []}).encode()
    yield text, b"\xff\xfe\x00"
    parts = {"Content-Type": "multipart/form-data; boundary=x"}
    yield {"Content-Type": "multipart/form-data"}, b"--x\r\n\r\nx\r\n--x--\r\n"
    for more in (b"", b"Content-Transfer-Encoding: no\r\n", b"Content-Type: text/plain; charset=no\r\n"):
        head = b'--x\r\nContent-Disposition: form-data; name="at"\r\n' + more
        yield parts, head + b"\r\n\xff\r\n--x--\r\n"
        yield parts, head + b"\r\n\xff"
    yield {**text, "Transfer-Encoding": "chunked"}, b"zz\r\nx\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        ("/s/SECRETSECRET1?name=\xe9", {}, b""),
        ("/staff", {"Cookie": f"{COOKIE}=SECRET\x01"}, b""),
        ("/staff/login", {"Transfer-Encoding": "chunked"}, b"password=SECRET\r\n"),
        ("/staff/login", {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}, b"SECRET"),
    ],
    ids=["ticket", "cookie", "password", "compressed"],
)
async def test_what_cannot_be_read_stands_in_no_log(
    running: Running, caplog: pytest.LogCaptureFixture, target: str, headers: Headers, body: bytes
) -> None:
    with capture_logs() as lines:
        status, _ = await raw(running, "POST" if body else "GET", target, {"Origin": running.origin, **headers}, body)
    expected = 415 if "Content-Encoding" in headers else 400
    assert status == expected and [line["status"] for line in lines if line["event"] == "request"] == [expected]
    assert "SECRET" not in str(lines) and caplog.records == []


@pytest.mark.real
async def test_no_body_is_answered_as_our_fault(running: Running, console: ConsoleBrowser) -> None:
    ours = []
    bodies = list(odd_bodies())
    for number, path in enumerate(routes(running, "POST")):
        for headers, body in bodies[number % 4 :: 4]:
            status, _ = await raw(running, "POST", path, {**credentials(running, console, path), **headers}, body)
            if status >= 500:
                ours.append((status, path, headers, body[:60]))
        if path in ("/staff/logout", "/staff/login"):
            console.cookie = (await console_of(running)).cookie
    assert ours == []


async def test_a_nul_in_a_form_is_bad_input_wherever_it_comes(running: Running, console: ConsoleBrowser) -> None:
    """Any handler may hand a value to the database as it came."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"at=hefei&campus=%00&course=%00&enrolment=%00&reason=%00&deadline=%00"
    for path in ("/staff/posters/new", "/staff/issue"):
        status, _ = await raw(running, "POST", path, {**credentials(running, console, path), **form}, body)
        assert 400 <= status < 500, path


@pytest.mark.real
async def test_no_address_is_answered_as_our_fault(running: Running, console: ConsoleBrowser) -> None:
    queries = (
        "",
        "?id=%00&campus=%00&q=%00&cursor=%ff&at=%00&lang=%00",
        "?cursor=AAAA&at=nowhere/x/x&part=live&age=x",
        "?id=%ff%fe&phone=%00&next=%00&said=%00&limit=%00&after=%00&state=%00",
        "?=&&==",
    )
    ours = []
    for path in routes(running, "GET"):
        for query in queries:
            headers = {**credentials(running, console, path), "Accept": "text/html"}
            status, _ = await raw(running, "GET", path + query, headers)
            if status >= 500 and (path, status) != ("/readyz", 503):
                ours.append((status, path + query))
    assert ours == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer \xff\xfe"},
        {"Cookie": f"{COOKIE}=\xff; x"},
        {"Accept-Language": "\xff;q=x," * 50},
        {"X-Forwarded-For": "\xff" * 50},
        {"Content-Length": "x"},
        {"Host": "\xff"},
        {"Origin": "\xff"},
        {"X-Long": "x" * 100_000},
        {"Idempotency-Key": "\xff"},
        {"Range": "bytes=x-"},
        {"If-Modified-Since": "\xff"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_no_header_is_answered_as_our_fault(running: Running, headers: Headers) -> None:
    for method, path in (
        ("POST", "/sign/v1/open"),
        ("GET", "/staff"),
        ("GET", "/api/v1/contracts"),
        ("POST", "/api/v1/contracts"),
        ("GET", "/verify"),
        ("GET", "/static/base.css"),
        ("POST", "/callbacks/outbox"),
        ("GET", "/s/X"),
    ):
        assert (await raw(running, method, path, headers))[0] < 500, path


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x", "GZIP, identity"])
async def test_a_compressed_body_is_refused(running: Running, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Accept-Language": "en"}
    status, answer = await raw(running, "POST", "/sign/v1/open", headers, gzip.compress(b'{"ticket":"x"}'))
    assert status == 415 and b'"code": "unsupported-media-type"' in answer and b"Accept-Encoding: identity" in answer
    assert b'"detail": "the body has a Content-Encoding: send it uncompressed"' in answer
    headers = {"Content-Encoding": "identity", "Accept-Language": "en"}
    assert b"link-not-valid" in (await raw(running, "POST", "/sign/v1/open", headers, b'{"ticket":"x"}'))[1]


@pytest.mark.parametrize("app", ["hub", "set-up", "worker"])
async def test_no_body_is_unpacked_not_even_one_that_nobody_reads(
    running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, app: str
) -> None:
    """A few kilobytes could become gigabytes. The server reads the rest of a body after it has answered."""

    unpacked: list[DeflateBuffer] = []

    def unpack(buffer: DeflateBuffer, *_: object) -> bool:
        unpacked.append(buffer)
        return False

    monkeypatch.setattr(DeflateBuffer, "feed_data", unpack)
    state = SetupState.begin(tmp_path, SchoolInstaller(tmp_path), lambda: datetime.now(UTC))
    made = {
        "hub": lambda: make_app(running.hub),
        "set-up": lambda: make_setup_app(state, running.origin),
        "worker": lambda: make_health_app(running.hub, LoopWatch()),
    }
    body = gzip.compress(bytes(1 << 20))
    async with served(made[app]()) as origin, aiohttp.ClientSession(headers={"Content-Encoding": "gzip"}) as http:
        answer = await http.post(f"{origin}/nothing", data=body)
        assert answer.status in (404, 415) and unpacked == []


@pytest.mark.parametrize("path", ["/staff/login", "/copy/x/y", "/verify"])
async def test_a_form_begins_with_its_first_part(running: Running, path: str) -> None:
    """An endless preamble would stop the event loop."""
    multipart = {"Content-Type": "multipart/form-data; boundary=x", "Origin": running.origin, "Accept-Language": "en"}
    part = b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\nx\r\n--x--\r\n'
    for lines, is_read in ((1, True), (MAX_PREAMBLE_LINES, False)):
        status, answer = await raw(running, "POST", path, multipart, b"\r\n" * lines + part)
        assert (status == 400 or b"the form cannot be read" in answer) is not is_read, (lines, answer)


@pytest.mark.parametrize("target", ["http://evil.example/x", "http://evil.example/verify", "https://evil.example"])
@pytest.mark.parametrize("host", ["evil.example", None])
async def test_somebody_elses_address_is_refused(running: Running, target: str, host: str | None) -> None:
    status, answer = await raw(running, "GET", target, {"Host": host} if host else {})
    assert status == 421 and b"evil" not in answer
    assert (await raw(running, "GET", f"{running.origin}/verify", {}))[0] == 200


async def test_reminders_of_a_campus_that_does_not_exist(running: Running, console: ConsoleBrowser) -> None:
    for path in ("/staff/policies", "/staff/policies/calendar"):
        page = await console.post(path, {"at": "nowhere/", "reminders_after": "1d"})
        assert page.status == 422 and "Something that was entered is not valid" in page.words


async def test_the_server_does_not_say_which_versions_it_has(running: Running) -> None:
    for target, headers in (("/", {}), ("/nothing", {}), ("/sign/v1/session", {}), ("/", {"Content-Length": "x"})):
        _, answer = await raw(running, "GET", target, headers)
        lines = [line for line in answer.split(b"\r\n\r\n")[0].split(b"\r\n") if line.lower().startswith(b"server:")]
        assert lines == [b"Server: Qianda"], target
