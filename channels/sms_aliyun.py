"""SMS by Aliyun (Dysmsapi 2017-05-25), which sends only registered texts and can be asked about messages.

    [channels.sms_aliyun]
    access_key_id = "LTAI…"
    access_key_secret_file = "/run/secrets/aliyun"
    callback_secret_file = "/run/secrets/aliyun-callback"
    sign_name = "启明学校"
    [channels.sms_aliyun.templates]
    "invitation.zh" = {id = "SMS_1", variables = ["deadline", "ticket"]}   # 请您${deadline}前签署合同 https://…/s/${ticket}
    "code.zh" = {id = "SMS_2", abroad = "SMS_3", variables = ["code"]}

Variables in its templates have our names. Receipts and replies both go to `…/callbacks/NAME/SECRET` ("HTTP批量推送").

Sources, all in Aliyun's documentation: the operations SendSms and QuerySendDetails; request signature V3; error codes
(document 101346) and codes of receipts (101347); the callbacks SmsReport (101867; of the international site:
"sms-webhook-1" and 162962) and SmsUp; rules for notifications (463270) and for sending (44335).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr
from yarl import URL

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
from channels.json_post import ProviderAnswer, post

VERSION = "2017-05-25"
# Characters of a value in a notification (463270). The limit for a code is lower; Aliyun checks that one itself.
VARIABLE_LENGTH = 35
# Aliyun states no limit for OutId; longer keys than this are sent as their hash.
OUT_ID_LENGTH = 128
HASHED = "sha256-"
# Aliyun's days and times are always in UTC+8.
ZONE = ZoneInfo("Asia/Shanghai")
KEPT_DAYS = 30
PAGE = 50
MAX_PAGES = 20
# How much our clock and Aliyun's may differ: Aliyun refuses requests that are further off.
SKEW = timedelta(minutes=15)
_TOOK = CallbackAnswer(200, json.dumps({"code": 0, "msg": "接收成功"}, ensure_ascii=False).encode(), "application/json")

_ACCOUNT = frozenset(
    "isv.AMOUNT_NOT_ENOUGH isv.OUT_OF_SERVICE isv.ACCOUNT_ABNORMAL isv.ACCOUNT_NOT_EXISTS isv.ACCOUNT_ILLEGAL "
    "isv.PRODUCT_UN_SUBSCRIPT isv.PRODUCT_UNSUBSCRIBE isv.DENY_IP_RANGE isv.DAY_LIMIT_CONTROL isv.MONTH_LIMIT_CONTROL "
    "isv.SMS_TEST_SIGN_TEMPLATE_LIMIT isv.SMS_TEST_NUMBER_LIMIT isp.RAM_PERMISSION_DENY isv.RAM_PERMISSION_DENY "
    "SignatureDoesNotMatch IncompleteSignature NoPermission".split()
)
# Codes of receipts: carriers hold back all messages with a signature that is not registered with them (实名制报备), or
# that they have banned. The same signature is put before every text of an account.
_NOT_REGISTERED = frozenset({"PORT_NOT_REGISTERED", "SIGNATURE_BLACKLIST"})
_ACCOUNT_BEGINNINGS = ("InvalidAccessKeyId", "MissingAccessKeyId", "InvalidTimeStamp", "Forbidden", "InvalidSecurity")
# The first is a limit for one number (per minute, hour, day): another provider may still have capacity for it.
_NOT_NOW = frozenset({"isv.BUSINESS_LIMIT_CONTROL", "isv.QPS_LIMIT_CONTROL"})
# Trouble at Aliyun, or a used nonce: something on the way repeated our request, so one of the two may have counted.
_UNCERTAIN = ("isp.", "SignatureNonceUsed")
_FAILURES: Mapping[str, Failure] = {
    **dict.fromkeys(("isv.MOBILE_NUMBER_ILLEGAL", "INVALID_NUMBER"), Failure.ADDRESS),
    **dict.fromkeys("isv.CUSTOMER_REFUSED USER_REJECT MOBILE_IN_BLACK".split(), Failure.OPTED_OUT),
    # Older documents say "a forbidden word in a variable", newer ones "the number complained". It counts as content,
    # since a number that is wrongly taken for opted out would never get a message again.
    "isv.BLACK_KEY_CONTROL_LIMIT": Failure.CONTENT,
    **dict.fromkeys("CONTENT_KEYWORD isv.SMS_SECURITY_INTERCEPTED".split(), Failure.FILTERED),
    **dict.fromkeys(
        "isv.SMS_SIGNATURE_ILLEGAL isv.SMS_SIGN_ILLEGAL isv.SIGN_STATE_ILLEGAL isv.SMS_SIGNATURE_SCENE_ILLEGAL "
        "isv.SMS_SIGN_NAME_ILLEGAL isv.SMS_TEMPLATE_ILLEGAL isv.SMS_CONTENT_ILLEGAL isv.TEMPLATE_MISSING_PARAMETERS "
        "isv.TEMPLATE_PARAMS_ILLEGAL isv.INVALID_PARAMETERS isv.INVALID_JSON_PARAM isv.PARAM_LENGTH_LIMIT "
        "isv.PARAM_NOT_SUPPORT_URL isv.UNSUPPORTED_CONTENT isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE "
        "isv.DOMESTIC_NUMBER_NOT_SUPPORTED isv.EXTEND_CODE_ERROR CONTENT_ERROR PARAMS_ILLEGAL".split(),
        Failure.CONTENT,
    ),
    # MOBILE_NOT_ON_SERVICE is used for dead numbers and for phones that are off; no carrier reports REQUEST_SUCCESS.
    **dict.fromkeys(
        "MOBILE_NOT_ON_SERVICE MOBILE_SEND_LIMIT MOBILE_ACCOUNT_ABNORMAL MOBILE_TERMINAL_ERROR MOBLLE_TERMINAL_ERROR "
        "REQUEST_SUCCESS EXPIRED IS_CLOSE IS_CLOSED SP_UNKNOWN_ERROR".split(),
        Failure.TRANSIENT,
    ),
}
# A listed message in any other state was accepted.
_FATES = {"2": Fate.UNDELIVERED, "3": Fate.DELIVERED}
_STATES_ABROAD = {"1": Fate.DELIVERED, "2": Fate.UNDELIVERED, "6": Fate.UNDELIVERED}
_STATES_TO_MAINLAND = {"1": Fate.ACCEPTED, **_FATES}
_DIGITS = re.compile(r"[1-9]\d{5,14}", re.ASCII)
_BEST = (Fate.UNDELIVERED, Fate.ACCEPTED, Fate.DELIVERED)


class AliyunSmsOptions(FixedTextOptions):
    """Options. `listed_after`: seconds that a message may take to appear in Aliyun's list. Until then, its absence
    proves nothing."""

    endpoint: str = Field("https://dysmsapi.aliyuncs.com", pattern=r"^https?://[^/?#@]+$")
    access_key_id: str = Field(min_length=1)
    access_key_secret: SecretStr = Field(min_length=1)
    listed_after: float = Field(30, ge=0)


def connect(options: Mapping[str, Any], context: ChannelContext) -> Channel:
    return Aliyun(read_options(AliyunSmsOptions, options, context), context)


class Aliyun:
    def __init__(self, options: AliyunSmsOptions, context: ChannelContext) -> None:
        self._options = options
        self._context = context
        self.templates = options.templates
        self.rules = Rules(
            receipts=True,
            queryable=True,
            shapes=options.shapes,
            fixed_texts=True,
            prefix=f"【{options.sign_name}】",
            variable_length=VARIABLE_LENGTH,
        )

    async def send(self, message: Message) -> Receipt:
        text = choose_template(self._options, message, VARIABLE_LENGTH)
        answered = await self._ask(
            "SendSms",
            {
                "PhoneNumbers": _local(message.to),
                "SignName": text.sign_name or self._options.sign_name,
                "TemplateCode": text.id,
                "TemplateParam": json.dumps(dict(text.values), ensure_ascii=False),
                "OutId": out_id(message.key),
            },
        )
        if answered.status == 200 and answered.data.get("Code") == "OK":
            return Receipt(Fate.ACCEPTED, str(answered.data.get("BizId") or ""))
        raise _failed(answered)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        """Look for our key, which every message carries, in the list of the number's messages."""
        now = self._context.clock()
        first = (message.at - SKEW).astimezone(ZONE).date()
        days = ((now + SKEW).astimezone(ZONE).date() - first).days + 1
        found = [
            _told(_FATES.get(str(row.get("SendStatus")), Fate.ACCEPTED), reference, row.get("ErrCode"))
            for day in range(min(days, KEPT_DAYS))
            for row in await self._listed(message.to, first + timedelta(max(days - KEPT_DAYS, 0) + day))
            if row.get("OutId") == out_id(message.key)
        ]
        if found:
            return max(found, key=lambda receipt: _BEST.index(receipt.fate))
        if days > KEPT_DAYS:
            raise CannotAsk("the message is older than what Aliyun keeps")
        if not self._has_to_list(message, now):
            raise CannotAsk("Aliyun may not list it yet")
        return None

    def _has_to_list(self, message: Message, now: datetime) -> bool:
        """Return whether the last call is long enough ago for the message to be in the list."""
        over = message.called_at + timedelta(seconds=self._options.deadline) if message.called_at else message.at
        return now - over >= timedelta(seconds=self._options.listed_after)

    async def _listed(self, to: str, day: date) -> list[Mapping[str, Any]]:
        """Return all messages to a number on one day. Raises CannotAsk if the list may be incomplete."""
        rows: list[Mapping[str, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            try:
                answered = await self._ask(
                    "QuerySendDetails",
                    {
                        "PhoneNumber": _local(to),
                        "SendDate": f"{day:%Y%m%d}",
                        "PageSize": str(PAGE),
                        "CurrentPage": str(page),
                    },
                )
            except ChannelError as error:
                raise CannotAsk(str(error)) from None
            total, listed = _page(answered)
            rows += listed
            if len(rows) == total:
                return rows
            if len(listed) < PAGE:
                break
        raise CannotAsk("Aliyun's list is not complete")

    async def _ask(self, action: str, query: Mapping[str, str]) -> ProviderAnswer:
        key, secret = self._options.access_key_id, self._options.access_key_secret.get_secret_value()
        host = urlsplit(self._options.endpoint).netloc
        headers = signed(key, secret, SignedQuery(host, action, query), self._context.clock(), token_hex(16))
        url = URL(f"{self._options.endpoint}/?{canonical_query(query)}", encoded=True)
        return await post(self._context.http, url, headers, b"", self._options.deadline)

    def read(self, call: CallbackRequest) -> CallbackContent:
        return read_entries(call, self._context, self._options, _read, _TOOK)


@dataclass(frozen=True)
class SignedQuery:
    """A request to Aliyun: an action with its parameters, at one of its hosts."""

    host: str
    action: str
    query: Mapping[str, str]


def signed(key: str, secret: str, asked: SignedQuery, now: datetime, nonce: str) -> dict[str, str]:
    """Return the headers of a request without body, with its ACS3-HMAC-SHA256 signature (request signature V3)."""
    body_hash = hashlib.sha256(b"").hexdigest()
    headers = {
        "accept": "application/json",
        "host": asked.host,
        "x-acs-action": asked.action,
        "x-acs-content-sha256": body_hash,
        "x-acs-date": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": nonce,
        "x-acs-version": VERSION,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n{canonical_query(asked.query)}\n{lines}\n{names}\n{body_hash}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return headers | {"authorization": f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"}


def canonical_query(query: Mapping[str, str]) -> str:
    """Return the query string as it is signed and sent."""
    return "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))


def out_id(key: str) -> str:
    """Return our key in the form in which Aliyun gets and returns it."""
    return key if len(key) <= OUT_ID_LENGTH else HASHED + hashlib.sha256(key.encode()).hexdigest()


def _local(to: str) -> str:
    """Return the number as Aliyun expects it: mainland numbers without +86, others without the plus."""
    return to.removeprefix(MAINLAND) if to.startswith(MAINLAND) else to.removeprefix("+")


def _number(said: str) -> str:
    """Return a number from Aliyun as E.164. Eleven digits that look like a mainland mobile number count as one."""
    digits = said.removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        raise NotGenuine("not a number")
    return f"{MAINLAND if re.fullmatch('1[3-9][0-9]{9}', digits) else '+'}{digits}"


def _failed(answered: ProviderAnswer) -> ChannelError:
    code = printable_code(answered.data.get("Code"))
    if code in _ACCOUNT or code.startswith(_ACCOUNT_BEGINNINGS):
        return AccountTrouble(code)
    if code in _NOT_NOW or code.startswith("Throttling"):
        return NotNow(code, answered.retry_after)
    if answered.status < 500 and code.startswith("isv."):
        return MessageRefused(code, _FAILURES.get(code, Failure.OTHER))
    if 400 <= answered.status < 500 and not code.startswith(_UNCERTAIN):
        return NotNow(code, answered.retry_after)  # refused by its gateway
    return ReplyLost(code)


def _page(answered: ProviderAnswer) -> tuple[int, list[Mapping[str, Any]]]:
    data = answered.data
    if answered.status != 200 or data.get("Code") != "OK":
        raise CannotAsk(printable_code(data.get("Code")))
    listed = data.get("SmsSendDetailDTOs") or {}
    rows = (listed.get("SmsSendDetailDTO") or []) if isinstance(listed, dict) else None
    total = str(data.get("TotalCount"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not total.isdecimal():
        raise CannotAsk("Aliyun's list cannot be read")
    return int(total), rows


def _told(fate: Fate, reference: str, code: Any) -> Receipt:
    if fate is not Fate.UNDELIVERED:
        return Receipt(fate, reference)
    detail = printable_code(code)
    return Receipt(fate, reference, _failure(detail), detail)


def _failure(code: str) -> Failure:
    account = code in _ACCOUNT or code.startswith(_ACCOUNT_BEGINNINGS) or code in _NOT_REGISTERED
    return Failure.ACCOUNT if account else _FAILURES.get(code, Failure.OTHER)


def _read(item: Mapping[str, Any]) -> ReceiptReport | Inbound:
    if "content" in item:
        return _inbound(item)
    return _report_abroad(item) if "To" in item or "PhoneNumber" in item else _report(item)


def _report_abroad(item: Mapping[str, Any]) -> ReceiptReport:
    """Parse an entry of SmsReport of the international site: `To` for numbers abroad, `PhoneNumber` for the mainland.

    Its `MessageId` is not always the BizId that we were given, so the number is used as well.
    """
    to_mainland = "PhoneNumber" in item
    states = _STATES_TO_MAINLAND if to_mainland else _STATES_ABROAD
    state = read_text(item, "SendStatus" if to_mainland else "Status")
    if state not in states:
        raise NotGenuine("an unknown status")
    if to_mainland:
        ours = read_text(item, "ExternalId") if item.get("ExternalId") else ""
        receipt = _told(states[state], read_text(item, "BizId"), item.get("ErrorCode"))
        return ReceiptReport(receipt, "" if ours.startswith(HASHED) else ours, _number(read_text(item, "PhoneNumber")))
    digits = read_text(item, "To").removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        raise NotGenuine("not a number")
    return ReceiptReport(_told(states[state], read_text(item, "MessageId"), item.get("ErrorCode")), to=f"+{digits}")


def _report(item: Mapping[str, Any]) -> ReceiptReport:
    """Parse an entry of SmsReport."""
    if not isinstance(item.get("success"), bool):
        raise NotGenuine("success is no boolean")
    fate = Fate.DELIVERED if item["success"] else Fate.UNDELIVERED
    ours = read_text(item, "out_id") if item.get("out_id") else ""
    return ReceiptReport(
        _told(fate, read_text(item, "biz_id"), item.get("err_code")),
        "" if ours.startswith(HASHED) else ours,
        _number(read_text(item, "phone_number")),
    )


def _inbound(item: Mapping[str, Any]) -> Inbound:
    """Parse an entry of SmsUp."""
    text = read_text(item, "content", 2000)
    return Inbound(
        read_text(item, "sequence_id"), _number(read_text(item, "phone_number")), text, _time(item.get("send_time"))
    )


def _time(value: Any, forms: Iterable[str] = ("%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S")) -> datetime | None:
    """Parse a time in one of the documented forms; None if unreadable, so that the message is not lost."""
    for form in forms:
        try:
            return datetime.strptime(str(value), form).replace(tzinfo=ZONE).astimezone(UTC)
        except ValueError:
            continue
    return None
