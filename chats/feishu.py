"""Feishu (飞书, Lark): a robot application of the school, subscribed to `im.message.receive_v1`.

Receiving events: open.feishu.cn/document/ukTMukTMukTM/uYDNxYjL2QTM24iN0EjN/event-subscription-configure-/
encrypt-key-encryption-configuration-case (X-Lark-Signature = SHA-256 over timestamp, nonce, Encrypt Key and body, hex;
`encrypt` = Base64(IV ‖ AES-256-CBC under SHA-256(Encrypt Key))). The answer: …/reference/im-v1/message/reply, whose
`uuid` makes the same answer count once within an hour; the token for it:
…/auth-v3/auth/tenant_access_token_internal.
Feishu waits three seconds for our response, and calls again after 15 s, 5 min, 1 h and 6 h.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from pydantic import Field, SecretStr

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

IV_BYTES = 16
# How long before its expiry a token is renewed.
EARLIER = timedelta(minutes=5)
TOKEN_REFUSED = (99991661, 99991663, 99991664, 99991668)
_STAMP = re.compile(r"[0-9]{10}")
# The id of a message, which becomes a segment of the reply's URL.
_MESSAGE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MENTION = re.compile(r"@_(?:user_\d+|all)\b")


class FeishuOptions(ChatOptions):
    """Options. The credentials are those of the developer console, where an Encrypt Key has to be set. `person`: the
    kind of user id that is mapped to staff. `origin`: https://open.larksuite.com for Lark."""

    app_id: str = Field(min_length=1)
    app_secret: SecretStr
    encrypt_key: SecretStr = Field(min_length=1)
    verification_token: SecretStr = Field(min_length=1)
    person: Literal["open_id", "user_id", "union_id"] = "open_id"
    origin: str = "https://open.feishu.cn"


class Feishu:
    def __init__(self, options: FeishuOptions, context: ChatContext) -> None:
        self._options = options
        self._encrypt_key = options.encrypt_key.get_secret_value()
        self._context = context
        self._token = ""
        self._token_until = datetime.min.replace(tzinfo=UTC)
        self._one_at_a_time = asyncio.Lock()

    # ---- receiving

    def read(self, call: ChatRequest) -> ChatQuestion | Reply:
        envelope = read_object(call.body).get("encrypt")
        if not isinstance(envelope, str):
            raise ForgedQuestion("there is nothing encrypted in it")
        signed = "x-lark-signature" in call.headers
        if signed:
            self._verify(call)
        event = read_object(self._decrypted(envelope))
        if event.get("type") == "url_verification":  # sent when the URL is entered at Feishu; it is not signed
            self._check_token(event.get("token"))
            challenge = json.dumps({"challenge": event.get("challenge")})
            return Reply(body=challenge.encode(), content_type="application/json")
        header = event.get("header")
        if not signed or not isinstance(header, dict):
            raise ForgedQuestion("it is not signed")
        self._check_token(header.get("token"))
        return self._question(event) if header.get("event_type") == "im.message.receive_v1" else Reply()

    def _verify(self, call: ChatRequest) -> None:
        stamp = call.headers.get("x-lark-request-timestamp", "")
        head = stamp + call.headers.get("x-lark-request-nonce", "") + self._encrypt_key
        digest = hashlib.sha256(head.encode(errors="replace") + call.body).hexdigest()
        if not is_same(digest, call.headers.get("x-lark-signature")):
            raise ForgedQuestion("the signature is wrong")
        if not _STAMP.fullmatch(stamp) or not is_recent(int(stamp), self._context.clock()):
            raise ForgedQuestion("it was made at another time")

    def _decrypted(self, envelope: str) -> bytes:
        key = hashlib.sha256(self._encrypt_key.encode()).digest()
        unpadder = PKCS7(128).unpadder()
        try:
            raw = base64.b64decode(envelope, validate=True)
            decryptor = Cipher(algorithms.AES(key), modes.CBC(raw[:IV_BYTES])).decryptor()
            return unpadder.update(decryptor.update(raw[IV_BYTES:]) + decryptor.finalize()) + unpadder.finalize()
        except (ValueError, binascii.Error):
            raise ForgedQuestion("it cannot be decrypted") from None

    def _check_token(self, token: object) -> None:
        if not is_same(self._options.verification_token.get_secret_value(), token):
            raise ForgedQuestion("the verification token is wrong")

    def _question(self, event: Mapping[str, Any]) -> ChatQuestion | Reply:
        try:
            sender, message = event["event"]["sender"], event["event"]["message"]
            if sender["sender_type"] != "user" or message["message_type"] != "text":
                return Reply()
            person, reference = sender["sender_id"].get(self._options.person), message["message_id"]
            text = read_object(message["content"].encode(errors="replace"))["text"]
        except (KeyError, TypeError, AttributeError):
            raise ForgedQuestion("a field of the event is missing") from None
        if not isinstance(text, str) or not isinstance(reference, str) or not _MESSAGE.fullmatch(reference):
            raise ForgedQuestion("a field of the event cannot be right")
        if not isinstance(person, str):
            return Reply()  # the application may not see this sort of id
        return ChatQuestion(person, _MENTION.sub(" ", text), reference)

    # ---- sending

    def reply(self, question: ChatQuestion, text: str) -> None:
        """Return None: Feishu needs the answer in a separate request."""

    async def send(self, question: ChatQuestion, text: str) -> None:
        path = f"/open-apis/im/v1/messages/{question.reference}/reply"
        once = hashlib.sha256(question.reference.encode()).hexdigest()[:40]
        body = {"content": json.dumps({"text": text}, ensure_ascii=False), "msg_type": "text", "uuid": once}
        answer = await self._post(path, body, await self._tenant_token())
        if answer.get("code") in TOKEN_REFUSED:
            self._token = ""
            answer = await self._post(path, body, await self._tenant_token())
        if answer.get("code") != 0:
            raise NotSent(f"code {answer.get('code')}")

    async def _tenant_token(self) -> str:
        async with self._one_at_a_time:
            now = self._context.clock()
            if not self._token or now >= self._token_until:
                asked = {"app_id": self._options.app_id, "app_secret": self._options.app_secret.get_secret_value()}
                answer = await self._post("/open-apis/auth/v3/tenant_access_token/internal", asked)
                token, life = answer.get("tenant_access_token"), answer.get("expire")
                if answer.get("code") != 0 or not isinstance(token, str) or not isinstance(life, int):
                    raise NotSent(f"no token: code {answer.get('code')}")
                self._token, self._token_until = token, now + timedelta(seconds=life) - EARLIER
            return self._token

    async def _post(self, path: str, body: Mapping[str, str], token: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self._options.origin.rstrip("/") + path
        return await post(self._context.http, url, json.dumps(body).encode(), headers)


def connect(options: Mapping[str, Any], context: ChatContext) -> Feishu:
    return Feishu(read_options(FeishuOptions, options, context), context)
