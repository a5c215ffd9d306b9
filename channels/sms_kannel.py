"""SMS by the school's own Kannel gateway.

    [channels.sms_kannel]
    url = "http://127.0.0.1:13013/cgi-bin/sendsms"
    username = "qianda"
    password_file = "/run/secrets/kannel"
    callback_secret_file = "/run/secrets/kannel-callback"
    sender = "10690000"            # omit it if the gateway sets one

In Kannel's own configuration a `sendsms-user` needs `max-messages` and `concatenation`, or Kannel cuts long texts
without an error. Replies arrive by an `sms-service`, with every parameter as shown here; `max-messages = 0` prevents
Kannel from answering them itself:

    group = sendsms-user                     group = sms-service
    username = qianda                        keyword = default
    password = …                             catch-all = true
    max-messages = 10                        max-messages = 0
    concatenation = true                     get-url = "https://HUB/callbacks/sms_kannel/SECRET?sender=%q&text=%b&
                                                        charset=%C&at=%T&id=%I"

(the address in one line; `post-url` with the same address works as well). Numbers must be international: use
`unified-prefix` of Kannel's `smsc` groups for that. With `http-request-retry` and `http-queue-delay` in its `smsbox`
group no callback is lost while the hub is away.

A message is sent as a POST with X-Kannel headers. In a GET, text and password would be part of the URL, and an HTTP
client may repeat a GET by itself when a kept connection turns out to be closed. Kannel gives a message no id and cannot
be asked about one; our key is part of the URL for its reports.

Source: kannel.org, User Guide 1.4.5: "Using the HTTP interface to send SMS messages", "SMS Delivery Reports", tables
7-10, 7-11, 7-16.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

import aiohttp
from pydantic import Field, HttpUrl, SecretStr

from channels import (
    AccountTrouble,
    CallbackAnswer,
    CallbackContent,
    CallbackRequest,
    CannotAsk,
    Channel,
    ChannelContext,
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
from channels.answers import read_answer
from channels.secret_path import CallbackSecret, SecretPathOptions, check_path

# The characters of 3GPP TS 23.038, with its extension. Other texts are sent as UCS-2.
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)
SEVEN_BIT, UCS2 = "0", "2"
# dlr-mask: delivered to the phone, not delivered to it, refused by the SMS centre.
FINAL_REPORTS = 1 + 2 + 16
EXPIRED, UNKNOWN = 34, 66
# Values of %d.
FATES = {
    1: Fate.DELIVERED,
    2: Fate.UNDELIVERED,
    4: Fate.ACCEPTED,
    8: Fate.ACCEPTED,
    16: Fate.UNDELIVERED,
    EXPIRED: Fate.UNDELIVERED,
    UNKNOWN: Fate.UNDELIVERED,
}
# SMPP command_status of a refusal (SMPP 3.4, 5.1.3): source or destination address, queue full, throttled.
NACKS = {10: Failure.ADDRESS, 11: Failure.ADDRESS, 20: Failure.TRANSIENT, 88: Failure.TRANSIENT}
CHARSETS = {"UTF-8": "utf-8", "UTF-16BE": "utf-16-be", "WINDOWS-1252": "cp1252", "ISO-8859-1": "latin-1"}
BINARY = "8-BIT"
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Kannel accepts only 200 and 202 as an answer.
OK = CallbackAnswer(200)


class KannelOptions(SecretPathOptions):
    """Options. `receipts = false` for SMS centres without delivery reports."""

    url: HttpUrl
    username: str = Field(pattern=r"^[!-~]+$")
    password: SecretStr
    callback_secret: CallbackSecret
    sender: str = Field("", pattern=r"^[ -~]*$")
    smsc: str = Field("", pattern=r"^[!-~]*$")
    receipts: bool = True


def connect(options: Mapping[str, Any], context: ChannelContext) -> Channel:
    return Kannel(read_options(KannelOptions, options, context), context)


class Kannel:
    def __init__(self, options: KannelOptions, context: ChannelContext) -> None:
        self._options = options
        self._http = context.http
        self._callbacks = f"{context.callbacks}/{options.callback_secret.get_secret_value()}"
        self.rules = Rules(receipts=options.receipts)

    async def send(self, message: Message) -> Receipt:
        if not NUMBER.fullmatch(message.to):
            raise MessageRefused("not an international number", Failure.ADDRESS)
        # Half of the time is for connecting: if that fails, the message was certainly not taken.
        timeout = aiohttp.ClientTimeout(total=self._options.deadline, sock_connect=self._options.deadline / 2)
        try:
            async with self._http.post(
                str(self._options.url),
                data=message.text.encode(),
                headers=self._headers(message),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return _receipt(response.status, (await read_answer(response)).decode("utf-8", "replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotNow(f"no connection: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ReplyLost(f"no answer: {type(error).__name__}") from error

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        raise CannotAsk("Kannel cannot be asked about a message")

    def read(self, call: CallbackRequest) -> CallbackContent:
        check_path(call, self._options)
        if call.method not in ("GET", "POST") or (call.method == "GET" and call.body):
            raise NotGenuine(f"no call of Kannel's: {call.method}")
        values = _values(call.path.partition("?")[2])
        if values.keys() == {"key", "report", "reply"}:
            return CallbackContent(reports=(_report(values),), answer=OK)
        if values.keys() == {"sender", "text", "charset", "id", "at"}:
            return CallbackContent(inbound=_inbound(values), answer=OK)
        raise NotGenuine("neither a report nor a message")

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": self._options.username,
            "X-Kannel-Password": self._options.password.get_secret_value(),
            "X-Kannel-To": message.to,
            "X-Kannel-Coding": SEVEN_BIT if GSM.issuperset(message.text) else UCS2,
            # A kept connection that the gateway closes while we write would look like a lost reply.
            "Connection": "close",
        }
        if self._options.receipts:
            headers |= {"X-Kannel-DLR-Mask": str(FINAL_REPORTS), "X-Kannel-DLR-URL": self._report_url(message.key)}
        if self._options.sender:
            headers["X-Kannel-From"] = self._options.sender
        if self._options.smsc:
            headers["X-Kannel-SMSC"] = self._options.smsc
        return headers

    def _report_url(self, key: str) -> str:
        """Return the URL for Kannel's reports, in which it replaces `%d` and `%A`, and `%%` by `%`."""
        ours = f"{self._callbacks}?key={quote(key, safe='')}".replace("%", "%%")
        return f"{ours}&reply=%A&report=%d"


def _receipt(status: int, text: str) -> Receipt:
    """Return the receipt for Kannel's answer to a message, or raise its error."""
    match status:
        case 202 if text.startswith(("0:", "Sent.")):
            return Receipt(Fate.ACCEPTED)
        case 202 if text.startswith("3:"):
            return Receipt(Fate.ACCEPTED, detail="queued")
        case 400:
            raise _refused(text)
        case 403 if text.startswith("Not routable"):
            raise MessageRefused("not routable", Failure.ADDRESS)
        case 401 | 403 | 404 | 407:
            raise AccountTrouble(f"{status}: {_words(text)}")
        case 503 if text.startswith("Temporal failure"):
            raise NotNow("temporal failure")
        case _:
            raise ReplyLost(f"answer {status}")


def _refused(text: str) -> MessageRefused | AccountTrouble:
    """Return the error for a refused request: the number, the text, or the configuration of channel or gateway."""
    if "black-lists" in text or "receiver number" in text:
        return MessageRefused(_words(text), Failure.ADDRESS)
    if text.startswith("Charset or body"):
        return MessageRefused(_words(text), Failure.CONTENT)
    return AccountTrouble(f"400: {_words(text)}")


def _words(text: str) -> str:
    """Return Kannel's reason without digits, which may be a number."""
    return re.sub(r"[\d+]+", "…", text)[:100]


def _values(query: str) -> dict[str, bytes]:
    """Parse a query into bytes. Another parameter of Kannel's names their charset."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, encoding="latin-1", max_num_fields=10)
    except ValueError as error:
        raise NotGenuine("an unreadable query") from error
    values = {name: value.encode("latin-1") for name, value in pairs}
    if len(values) != len(pairs):
        raise NotGenuine("a parameter that occurs twice")
    return values


def _report(values: Mapping[str, bytes]) -> ReceiptReport:
    key, report, reply = (values[name].decode("utf-8", "replace") for name in ("key", "report", "reply"))
    if not key.isprintable() or not key or not re.fullmatch(r"\d{1,2}", report) or int(report) not in FATES:
        raise NotGenuine("a report without key or value")
    fate = FATES[int(report)]
    failure, detail = _why(int(report), reply) if fate is Fate.UNDELIVERED else (None, "")
    return ReceiptReport(Receipt(fate, failure=failure, detail=" ".join(filter(None, (f"dlr {report}", detail)))), key)


def _why(report: int, reply: str) -> tuple[Failure, str]:
    """Return failure and code of the SMS centre's reply, which may be an SMPP receipt (SMPP 3.4, appendix B).

    The rest of the reply may contain the number or the text and is dropped. UNDELIV and the like give no reason.
    """
    if refused := re.match(r"NACK/(\d{1,10})\b", reply):
        return NACKS.get(int(refused[1]), Failure.OTHER), f"nack {refused[1]}"
    state, code = re.search(r"\bstat:([A-Z]{4,8})\b", reply), re.search(r"\berr:(\w{1,5})\b", reply)
    words = " ".join(word for word in (state and f"stat {state[1]}", code and f"err {code[1]}") if word)
    expired = report == EXPIRED or (state and state[1] == "EXPIRED")
    return Failure.TRANSIENT if expired else Failure.OTHER, words


def _inbound(values: Mapping[str, bytes]) -> tuple[Inbound, ...]:
    """Return the inbound message; none if it is not text or has no sender's number."""
    charset, sender = values["charset"].decode("latin-1").upper(), values["sender"].decode("latin-1")
    reference, at = values["id"].decode("latin-1"), values["at"].decode("latin-1")
    if not ID.fullmatch(reference) or not re.fullmatch(r"\d{1,11}", at):
        raise NotGenuine("a message without id or time")
    number = sender if sender.startswith("+") else f"+{sender}"
    if charset == BINARY or not NUMBER.fullmatch(number):
        return ()
    try:
        text = values["text"].decode(CHARSETS[charset])
    except (KeyError, UnicodeDecodeError) as error:
        raise NotGenuine("a text in an unknown charset") from error
    return (Inbound(reference, number, text, datetime.fromtimestamp(int(at), UTC)),)
