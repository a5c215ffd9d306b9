"""DingTalk (钉钉): a robot of the school. Each message to it arrives as a callback.

Receiving messages: open.dingtalk.com/document/orgapp/receive-message (headers `timestamp` in milliseconds and `sign` =
Base64(HMAC-SHA256(app secret, timestamp + "\\n" + app secret)); not genuine if more than an hour off). The answer goes
to the `sessionWebhook` of the message, or into the response. The signature does not cover the body; only TLS protects
it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from chats import (
    ChatContext,
    ChatOptions,
    ChatQuestion,
    ChatRequest,
    ForgedQuestion,
    NotSent,
    Reply,
    is_recent,
    is_same,
    post,
    read_object,
    read_options,
)

JSON = "application/json"
_STAMP = re.compile(r"[0-9]{13}")


class DingTalkOptions(ChatOptions):
    """Options. `answer`: where answers go, to the message's webhook (`session`) or into the response (`body`).
    `webhooks`: the only origin to which answers are sent. `corp_id`: if set, people of other companies get none."""

    app_secret: SecretStr
    answer: Literal["session", "body"] = "session"
    webhooks: str = "https://oapi.dingtalk.com"
    corp_id: str | None = None


class DingTalk:
    def __init__(self, options: DingTalkOptions, context: ChatContext) -> None:
        self._options = options
        self._secret = options.app_secret.get_secret_value()
        self._context = context

    def read(self, call: ChatRequest) -> ChatQuestion | Reply:
        self._verify(call)
        message = read_object(call.body)
        text = message.get("text")
        person, reference = message.get("senderStaffId"), message.get("msgId")
        of_another = self._options.corp_id is not None and message.get("senderCorpId") != self._options.corp_id
        if message.get("msgtype") != "text" or not isinstance(text, dict) or not isinstance(person, str) or of_another:
            return Reply()  # a picture, or somebody who is not of this company
        content, back = text.get("content"), message.get("sessionWebhook")
        if not isinstance(content, str) or not isinstance(reference, str):
            raise ForgedQuestion("a field of the message is missing")
        return ChatQuestion(person, content, reference, {"webhook": back} if isinstance(back, str) else {})

    def _verify(self, call: ChatRequest) -> None:
        stamp = call.headers.get("timestamp", "")
        if not _STAMP.fullmatch(stamp) or not is_recent(int(stamp) / 1000, self._context.clock()):
            raise ForgedQuestion("it was made at another time")
        mac = hmac.digest(self._secret.encode(), f"{stamp}\n{self._secret}".encode(), hashlib.sha256)
        if not is_same(base64.b64encode(mac).decode(), call.headers.get("sign")):
            raise ForgedQuestion("the signature is wrong")

    def reply(self, question: ChatQuestion, text: str) -> Reply | None:
        if self._options.answer == "session" and "webhook" in question.back:
            return None
        return Reply(body=_message(text), content_type=JSON)

    async def send(self, question: ChatQuestion, text: str) -> None:
        webhook = question.back.get("webhook", "")
        if not self._ours(webhook):
            raise NotSent("the webhook leads elsewhere")
        taken = (await post(self._context.http, webhook, _message(text), {})).get("errcode")
        if taken != 0:
            raise NotSent(f"errcode {taken}")

    def _ours(self, webhook: str) -> bool:
        """Return whether a webhook URL may be called. Without this check a message could make the hub call any URL."""
        try:
            asked, allowed = urlsplit(webhook), urlsplit(self._options.webhooks)
        except ValueError:
            return False
        return (asked.scheme, asked.netloc) == (allowed.scheme, allowed.netloc)


def connect(options: Mapping[str, Any], context: ChatContext) -> DingTalk:
    return DingTalk(read_options(DingTalkOptions, options, context), context)


def _message(text: str) -> bytes:
    return json.dumps({"msgtype": "text", "text": {"content": text}}, ensure_ascii=False).encode()
