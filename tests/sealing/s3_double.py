"""A small object store that speaks S3: lists, gives and takes objects of one bucket, and checks every signature.

Sources: Amazon S3 API (ListObjectsV2, GetObject, PutObject, multipart upload), Signature Version 4.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus
from xml.sax.saxutils import escape

from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

ACCESS, SECRET, REGION, BUCKET = "AKIDEXAMPLE", "a secret of the double", "cn-test-1", "files"
PAGE = 2  # keys of one answer to a listing: few, so that there are several


@dataclass
class ObjectStoreDouble:
    """`objects`: by key. `denied`: keys that nobody may read or write; `denials`: requests for them. `refused`: those
    whose signature was wrong. `puts`: keys in the order of their arrival."""

    origin: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    refused: int = 0
    away: bool = False
    denied: frozenset[str] = frozenset()
    denials: list[str] = field(default_factory=list)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, object]:
        options = {
            "endpoint": self.origin,
            "region": REGION,
            "access_key_id": ACCESS,
            "secret_access_key": SECRET,
            "allow_http": "true",
        }
        return {"url": f"s3://{BUCKET}", "options": options, "clients": [f"registry-{number}" for number in range(100)]}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.away:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        if not _is_signed(request, body):
            self.refused += 1
            return web.Response(status=403, text="<Error><Code>SignatureDoesNotMatch</Code></Error>")
        key = request.path.removeprefix(f"/{BUCKET}").lstrip("/")
        if request.method == "GET" and not key:
            return self._list(request)
        if key in self.denied:
            self.denials.append(key)
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        if request.method == "PUT":
            return self._put(request, key, body)
        if request.method == "POST":
            return self._multipart(request, key)
        if key not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        content = self.objects[key]
        headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Last-Modified": "Fri, 27 Nov 2026 00:00:00 GMT"}
        return web.Response(body=content, headers=headers)

    def _put(self, request: web.Request, key: str, body: bytes) -> web.Response:
        tag = {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
        if "uploadId" in request.query:
            self.parts[request.query["uploadId"]][int(request.query["partNumber"])] = body
        else:
            self.objects[key] = body
            self.puts.append(key)
        return web.Response(headers=tag)

    def _multipart(self, request: web.Request, key: str) -> web.Response:
        if "uploads" in request.query:
            name = f"upload-{len(self.parts)}"
            self.parts[name] = {}
            return _xml(f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>")
        parts = self.parts[request.query["uploadId"]]
        self.objects[key] = b"".join(parts[number] for number in sorted(parts))
        self.puts.append(key)
        return _xml('<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>')

    def _list(self, request: web.Request) -> web.Response:
        after = request.query.get("continuation-token", request.query.get("start-after", ""))
        found = sorted(key for key in self.objects if key.startswith(request.query.get("prefix", "")) and key > after)
        shown = found[:PAGE]
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified><ETag>x</ETag>"
            f"<Size>{len(self.objects[key])}</Size></Contents>"
            for key in shown
        )
        more = len(found) > PAGE
        following = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
        return _xml(
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{following}{entries}</ListBucketResult>"
        )


def _xml(text: str) -> web.Response:
    return web.Response(text=f'<?xml version="1.0" encoding="UTF-8"?>{text}', content_type="application/xml")


def _is_signed(request: web.Request, body: bytes) -> bool:
    """Check the signature (Signature Version 4) and that the body has the hash that was signed."""
    stated = request.headers.get("Authorization", "")
    if not stated.startswith("AWS4-HMAC-SHA256 "):
        return False
    parts = dict(part.strip().split("=", 1) for part in stated.removeprefix("AWS4-HMAC-SHA256 ").split(","))
    payload = request.headers["x-amz-content-sha256"]
    if payload not in {"UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()}:
        return False
    names = parts["SignedHeaders"].split(";")
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    pairs = [pair.partition("=") for pair in request.raw_path.partition("?")[2].split("&") if pair]
    query = "&".join(sorted(f"{_coded(name)}={_coded(value)}" for name, _, value in pairs))
    path = request.raw_path.partition("?")[0]
    canonical = f"{request.method}\n{path}\n{query}\n{headers}\n{parts['SignedHeaders']}\n{payload}"
    scope = parts["Credential"].partition("/")[2]
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{hashed}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    wanted = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, parts["Signature"]) and parts["Credential"].startswith(f"{ACCESS}/")


def _coded(text: str) -> str:
    return quote(unquote_plus(text), safe="-_.~")


@contextlib.asynccontextmanager
async def object_store() -> AsyncIterator[ObjectStoreDouble]:
    double = ObjectStoreDouble()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", double.handle)
    async with TestServer(app) as server:
        double.origin = str(URL.build(scheme="http", host="127.0.0.1", port=server.port))
        yield double
