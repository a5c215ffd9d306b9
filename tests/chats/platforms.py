"""What the chat platforms send, and how they read our answers. Written from their documentation, with OpenSSL's own
program for the encryption, so that nothing here shares a line with the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode
from xml.dom import minidom

from chats import ChatRequest


@dataclass
class Sent:
    """A request of a platform, for a server or as it is passed to the chat."""

    method: str = "POST"
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def call(self) -> ChatRequest:
        return ChatRequest(
            self.method, self.query, {name.lower(): value for name, value in self.headers.items()}, self.body
        )

    @property
    def query_string(self) -> str:
        return f"?{urlencode(self.query)}" if self.query else ""


def aes_cbc(data: bytes, key: bytes, iv: bytes, *, decrypt: bool = False) -> bytes:
    direction = ["-d"] if decrypt else ["-e"]
    command = ["openssl", "enc", "-aes-256-cbc", *direction, "-nopad", "-K", key.hex(), "-iv", iv.hex()]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def padded(data: bytes, block: int) -> bytes:
    missing = block - len(data) % block
    return data + bytes([missing]) * missing


# ---- WeCom


@dataclass
class WeComPlatform:
    corp_id: str = "ww0123456789abcdef"
    token: str = "QfYm3wXkCallback"
    encoding_aes_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode()[:43])

    @property
    def options(self) -> dict[str, str]:
        return {"corp_id": self.corp_id, "token": self.token, "encoding_aes_key": self.encoding_aes_key}

    @property
    def _key(self) -> bytes:
        return base64.b64decode(self.encoding_aes_key + "=")

    def encrypted(self, message: bytes, receiver: str | None = None) -> str:
        whole = secrets.token_bytes(16) + len(message).to_bytes(4, "big") + message
        whole += (self.corp_id if receiver is None else receiver).encode()
        return base64.b64encode(aes_cbc(padded(whole, 32), self._key, self._key[:16])).decode()

    def signed(self, encrypted: str, at: datetime) -> dict[str, str]:
        stamp, nonce = str(int(at.timestamp())), str(secrets.randbelow(10**10))
        return {"msg_signature": self.signature(stamp, nonce, encrypted), "timestamp": stamp, "nonce": nonce}

    def signature(self, stamp: str, nonce: str, encrypted: str) -> str:
        return hashlib.sha1("".join(sorted([self.token, stamp, nonce, encrypted])).encode()).hexdigest()

    def verification(self, at: datetime, echo: str = "1616140317555161061") -> Sent:
        encrypted = self.encrypted(echo.encode())
        return Sent("GET", {**self.signed(encrypted, at), "echostr": encrypted})

    def envelope(self, message: str, at: datetime, receiver: str | None = None) -> Sent:
        encrypted = self.encrypted(message.encode(), receiver)
        body = (
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName><AgentID><![CDATA[1000002]]></AgentID>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        )
        return Sent("POST", self.signed(encrypted, at), {"Content-Type": "text/xml"}, body.encode())

    def message(self, person: str, text: str, at: datetime, number: str = "1234567890123456") -> Sent:
        return self.envelope(
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName><FromUserName><![CDATA[{person}]]></FromUserName>"
            f"<CreateTime>{int(at.timestamp())}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
            f"<Content><![CDATA[{text}]]></Content><MsgId>{number}</MsgId><AgentID>1000002</AgentID></xml>",
            at,
        )

    def event(self, at: datetime) -> Sent:
        return self.envelope(
            f"<xml><ToUserName><![CDATA[{self.corp_id}]]></ToUserName><FromUserName><![CDATA[li]]></FromUserName>"
            f"<CreateTime>{int(at.timestamp())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
            "<Event><![CDATA[enter_agent]]></Event><EventKey></EventKey></xml>",
            at,
        )

    def read_answer(self, body: bytes) -> dict[str, str]:
        """Read an answer as WeCom does: signature, decryption, receiver."""
        outer = fields(body)
        expected = self.signature(outer["TimeStamp"], outer["Nonce"], outer["Encrypt"])
        assert outer["MsgSignature"] == expected, "WeCom would not believe this answer"
        plain = aes_cbc(base64.b64decode(outer["Encrypt"]), self._key, self._key[:16], decrypt=True)
        assert len(plain) % 32 == 0 and 1 <= plain[-1] <= 32
        plain = plain[: -plain[-1]]
        length = int.from_bytes(plain[16:20], "big")
        assert plain[20 + length :] == self.corp_id.encode()
        return fields(plain[20 : 20 + length])


def fields(document: bytes) -> dict[str, str]:
    root = minidom.parseString(document).documentElement
    assert root is not None and root.tagName == "xml"
    return {
        child.nodeName: "".join(node.nodeValue or "" for node in child.childNodes)
        for child in root.childNodes
        if isinstance(child, minidom.Element)
    }


# ---- DingTalk


@dataclass
class DingTalkPlatform:
    app_secret: str = "Xa9-Secret-of-the-robot"
    corp_id: str = "dingcorp"

    def headers(self, at: datetime) -> dict[str, str]:
        stamp = str(int(at.timestamp() * 1000))
        mac = hmac.new(self.app_secret.encode(), f"{stamp}\n{self.app_secret}".encode(), "sha256").digest()
        return {"timestamp": stamp, "sign": base64.b64encode(mac).decode(), "Content-Type": "application/json"}

    def message(self, person: str, text: str, at: datetime, webhook: str = "", number: str = "msg1==") -> Sent:
        body = {
            "conversationId": "cid1",
            "chatbotCorpId": self.corp_id,
            "chatbotUserId": "$:LWCP_v1:$bot",
            "msgId": number,
            "senderNick": "somebody",
            "isAdmin": False,
            "senderStaffId": person,
            "senderCorpId": self.corp_id,
            "senderId": "$:LWCP_v1:$s",
            "createAt": int(at.timestamp() * 1000),
            "conversationType": "2",
            "isInAtList": True,
            "robotCode": "dingrobot",
            "msgtype": "text",
            "text": {"content": f" {text} "},
        }
        if webhook:
            body["sessionWebhook"] = webhook
        return Sent("POST", {}, self.headers(at), json.dumps(body, ensure_ascii=False).encode())


# ---- Feishu


@dataclass
class FeishuPlatform:
    app_id: str = "cli_a0123456789"
    app_secret: str = "feishu-app-secret"
    encrypt_key: str = "the encrypt key"
    verification_token: str = "v-token"

    @property
    def options(self) -> dict[str, str]:
        return {
            "app_id": self.app_id,
            "app_secret": self.app_secret,
            "encrypt_key": self.encrypt_key,
            "verification_token": self.verification_token,
        }

    def encrypted(self, event: object) -> bytes:
        iv, key = secrets.token_bytes(16), hashlib.sha256(self.encrypt_key.encode()).digest()
        secret = iv + aes_cbc(padded(json.dumps(event).encode(), 16), key, iv)
        return json.dumps({"encrypt": base64.b64encode(secret).decode()}).encode()

    def headers(self, body: bytes, at: datetime) -> dict[str, str]:
        stamp, nonce = str(int(at.timestamp())), secrets.token_hex(8)
        digest = hashlib.sha256(stamp.encode() + nonce.encode() + self.encrypt_key.encode() + body).hexdigest()
        return {
            "X-Lark-Request-Timestamp": stamp,
            "X-Lark-Request-Nonce": nonce,
            "X-Lark-Signature": digest,
            "Content-Type": "application/json",
        }

    def verification(self, token: str | None = None) -> Sent:
        asked = {"challenge": "ajls384kdjx98XX", "token": token or self.verification_token, "type": "url_verification"}
        return Sent("POST", {}, {"Content-Type": "application/json"}, self.encrypted(asked))

    def signed(self, event: object, at: datetime) -> Sent:
        body = self.encrypted(event)
        return Sent("POST", {}, self.headers(body, at), body)

    def message(self, person: str, text: str, at: datetime, number: str = "om_1", sort: str = "text") -> Sent:
        return self.signed(self.event(person, text, at, number, sort), at)

    def event(
        self, person: str, text: str, at: datetime, number: str = "om_1", sort: str = "text"
    ) -> dict[str, object]:
        stamp = str(int(at.timestamp() * 1000))
        return {
            "schema": "2.0",
            "header": {
                "event_id": secrets.token_hex(16),
                "event_type": "im.message.receive_v1",
                "create_time": stamp,
                "token": self.verification_token,
                "app_id": self.app_id,
                "tenant_key": "2ca1d211f64f6438",
            },
            "event": {
                "sender": {
                    "sender_id": {"union_id": "on_1", "user_id": "e33ggbyz", "open_id": person},
                    "sender_type": "user",
                    "tenant_key": "2ca1d211f64f6438",
                },
                "message": {
                    "message_id": number,
                    "create_time": stamp,
                    "chat_id": "oc_1",
                    "chat_type": "group",
                    "message_type": sort,
                    "content": json.dumps({"text": f"@_user_1 {text}"}),
                },
            },
        }
