"""Tencent Cloud's SMS service as far as we use it: SendSms, PullSmsSendStatusByPhoneNumber, and its callbacks.

It checks each request's signature with its own implementation of signature v3, not with the channel's code; a test with
the official SDK confirms that implementation. Like the real service, it answers questions about a message only after
its carrier has reported.
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
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted, Trouble

KEY, SECRET = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3", "Gu5t9xGARNpq86cd98joQYCN3"
CALLBACK_SECRET = "a-path-that-only-tencent-knows"
SIGN_NAME, APP_ID = "签达学校", "1400006666"
PURPOSES = "invitation reminder last-call code completed new-link your-turn withdrawn expired".split()
_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(\w+)/(\d{4}-\d\d-\d\d)/sms/tc3_request, SignedHeaders=([a-z0-9;-]+), "
    r"Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class Sent:
    serial: str
    phone: str
    context: str
    at: datetime
    status: str = ""
    code: str = ""


class Double:
    able = frozenset(Trouble)

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.trouble: list[Trouble] = []
        self.sent: list[Sent] = []
        self.asked: list[Mapping[str, Any]] = []
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.hands_back_context = False
        """Off, as for every account that has not asked for it."""
        self.variable_length = 20
        self.templates = {str(1100 + number): purpose for number, purpose in enumerate(PURPOSES)}
        self.templates_abroad = {str(2100 + number): purpose for number, purpose in enumerate(PURPOSES)}
        self.endpoint = ""
        self._seconds = count()
        """Nobody writes twice in one second."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/", self._handle)
        async with TestServer(app) as server:
            self.endpoint = f"http://127.0.0.1:{server.port}"
            yield

    def options(self) -> Mapping[str, Any]:
        ids = {purpose: number for number, purpose in self.templates.items()}
        abroad = {purpose: number for number, purpose in self.templates_abroad.items()}
        return {
            "endpoint": self.endpoint,
            "secret_id": KEY,
            "secret_key": SECRET,
            "app_id": APP_ID,
            "sign_name": SIGN_NAME,
            "callback_secret": CALLBACK_SECRET,
            "variable_length": self.variable_length,
            "templates": {
                f"{purpose}.{language}": {
                    "id": ids[purpose],
                    "abroad": abroad[purpose],
                    "variables": ["code"] if purpose == "code" else ["ticket"],
                }
                for purpose in PURPOSES
                for language in ("zh", "en")
            },
        }

    # ---- its API

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if code := self._refusal(request, body):
            return _error(code)
        asked = json.loads(body)
        self.asked.append(asked)
        if asked.get("SmsSdkAppId") != APP_ID:
            return _error("UnauthorizedOperation.SmsSdkAppIdVerifyFail")
        if request.headers["X-TC-Action"] == "PullSmsSendStatusByPhoneNumber":
            return self._pulled(asked)
        if request.headers["X-TC-Action"] == "SendSms":
            return await self._send(request, asked)
        return _error("InvalidAction")

    def _refusal(self, request: web.Request, body: bytes) -> str:
        """Return the error with which the gateway refuses the request, or "" if it accepts it."""
        stated = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if not stated:
            return "AuthFailure.InvalidAuthorization"
        key, day, names, signature = stated.groups()
        if key != KEY:
            return "AuthFailure.SecretIdNotFound"
        timestamp = request.headers.get("X-TC-Timestamp", "")
        if signature != signature_of(request, day, names.split(";"), timestamp, body):
            return "AuthFailure.SignatureFailure"
        if abs(self.clock().timestamp() - int(timestamp)) > 300:
            return "AuthFailure.SignatureExpire"
        if request.headers.get("X-TC-Version") != "2021-01-11":
            return "NoSuchVersion"
        return "" if request.headers.get("X-TC-Region") else "MissingParameter"

    async def _send(self, request: web.Request, asked: Mapping[str, Any]) -> web.StreamResponse:
        trouble = self.trouble.pop(0) if self.trouble else None
        if trouble is Trouble.BUSY:
            return _error("RequestLimitExceeded")
        answered = {
            Trouble.BAD_NUMBER: "InvalidParameterValue.IncorrectPhoneNumber",
            Trouble.OPTED_OUT: "FailedOperation.PhoneNumberInBlacklist",
            Trouble.ACCOUNT: "FailedOperation.InsufficientBalanceInSmsPackage",
        }
        (phone,) = asked["PhoneNumberSet"]
        code = answered[trouble] if trouble in answered else self._fault(phone, asked)
        if code:
            return _statuses(phone, "", asked, code)
        sent = self._accept(phone, asked)
        if trouble is Trouble.GATEWAY_ERROR:
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        if trouble is Trouble.LATE_REPLY:
            await until_gone(request)
        if trouble is Trouble.LOSE_REPLY and request.transport:
            request.transport.abort()
        return _statuses(phone, sent.serial, asked, "Ok")

    def _fault(self, phone: str, asked: Mapping[str, Any]) -> str:
        """Return the error code by which Tencent's business rules refuse the message, or ""."""
        mainland = phone.startswith("+86")
        if not re.fullmatch(r"\+[1-9]\d{7,14}", phone):
            return "InvalidParameterValue.IncorrectPhoneNumber"
        if mainland and asked.get("SignName") != SIGN_NAME:
            return "FailedOperation.SignatureIncorrectOrUnapproved"
        if asked["TemplateId"] not in (self.templates if mainland else self.templates_abroad):
            return "FailedOperation.TemplateUnapprovedOrNotExist"
        if len(asked["TemplateParamSet"]) != 1:
            return "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"
        if any("://" in value for value in asked["TemplateParamSet"]):
            return "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter"
        too_long = any(len(value) > self.variable_length for value in asked["TemplateParamSet"])
        return "InvalidParameterValue.TemplateParameterLengthLimit" if too_long else ""

    def _accept(self, phone: str, asked: Mapping[str, Any]) -> Sent:
        context = asked.get("SessionContext", "")
        sent = Sent(f"5000:{1045710669157053657849499619 + len(self.sent)}", phone, context, self.clock())
        text = f"【{SIGN_NAME}】{asked['TemplateId']} {' '.join(asked['TemplateParamSet'])}"
        self.sent.append(sent)
        self.accepted.append(Accepted(sent.serial, phone, text, context))
        return sent

    def _pulled(self, asked: Mapping[str, Any]) -> web.Response:
        if asked["Offset"] != 0 or not 1 <= asked["Limit"] <= 100 or asked["BeginTime"] > asked["EndTime"]:
            return _error("InvalidParameterValue.OffsetVerifyFail")
        rows = [
            {
                "UserReceiveTime": int(sent.at.timestamp()),
                "CountryCode": "86",
                "SubscriberNumber": sent.phone[3:],
                "PhoneNumber": sent.phone,
                "SerialNo": sent.serial,
                "ReportStatus": sent.status,
                "Description": sent.code,
                "SessionContext": sent.context if self.hands_back_context else "",
            }
            for sent in self.sent
            if sent.status
            and sent.phone == asked["PhoneNumber"]
            and asked["BeginTime"] <= sent.at.timestamp() <= asked["EndTime"]
        ]
        return _response({"PullSmsSendStatusSet": rows[: asked["Limit"]]})

    # ---- its callbacks

    def report(self, serial: str, fate: Fate, code: str = "") -> Mapping[str, Any]:
        """Record the carrier's report, which can be pulled from now on. Return the entry of the callback."""
        code = code or ("DELIVRD" if fate is Fate.DELIVERED else "UNDELIV")
        index = next(place for place, sent in enumerate(self.sent) if sent.serial == serial)
        sent = replace(self.sent[index], status="SUCCESS" if fate is Fate.DELIVERED else "FAIL", code=code)
        self.sent[index] = sent
        nation, mobile = parts(sent.phone)
        return {
            "user_receive_time": f"{self.clock():%Y-%m-%d %H:%M:%S}",
            "nationcode": nation,
            "mobile": mobile,
            "report_status": sent.status,
            "errmsg": code,
            "description": "说明",
            "sid": serial,
        }

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        return None if fate is Fate.ACCEPTED else called(place, [self.report(message.reference, fate)])

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        nation, mobile = parts(sender)
        return called(
            place,
            {
                "extend": "",
                "mobile": mobile,
                "nationcode": nation,
                "sign": SIGN_NAME,
                "text": text,
                "time": int(self.clock().timestamp()) + next(self._seconds),
            },
        )

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        """Return the call as a stranger makes it: Tencent signs nothing, but a stranger does not know the address."""
        strange = "an-address-that-was-guessed-at"
        return replace(
            call, url=call.url.replace(CALLBACK_SECRET, strange), path=call.path.replace(CALLBACK_SECRET, strange)
        )


def called(place: ChannelContext, data: Any) -> CallbackRequest:
    url = f"{place.callbacks}/{CALLBACK_SECRET}"
    return CallbackRequest(
        "POST", url, urlsplit(url).path, {"content-type": "application/json"}, json.dumps(data).encode()
    )


def parts(phone: str) -> tuple[str, str]:
    """Split a number into country code and the rest. Only the countries that the tests use are known."""
    nation = next(code for code in ("86", "852", "1") if phone.startswith(f"+{code}"))
    return nation, phone.removeprefix(f"+{nation}")


def signature_of(request: web.Request, day: str, names: list[str], timestamp: str, body: bytes) -> str:
    """Return the signature that the request should have, or "" if it leaves something unsigned."""
    given = {name.lower(): value.strip() for name, value in request.headers.items()}
    try:
        utc_day = f"{datetime.fromtimestamp(int(timestamp), UTC):%Y-%m-%d}"
    except ValueError:
        return ""
    if not {"content-type", "host"} <= set(names) <= set(given) or names != sorted(names) or day != utc_day:
        return ""
    canonical = [request.method, "/", "", *(f"{name}:{given[name].lower()}" for name in names), "", ";".join(names)]
    canonical.append(hashlib.sha256(body).hexdigest())
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    date_key = hmac.digest(f"TC3{SECRET}".encode(), day.encode(), "sha256")
    signing_key = hmac.digest(hmac.digest(date_key, b"sms", "sha256"), b"tc3_request", "sha256")
    to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{day}/sms/tc3_request\n{digest}"
    return hmac.digest(signing_key, to_sign.encode(), "sha256").hex()


async def until_gone(request: web.Request) -> None:
    """Wait until the client has given up."""
    async with asyncio.timeout(30):
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.02)


def _response(data: Mapping[str, Any]) -> web.Response:
    answer = {"Response": {**data, "RequestId": "a0aabda6-cf91-4f3e-a81f-9198114a2279"}}
    return web.Response(body=json.dumps(answer).encode(), content_type="application/json")  # without a charset


def _error(code: str) -> web.Response:
    return _response({"Error": {"Code": code, "Message": f"{code} for this request"}})


def _statuses(phone: str, serial: str, asked: Mapping[str, Any], code: str) -> web.Response:
    return _response(
        {
            "SendStatusSet": [
                {
                    "SerialNo": serial,
                    "PhoneNumber": phone,
                    "Fee": 1 if serial else 0,
                    "Code": code,
                    "Message": code,
                    "SessionContext": asked.get("SessionContext", ""),
                    "IsoCode": "CN",
                }
            ]
        }
    )
