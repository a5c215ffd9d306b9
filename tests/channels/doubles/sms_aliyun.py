"""Aliyun's SMS service as far as we use it: SendSms, QuerySendDetails, and its callbacks.

It checks each request's signature with its own implementation of request signature V3, not with the channel's code. A
test with the official SDK confirms that implementation.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted, Trouble

KEY, SECRET = "LTAI5tExampleKey", "example-secret-of-the-key"
CALLBACK_SECRET = "a-path-that-only-aliyun-knows"
SIGN_NAME = "签达学校"
CHINA = timezone(timedelta(hours=8))
PURPOSES = "invitation reminder last-call code completed new-link your-turn withdrawn expired".split()
_AUTHORIZATION = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([a-z0-9;-]+),Signature=([0-9a-f]{64})")
_MUST_BE_SIGNED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}


@dataclass(frozen=True)
class Sent:
    """What the list of a day shows of a message."""

    biz_id: str
    phone: str
    out_id: str
    at: datetime
    content: str
    template: str
    status: int = 1
    code: str = ""


class Double:
    able = frozenset(Trouble)

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.trouble: list[Trouble] = []
        self.sent: list[Sent] = []
        self.asked: list[Mapping[str, str]] = []
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.listed_after = timedelta(0)
        self.templates = {f"SMS_{number}": name for number, name in enumerate(PURPOSES, 1)}
        self.endpoint = ""
        self._nonces: set[str] = set()
        self._sequence = count(1234567890)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/", self._handle)
        async with TestServer(app) as server:
            self.endpoint = f"http://127.0.0.1:{server.port}"
            yield

    def options(self) -> Mapping[str, Any]:
        codes = {name: code for code, name in self.templates.items()}
        return {
            "endpoint": self.endpoint,
            "access_key_id": KEY,
            "access_key_secret": SECRET,
            "sign_name": SIGN_NAME,
            "callback_secret": CALLBACK_SECRET,
            "listed_after": 0,
            "templates": {
                f"{purpose}.{language}": {
                    "id": codes[purpose],
                    "abroad": f"{codes[purpose]}0",
                    "variables": ["code"] if purpose == "code" else ["ticket"],
                }
                for purpose in PURPOSES
                for language in ("zh", "en")
            },
        }

    # ---- its API

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if code := await self._refusal(request):
            return _answer({"Code": code, "Message": f"{code} for this request"}, status=400)
        query = dict(parse_qsl(request.url.raw_query_string, keep_blank_values=True))
        self.asked.append(query)
        if request.headers["x-acs-action"] == "QuerySendDetails":
            return self._details(query)
        if request.headers["x-acs-action"] == "SendSms":
            return await self._send(request, query)
        return _answer({"Code": "InvalidAction.NotFound", "Message": "no such action"}, status=404)

    async def _refusal(self, request: web.Request) -> str:
        """Return the error with which the gateway refuses the request, or "" if it accepts it."""
        stated = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if not stated:
            return "IncompleteSignature"
        key, names, signature = stated.groups()
        if key != KEY:
            return "InvalidAccessKeyId.NotFound"
        date, nonce = request.headers.get("x-acs-date", ""), request.headers.get("x-acs-signature-nonce", "")
        if signature != signature_of(request, names.split(";"), await request.read()):
            return "SignatureDoesNotMatch"
        if abs(self.clock() - datetime.strptime(f"{date}+0000", "%Y-%m-%dT%H:%M:%SZ%z")) > timedelta(minutes=15):
            return "InvalidTimeStamp.Expired"
        if nonce in self._nonces:
            return "SignatureNonceUsed"
        self._nonces.add(nonce)
        return "" if request.headers.get("x-acs-version") == "2017-05-25" else "InvalidVersion"

    async def _send(self, request: web.Request, query: Mapping[str, str]) -> web.StreamResponse:
        trouble = self.trouble.pop(0) if self.trouble else None
        answered = {
            Trouble.BAD_NUMBER: ("isv.MOBILE_NUMBER_ILLEGAL", 200),
            Trouble.OPTED_OUT: ("isv.CUSTOMER_REFUSED", 200),
            Trouble.BUSY: ("Throttling.User", 400),
            Trouble.ACCOUNT: ("isv.AMOUNT_NOT_ENOUGH", 200),
        }
        if trouble in answered:
            code, status = answered[trouble]
            return _answer({"Code": code, "Message": code}, status=status)
        if code := self._fault(query):
            return _answer({"Code": code, "Message": code})
        sent = self._accept(query)
        if trouble is Trouble.GATEWAY_ERROR:
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        if trouble is Trouble.LATE_REPLY:
            await until_gone(request)
        if trouble is Trouble.LOSE_REPLY and request.transport:
            request.transport.abort()
        return _answer({"Code": "OK", "Message": "OK", "BizId": sent.biz_id})

    def _fault(self, query: Mapping[str, str]) -> str:
        """Return the error code by which Aliyun's business rules refuse the message, or ""."""
        phone, template = query["PhoneNumbers"], query["TemplateCode"]
        mainland = bool(re.fullmatch(r"1[3-9]\d{9}", phone))
        if not re.fullmatch(r"[1-9]\d{7,14}", phone):
            return "isv.MOBILE_NUMBER_ILLEGAL"
        if (template if mainland else template.removesuffix("0")) not in self.templates:
            return "isv.SMS_TEMPLATE_ILLEGAL"
        if query["SignName"] != SIGN_NAME:
            return "isv.SMS_SIGNATURE_ILLEGAL"
        values = json.loads(query["TemplateParam"])
        if not all(isinstance(value, str) and value for value in values.values()):
            return "isv.TEMPLATE_MISSING_PARAMETERS"
        if any("://" in value for value in values.values()):
            return "isv.PARAM_NOT_SUPPORT_URL"
        return "isv.PARAM_LENGTH_LIMIT" if any(len(value) > 35 for value in values.values()) else ""

    def _accept(self, query: Mapping[str, str]) -> Sent:
        content = f"【{SIGN_NAME}】{query['TemplateCode']} {' '.join(json.loads(query['TemplateParam']).values())}"
        sent = Sent(
            f"9006197469364984{len(self.sent):03}^0",
            query["PhoneNumbers"],
            query.get("OutId", ""),
            self.clock(),
            content,
            query["TemplateCode"],
        )
        self.sent.append(sent)
        self.accepted.append(Accepted(sent.biz_id, international(sent.phone), content, sent.out_id))
        return sent

    def _details(self, query: Mapping[str, str]) -> web.Response:
        rows = [
            {
                "PhoneNum": sent.phone,
                "SendStatus": sent.status,
                "ErrCode": sent.code,
                "TemplateCode": sent.template,
                "Content": sent.content,
                "SendDate": f"{sent.at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
                "OutId": sent.out_id,
            }
            for sent in reversed(self.sent)
            if self.clock() - sent.at >= self.listed_after
            and sent.phone == query["PhoneNumber"]
            and f"{sent.at.astimezone(CHINA):%Y%m%d}" == query["SendDate"]
        ]
        size, page = int(query["PageSize"]), int(query["CurrentPage"])
        if not 1 <= size <= 50:
            return _answer({"Code": "isv.INVALID_PARAMETERS", "Message": "PageSize"})
        return _answer(
            {
                "Code": "OK",
                "Message": "OK",
                "TotalCount": len(rows),
                "SmsSendDetailDTOs": {"SmsSendDetailDTO": rows[(page - 1) * size : page * size]},
            }
        )

    # ---- its callbacks

    def report(self, biz_id: str, fate: Fate, code: str = "") -> Mapping[str, Any]:
        """Record the carrier's report, which the list shows from now on. Return the entry of SmsReport."""
        code = code or ("DELIVERED" if fate is Fate.DELIVERED else "MOBILE_NOT_ON_SERVICE")
        index = next(place for place, sent in enumerate(self.sent) if sent.biz_id == biz_id)
        sent = replace(self.sent[index], status=3 if fate is Fate.DELIVERED else 2, code=code)
        self.sent[index] = sent
        return {
            "phone_number": sent.phone,
            "send_time": f"{sent.at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
            "report_time": f"{self.clock().astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
            "success": fate is Fate.DELIVERED,
            "err_code": code,
            "err_msg": "说明",
            "sms_size": "1",
            "biz_id": biz_id,
            "out_id": sent.out_id,
        }

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        return None if fate is Fate.ACCEPTED else called(place, [self.report(message.reference, fate)])

    def account_at_fault(self, message: Accepted, place: ChannelContext) -> CallbackRequest:
        """Return the call that reports that the account's signature is not registered with the carrier."""
        return called(place, [self.report(message.reference, Fate.UNDELIVERED, "PORT_NOT_REGISTERED")])

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        phone = sender.removeprefix("+86") if sender.startswith("+86") else sender.removeprefix("+")
        return called(
            place,
            [
                {
                    "phone_number": phone,
                    "content": text,
                    "send_time": f"{self.clock().astimezone(CHINA):%Y-%m-%d %H:%M:%S}",
                    "dest_code": "1234",
                    "sequence_id": next(self._sequence),
                }
            ],
        )

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        """Return the call as a stranger makes it: Aliyun signs nothing, but a stranger does not know the address."""
        strange = "an-address-that-was-guessed-at"
        return replace(
            call, url=call.url.replace(CALLBACK_SECRET, strange), path=call.path.replace(CALLBACK_SECRET, strange)
        )


def called(place: ChannelContext, entries: list[Mapping[str, Any]]) -> CallbackRequest:
    url = f"{place.callbacks}/{CALLBACK_SECRET}"
    body = json.dumps(entries, ensure_ascii=False).encode()
    return CallbackRequest("POST", url, urlsplit(url).path, {"content-type": "application/json;charset=UTF-8"}, body)


def international(phone: str) -> str:
    return f"+86{phone}" if re.fullmatch(r"1[3-9]\d{9}", phone) else f"+{phone}"


def signature_of(request: web.Request, names: list[str], body: bytes) -> str:
    """Return the signature that the request should have, or "" if it leaves something unsigned."""
    given = {name.lower(): value.strip() for name, value in request.headers.items()}
    must = _MUST_BE_SIGNED | {name for name in given if name.startswith("x-acs-")}
    body_hash = hashlib.sha256(body).hexdigest()
    if not must <= set(names) <= set(given) or names != sorted(names) or given["x-acs-content-sha256"] != body_hash:
        return ""
    pairs = sorted(parse_qsl(request.url.raw_query_string, keep_blank_values=True))
    query = "&".join(quote(name, safe="-_.~") + "=" + quote(value, safe="-_.~") for name, value in pairs)
    canonical = [request.method, request.url.raw_path, query, *(f"{name}:{given[name]}" for name in names), ""]
    canonical += [";".join(names), body_hash]
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    return hmac.digest(SECRET.encode(), f"ACS3-HMAC-SHA256\n{digest}".encode(), "sha256").hex()


async def until_gone(request: web.Request) -> None:
    """Wait until the client has given up."""
    async with asyncio.timeout(30):
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.02)


def _answer(data: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response({"RequestId": "819BE656-D2E0-4858-8B21-B2E477085AAF", **data}, status=status)
