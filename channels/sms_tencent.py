"""SMS by Tencent Cloud (SMS 2021-01-11), which sends only registered texts.

It can be asked only about outcomes that a carrier has already reported. So `find` can confirm an outcome, but never
that a message was not taken.

    [channels.sms_tencent]
    secret_id_file = "/run/secrets/tencent-id"
    secret_key_file = "/run/secrets/tencent-key"
    callback_secret_file = "/run/secrets/tencent-callback"
    app_id = "1400006666"
    sign_name = "启明学校"
    variable_length = 20
    [channels.sms_tencent.templates]
    "invitation.zh" = {id = "1100", variables = ["deadline", "ticket"]}    # 请您{1}前签署合同 https://…/s/{2}
    "code.zh" = {id = "1101", abroad = "2101", variables = ["code"]}

Both callbacks, for status and for replies, go to `…/callbacks/NAME/SECRET`.

Sources, all in Tencent Cloud's documentation (product 382): SendSms, PullSmsSendStatusByPhoneNumber, signature v3
(TC3-HMAC-SHA256), error codes (59177) and codes of receipts (3771), callbacks for status and reply (43547, 43548),
rules for variables (39023).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from channels import (
    AccountTrouble,
    CallbackAnswer,
    CallbackContent,
    CallbackRequest,
    CannotAsk,
    Channel,
    ChannelContext,
    ChannelError,
    Failure,
    Fate,
    Inbound,
    Message,
    MessageRefused,
    NotGenuine,
    NotNow,
    Receipt,
    ReceiptReport,
    ReplyLost,
    Rules,
    read_options,
)
from channels.fixed_texts import (
    MAINLAND,
    FixedTextOptions,
    choose_template,
    printable_code,
    read_entries,
    read_text,
)
from channels.json_post import post

VERSION = "2021-01-11"
SERVICE = "sms"
CONTENT_TYPE = "application/json"
KEPT = timedelta(days=7)
SKEW = timedelta(minutes=10)
MAX_ROWS = 100
SESSION_BYTES = 511
_TOOK = CallbackAnswer(200, b'{"result":0,"errmsg":"OK"}', "application/json")

_ACCOUNT = ("AuthFailure", "UnauthorizedOperation")
# The daily limits of the whole application need a person to change them, like its keys and its balance.
_ACCOUNT_CODES = frozenset(
    "FailedOperation.InsufficientBalanceInSmsPackage FailedOperation.NotEnterpriseCertification "
    "InvalidParameterValue.SdkAppIdNotExist InvalidParameter.AppidAndBizId LimitExceeded.AppDailyLimit "
    "LimitExceeded.AppMainlandChinaDailyLimit LimitExceeded.AppGlobalDailyLimit LimitExceeded.DailyLimit "
    "LimitExceeded.AppCountryOrRegionDailyLimit".split()
)
# Most are limits for one number: another provider may still have capacity for it.
_NOT_NOW = ("RequestLimitExceeded", "LimitExceeded")
_UNCERTAIN = ("InternalError", "an unknown code")
_FAILURES: Mapping[str, Failure] = {
    **dict.fromkeys(
        "InvalidParameterValue.IncorrectPhoneNumber FailedOperation.PhoneNumberParseFail".split(), Failure.ADDRESS
    ),
    "FailedOperation.PhoneNumberInBlacklist": Failure.OPTED_OUT,
    "LimitExceeded.AppCountryOrRegionInBlacklist": Failure.OTHER,
    **dict.fromkeys(
        "FailedOperation.ContainSensitiveWord FailedOperation.SignatureIncorrectOrUnapproved "
        "FailedOperation.TemplateIncorrectOrUnapproved FailedOperation.TemplateUnapprovedOrNotExist "
        "FailedOperation.TemplateParamSetNotMatchApprovedTemplate FailedOperation.TemplateIdNotExist "
        "InvalidParameter.DirtyWordFound InvalidParameterValue.ContentLengthLimit "
        "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter InvalidParameterValue.TemplateParameterFormatError "
        "InvalidParameterValue.TemplateParameterLengthLimit InvalidParameterValue.UnsupportedTemplateVariable "
        "UnsupportedOperation.ChineseMainlandTemplateToGlobalPhone "
        "UnsupportedOperation.GlobalTemplateToChineseMainlandPhone".split(),
        Failure.CONTENT,
    ),
}
# Codes of carriers. They differ between carriers, so these are only the few that mean the same everywhere.
_REPORTED: Mapping[str, Failure] = {
    "-106": Failure.FILTERED,
    **dict.fromkeys(("002", "UNDELIV", "UNDELIVRD", "EXPIRED"), Failure.TRANSIENT),
    **dict.fromkeys(("REJECTD", "REJECTED"), Failure.OTHER),
}
_FATES = {"SUCCESS": Fate.DELIVERED, "FAIL": Fate.UNDELIVERED}


class TencentOptions(FixedTextOptions):
    """Options. `variable_length`: maximum length of a value, as Tencent's console shows it for the account. Accounts
    opened since 2024 have 6, which is too short for a ticket, so their texts use pickup codes."""

    endpoint: str = Field("https://sms.tencentcloudapi.com", pattern=r"^https?://[^/?#@]+$")
    region: str = "ap-guangzhou"
    secret_id: SecretStr = Field(min_length=1)
    secret_key: SecretStr = Field(min_length=1)
    app_id: str = Field(pattern=r"^\d+$")
    sender_id: str = ""
    variable_length: int = Field(6, ge=1, le=500)


def connect(options: Mapping[str, Any], context: ChannelContext) -> Channel:
    return Tencent(read_options(TencentOptions, options, context), context)


class Tencent:
    def __init__(self, options: TencentOptions, context: ChannelContext) -> None:
        self._options = options
        self._context = context
        self.templates = options.templates
        self.rules = Rules(
            receipts=True,
            shapes=options.shapes,
            fixed_texts=True,
            prefix=f"【{options.sign_name}】",
            variable_length=options.variable_length,
        )

    async def send(self, message: Message) -> Receipt:
        text = choose_template(self._options, message, self._options.variable_length)
        asked: dict[str, Any] = {
            "PhoneNumberSet": [message.to],
            "SmsSdkAppId": self._options.app_id,
            "TemplateId": text.id,
            "TemplateParamSet": [value for _, value in text.values],
            "SessionContext": session_context(message.key),
        }
        if text.sign_name:
            asked["SignName"] = text.sign_name
        if self._options.sender_id and not message.to.startswith(MAINLAND):
            asked["SenderId"] = self._options.sender_id
        statuses = (await self._ask("SendSms", asked)).get("SendStatusSet")
        if not isinstance(statuses, list) or len(statuses) != 1 or not isinstance(statuses[0], dict):
            raise ReplyLost("an answer without the message's status")
        if statuses[0].get("Code") == "Ok":
            return Receipt(Fate.ACCEPTED, str(statuses[0].get("SerialNo") or ""))
        raise _failed(statuses[0].get("Code"))

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        """Look for the carrier's report by Tencent's id, or by our key for accounts that get it back.

        A report with only the same number and hour may be about another message and is ignored.
        """
        now = self._context.clock()
        try:
            response = await self._ask(
                "PullSmsSendStatusByPhoneNumber",
                {
                    "BeginTime": int(max(message.at - SKEW, now - KEPT).timestamp()),
                    "Offset": 0,
                    "Limit": MAX_ROWS,
                    "PhoneNumber": message.to,
                    "SmsSdkAppId": self._options.app_id,
                    "EndTime": int((now + SKEW).timestamp()),
                },
            )
        except ChannelError as error:
            raise CannotAsk(str(error)) from None
        rows = response.get("PullSmsSendStatusSet")
        ours = [row for row in rows if _speaks_of(row, message, reference)] if isinstance(rows, list) else []
        found = [row for row in ours if str(row.get("ReportStatus")) in _FATES]
        if not found:
            raise CannotAsk("Tencent answers only about what a carrier has reported")
        best = next((row for row in found if row["ReportStatus"] == "SUCCESS"), found[0])
        return _told(best["ReportStatus"], str(best.get("SerialNo") or reference), best.get("Description"))

    async def _ask(self, action: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        options = self._options
        body = json.dumps(asked, ensure_ascii=False).encode()
        now, host = int(self._context.clock().timestamp()), urlsplit(options.endpoint).netloc
        key, secret = options.secret_id.get_secret_value(), options.secret_key.get_secret_value()
        headers = {
            "authorization": authorization(key, secret, host, now, body),
            "content-type": CONTENT_TYPE,
            "host": host,
            "x-tc-action": action,
            "x-tc-timestamp": str(now),
            "x-tc-version": VERSION,
            "x-tc-region": options.region,
        }
        answered = await post(self._context.http, f"{options.endpoint}/", headers, body, options.deadline)
        response = answered.data.get("Response")
        if not isinstance(response, dict) or answered.status != 200:
            raise ReplyLost(f"status {answered.status} without an answer")
        if "Error" in response:
            error = response["Error"]
            raise _failed(error.get("Code") if isinstance(error, dict) else None)
        return response

    def read(self, call: CallbackRequest) -> CallbackContent:
        return read_entries(call, self._context, self._options, _read, _TOOK)


def authorization(secret_id: str, secret_key: str, host: str, timestamp: int, body: bytes) -> str:
    """Return the Authorization header, TC3-HMAC-SHA256 (signature v3), of a POST of JSON to /."""
    day = f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}"
    scope = f"{day}/{SERVICE}/tc3_request"
    names = "content-type;host"
    lines = f"content-type:{CONTENT_TYPE}\nhost:{host}\n"
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for part in (day, SERVICE, "tc3_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"


def session_context(key: str) -> str:
    """Return our key in the form in which Tencent gets it: less than 512 bytes."""
    return key if len(key.encode()) <= SESSION_BYTES else hashlib.sha256(key.encode()).hexdigest()


def _failed(value: Any) -> ChannelError:
    """Return the error for the code of a message that was not accepted."""
    code = printable_code(value)
    if code.startswith(_ACCOUNT) or code in _ACCOUNT_CODES:
        return AccountTrouble(code)
    if code.startswith(_NOT_NOW) and code not in _FAILURES:
        return NotNow(code)
    if code.startswith(_UNCERTAIN):
        return ReplyLost(code)
    return MessageRefused(code, _FAILURES.get(code, Failure.OTHER))


def _speaks_of(row: Any, message: Message, reference: str) -> bool:
    if not isinstance(row, dict):
        return False
    by_reference = bool(reference) and row.get("SerialNo") == reference
    return by_reference or row.get("SessionContext") == session_context(message.key)


def _told(status: str, reference: str, code: Any) -> Receipt:
    fate = _FATES[status]
    if fate is Fate.DELIVERED:
        return Receipt(fate, reference)
    detail = printable_code(code)
    return Receipt(fate, reference, _REPORTED.get(detail, Failure.OTHER), detail)


def _read(item: Mapping[str, Any]) -> ReceiptReport | Inbound:
    return _inbound(item) if "text" in item else _report(item)


def _report(item: Mapping[str, Any]) -> ReceiptReport:
    """Parse an entry of a status callback, which does not contain our key."""
    status = read_text(item, "report_status")
    if status not in _FATES:
        raise NotGenuine("an unknown report_status")
    return ReceiptReport(_told(status, read_text(item, "sid"), item.get("errmsg")), "", _sender(item))


def _inbound(item: Mapping[str, Any]) -> Inbound:
    """Parse a reply. Tencent gives it no id, so one is made of sender, time and text, to detect duplicates."""
    sender, text, time = _sender(item), read_text(item, "text", 2000), read_text(item, "time")
    if not time.isdecimal() or len(time) > 10:
        raise NotGenuine("time is no number of seconds")
    reference = hashlib.sha256(f"{sender}\n{time}\n{text}".encode()).hexdigest()[:32]
    return Inbound(reference, sender, text, datetime.fromtimestamp(int(time), UTC))


def _sender(item: Mapping[str, Any]) -> str:
    digits = read_text(item, "nationcode").removeprefix("+") + read_text(item, "mobile")
    if not re.fullmatch(r"[1-9]\d{5,14}", digits, re.ASCII):
        raise NotGenuine("not a number")
    return f"+{digits}"
