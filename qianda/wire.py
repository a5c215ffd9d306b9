"""The signing protocol's transport: JSON over HTTP, a bearer session, and problem+json (RFC 9457) for refusals."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

CALL_TIMEOUT = 30
MAX_ANSWER_BYTES = 64 << 20
# Seconds for which a connection is used again. A program that waits for a person in between, as at `input`, does not
# notice that the hub, or a proxy before it, has closed the connection meanwhile.
KEEPALIVE_TIMEOUT = 3.0

Json = dict[str, Any]


def new_http_session() -> aiohttp.ClientSession:
    """Return a session without cookies, for one hub."""
    connector = aiohttp.TCPConnector(keepalive_timeout=KEEPALIVE_TIMEOUT)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class ProtocolProblem(Exception):
    """The hub refused the call.

    `code` is the stable word of its problem+json, `title` a sentence in the requested language, `retry_after` the
    seconds to wait, if the hub stated them.
    """

    def __init__(self, status: int, code: str, detail: str, retry_after: float | None = None, title: str = "") -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.title = title
        self.retry_after = retry_after


class BadAnswer(Exception):
    """The hub's answer does not follow the protocol."""


class Wire:
    """The connection to one hub. `bearer` is the session's secret; it is sent to the hub's own origin only."""

    def __init__(self, base_url: str, http: aiohttp.ClientSession) -> None:
        self._base = base_url.rstrip("/") + "/"
        self._http = http
        self.bearer: str | None = None
        self.language = "en"

    async def post(self, step: str, body: Json, contract_id: str | None = None) -> Json:
        return _json_object(await self._call("POST", self._url(step), body, contract_id))

    async def get(self, step: str, contract_id: str | None = None) -> Json:
        return _json_object(await self._call("GET", self._url(step), None, contract_id))

    async def get_bytes(self, step: str, contract_id: str | None = None) -> bytes:
        return await self._call("GET", self._url(step), None, contract_id)

    async def follow(self, link: str, begun: bytes = b"") -> bytes:
        """Return the content of a link in the hub's answer, relative or absolute. Raises BadAnswer for another
        origin.

        `begun`: bytes with which the content should begin. If the hub can, it sends only what follows them (RFC 9110
        14), and the two are joined.
        """
        url = urljoin(self._base, link)
        if origin_of(url) != origin_of(self._base):
            raise BadAnswer("the hub's answer leads to another origin")
        return await self._call("GET", url, begun=begun)

    def _url(self, step: str) -> str:
        """Return the URL of a step of the signing protocol, or of another path if `step` begins with a slash."""
        return self._base + step[1:] if step.startswith("/") else f"{self._base}sign/v1/{step}"

    def _headers(self) -> dict[str, str]:
        language = {"Accept-Language": self.language}
        return language | ({"Authorization": f"Bearer {self.bearer}"} if self.bearer else {})

    async def _call(
        self, method: str, url: str, body: Json | None = None, contract_id: str | None = None, *, begun: bytes = b""
    ) -> bytes:
        only_rest = {"Range": f"bytes={len(begun)}-", "Accept-Encoding": "identity"} if begun else {}
        request = self._http.request(
            method,
            url,
            json=body,
            params={"id": contract_id} if contract_id else None,
            headers=self._headers() | only_rest,
            timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT),
            allow_redirects=False,
        )
        async with request as response:
            content = await _read_limited(response)
            if begun and response.status == 206 and _starts_at(response, len(begun)):
                return begun + content
            if begun and response.status in (206, 416):
                return await self._call(method, url, body, contract_id)
            if not 200 <= response.status < 300:
                raise _problem(response.status, content, response.headers.get("Retry-After"))
            return content


def origin_of(url: str) -> str:
    """Return scheme, host and port as a browser writes them (RFC 6454): in lower case, without the default port."""
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{host}" if parts.port in (None, usual) else f"{scheme}://{host}:{parts.port}"


def binary(value: object) -> bytes:
    """Decode standard base64, strictly. Raises BadAnswer."""
    try:
        return b64decode(str(value), validate=True)
    except ValueError as error:
        raise BadAnswer("a binary value is not standard base64") from error


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise BadAnswer("the answer is too large")
    return bytes(content)


def _starts_at(response: aiohttp.ClientResponse, start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _json_object(content: bytes) -> Json:
    try:
        value = json.loads(content or b"{}")
    except ValueError as error:
        raise BadAnswer("the answer is not JSON") from error
    if not isinstance(value, dict):
        raise BadAnswer("the answer is not a JSON object")
    return value


def _problem(status: int, content: bytes, retry_after: str | None) -> ProtocolProblem:
    try:
        said = _json_object(content)
    except BadAnswer:
        said = {}
    code = str(said.get("code") or f"http-{status}")
    title, detail = (str(said.get(name) or "") for name in ("title", "detail"))
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return ProtocolProblem(status, code, detail or title, seconds, title)
