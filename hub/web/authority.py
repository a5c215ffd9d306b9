"""Serve the URLs in the certificates of the built-in authority: revocation list (RFC 5280), OCSP (RFC 6960), root."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import unquote

from aiohttp import web
from asn1crypto import x509

from hub.authorities import Revoked, ocsp
from hub.authorities.builtin import REVOCATION_LIST_PATH, ROOT_PATH, STATUS_PATH
from hub.errors import BadInput, TooMany, Unavailable
from hub.model.signing.authority_choice import BUILTIN
from hub.model.staff.scope import EVERYTHING
from hub.web.http.app_keys import RATE_LIMITS
from hub.wiring import Hub

# Signed answers are cached for this time and for everybody, so that visitors cannot keep the token busy.
KEPT = timedelta(minutes=10)
MAX_KEPT = 2000
# The most answers about several certificates that are signed within that time. Otherwise anybody with a contract could
# ask about its certificates in ever new orders. About a single certificate there are only two answers.
MAX_COMBINED = 100


Statuses = tuple[tuple[ocsp.CertificateId, Revoked | None], ...]


class _RevocationList:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._list = b""
        self._revoked: list[Revoked] = []
        self._made_at: datetime | None = None
        self._making = asyncio.Lock()

    async def now(self) -> bytes:
        """Return the revocation list, renewed at once after a revocation. Raises TokenUnavailable."""
        clock = self._hub.services.clock
        async with self._making:
            async with self._hub.database.transaction(EVERYTHING) as tx:
                revoked = [Revoked(*each) for each in await tx.certificates.list_revoked(BUILTIN)]
            fresh = self._made_at is not None and clock() - self._made_at < KEPT
            if not fresh or revoked != self._revoked:
                self._list = await self._hub.pki.authority.revocation_list(revoked)
                self._made_at, self._revoked = clock(), revoked
            return self._list


class _Answers:
    """The OCSP responses. Only existing certificates get one, which limits the number of responses to sign, and only
    some combinations of them."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        own = (hub.pki.seal_chain[0], hub.pki.timestamps.certificates[0])
        self._own = {x509.Certificate.load(certificate).serial_number for certificate in own}
        self._kept: OrderedDict[Statuses, tuple[datetime, bytes]] = OrderedDict()
        self._making = asyncio.Lock()

    async def to(self, wanted: bytes, request: web.Request) -> bytes:
        """Return the response (DER) to `wanted`; an OCSP error if it is malformed or about foreign certificates."""
        try:
            asked = tuple(dict.fromkeys(ocsp.read_request(wanted)))
        except BadInput:
            return ocsp.make_failure("malformed_request")
        if not all(self._hub.pki.authority.is_asked(each) for each in asked):
            return ocsp.make_failure("unauthorized")
        try:
            return await self._answer(asked, request)
        except (Unavailable, TooMany):
            return ocsp.make_failure("try_later")

    async def _answer(self, asked: Sequence[ocsp.CertificateId], request: web.Request) -> bytes:
        serials = {each.serial for each in asked}
        async with self._hub.database.transaction(EVERYTHING) as tx:
            known = await tx.certificates.list_known(BUILTIN, serials) | (serials & self._own)
            revoked = {each[0]: Revoked(*each) for each in await tx.certificates.list_revoked(BUILTIN, serials)}
        if serials - known:
            return ocsp.make_failure("unauthorized")
        statuses = tuple((each, revoked.get(each.serial)) for each in asked)
        if kept := self._find_kept(statuses):  # so a kept answer waits for no signature
            return kept
        async with self._making:
            if kept := self._find_kept(statuses):
                return kept
            if len(statuses) > 1:
                await request.app[RATE_LIMITS].slow_down(request, "ocsp")
            return await self._make(statuses)

    def _find_kept(self, statuses: Statuses) -> bytes | None:
        made_at, answer = self._kept.get(statuses, (None, None))
        return answer if made_at and self._hub.services.clock() - made_at < KEPT else None

    async def _make(self, statuses: Statuses) -> bytes:
        now = self._hub.services.clock()
        if len(statuses) > 1 and self._count_combined(now) >= MAX_COMBINED:
            return ocsp.make_failure("try_later")
        answer = await self._hub.pki.authority.answer(statuses)
        self._kept[statuses] = (now, answer)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return answer

    def _count_combined(self, now: datetime) -> int:
        return sum(len(statuses) > 1 and now - at < KEPT for statuses, (at, _) in self._kept.items())


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    revocations, answers = _RevocationList(hub), _Answers(hub)

    async def revoked(request: web.Request) -> web.Response:
        return web.Response(body=await revocations.now(), content_type="application/pkix-crl", headers=_kept(KEPT))

    async def root(request: web.Request) -> web.Response:
        day = _kept(timedelta(days=1))
        return web.Response(body=hub.pki.authority.root, content_type="application/pkix-cert", headers=day)

    async def posted(request: web.Request) -> web.Response:
        try:
            wanted = await request.clone(client_max_size=ocsp.MAX_REQUEST_BYTES + 1).read()
        except web.HTTPRequestEntityTooLarge:  # a longer request is not read completely
            wanted = b""
        return _status_response(await answers.to(wanted, request))

    async def asked(request: web.Request) -> web.Response:
        """Answer a GET with the base64 of the request in the path (RFC 6960, A.1)."""
        try:
            wanted = base64.b64decode(unquote(request.match_info["request"]), validate=True)
        except (binascii.Error, ValueError):
            wanted = b""
        response = _status_response(await answers.to(wanted, request))
        response.headers.update(_kept(KEPT))
        return response

    return [
        web.get(REVOCATION_LIST_PATH, revoked),
        web.get(ROOT_PATH, root),
        web.post(STATUS_PATH, posted),
        web.get(STATUS_PATH + "/{request:.+}", asked),
    ]


def _status_response(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/ocsp-response")


def _kept(long: timedelta) -> dict[str, str]:
    return {"Cache-Control": f"public, max-age={int(long.total_seconds())}"}
