"""WeCom (企业微信): an application of the school that receives messages and answers in its response.

Callbacks: developer.work.weixin.qq.com/document/path/90930; their encryption: …/path/90968 (AES-256-CBC, the key from
EncodingAESKey, the IV its first 16 bytes, PKCS#7 to blocks of 32 bytes; the plain text is 16 random bytes, the length
in 4 bytes, the message, the receiver's id); the passive answer: …/path/90241. WeCom waits five seconds for the response
and calls three times.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from pydantic import Field, SecretStr

from chats import (
    ChatContext,
    ChatOptions,
    ChatQuestion,
    ChatRequest,
    ForgedQuestion,
    Reply,
    is_recent,
    is_same,
    read_options,
)

BLOCK_BITS = 256
RANDOM_BYTES, LENGTH_BYTES = 16, 4
XML = "application/xml"
_ENCRYPT = re.compile(rb"<Encrypt>\s*(?:<!\[CDATA\[)?\s*([A-Za-z0-9+/=]+)\s*(?:\]\]>)?\s*</Encrypt>")
_STAMP = re.compile(r"[0-9]{10}")


class WeComOptions(ChatOptions):
    """Options. `corp_id`: of the company. `token`, `encoding_aes_key`: as set in "receive messages"."""

    corp_id: str = Field(min_length=1)
    token: SecretStr
    encoding_aes_key: SecretStr = Field(min_length=43, max_length=43)


class WeComCipher:
    """The cipher for messages to and from one receiver."""

    def __init__(self, key: bytes, receiver: str) -> None:
        self._cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16]))
        self._receiver = receiver.encode()

    def encrypt(self, message: bytes) -> str:
        length = len(message).to_bytes(LENGTH_BYTES, "big")
        padder, encryptor = PKCS7(BLOCK_BITS).padder(), self._cipher.encryptor()
        plain = secrets.token_bytes(RANDOM_BYTES) + length + message + self._receiver
        padded = padder.update(plain) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def decrypt(self, text: str) -> bytes:
        """Decrypt a text. Raises ForgedQuestion if it was encrypted with another key or for another receiver."""
        decryptor, unpadder = self._cipher.decryptor(), PKCS7(BLOCK_BITS).unpadder()
        try:
            padded = decryptor.update(base64.b64decode(text, validate=True)) + decryptor.finalize()
            plain = unpadder.update(padded) + unpadder.finalize()
        except (ValueError, binascii.Error):
            raise ForgedQuestion("it cannot be decrypted") from None
        end = RANDOM_BYTES + LENGTH_BYTES + int.from_bytes(plain[RANDOM_BYTES : RANDOM_BYTES + LENGTH_BYTES], "big")
        if plain[end:] != self._receiver:
            raise ForgedQuestion("it was meant for another receiver")
        return plain[RANDOM_BYTES + LENGTH_BYTES : end]


class WeCom:
    def __init__(self, options: WeComOptions, context: ChatContext) -> None:
        self._token = options.token.get_secret_value()
        key = base64.b64decode(options.encoding_aes_key.get_secret_value() + "=")
        self._cipher = WeComCipher(key, options.corp_id)
        self._clock = context.clock

    def read(self, call: ChatRequest) -> ChatQuestion | Reply:
        if call.method == "GET":  # sent when the URL is entered at WeCom
            return Reply(body=self._opened(call, call.query.get("echostr", "")))
        found = _ENCRYPT.search(call.body)
        if found is None:
            raise ForgedQuestion("there is nothing encrypted in it")
        message = _message(self._opened(call, found[1].decode()))
        if message.get("MsgType") != "text":
            return Reply()
        person, company = message.get("FromUserName", ""), message.get("ToUserName", "")
        return ChatQuestion(person, message.get("Content", ""), message.get("MsgId", ""), {"from": company})

    def _opened(self, call: ChatRequest, encrypted: str) -> bytes:
        stamp, nonce = call.query.get("timestamp", ""), call.query.get("nonce", "")
        if not is_same(self._signature(stamp, nonce, encrypted), call.query.get("msg_signature")):
            raise ForgedQuestion("the signature is wrong")
        if not _STAMP.fullmatch(stamp) or not is_recent(int(stamp), self._clock()):
            raise ForgedQuestion("it was made at another time")
        return self._cipher.decrypt(encrypted)

    def _signature(self, stamp: str, nonce: str, encrypted: str) -> str:
        parts = "".join(sorted((self._token, stamp, nonce, encrypted)))
        return hashlib.sha1(parts.encode(errors="replace")).hexdigest()  # noqa: S324 — as WeCom prescribes it

    def reply(self, question: ChatQuestion, text: str) -> Reply:
        stamp, nonce = str(int(self._clock().timestamp())), secrets.token_hex(8)
        fields = {
            "ToUserName": question.person,
            "FromUserName": question.back["from"],
            "CreateTime": stamp,
            "MsgType": "text",
            "Content": text,
        }
        encrypted = self._cipher.encrypt(_xml(fields).encode())
        signature = self._signature(stamp, nonce, encrypted)
        envelope = {"Encrypt": encrypted, "MsgSignature": signature, "TimeStamp": stamp, "Nonce": nonce}
        return Reply(body=_xml(envelope).encode(), content_type=XML)

    async def send(self, question: ChatQuestion, text: str) -> None:
        """Do nothing: the answer is in the response."""


def connect(options: Mapping[str, Any], context: ChatContext) -> WeCom:
    return WeCom(read_options(WeComOptions, options, context), context)


def _message(document: bytes) -> dict[str, str]:
    """Parse the fields of a message. It was signed and encrypted for us; XML declarations are refused nevertheless."""
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        raise ForgedQuestion("it declares entities")
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 — nothing in it can be declared
    except (ElementTree.ParseError, ValueError):
        raise ForgedQuestion("the message is no XML") from None
    return {child.tag: child.text or "" for child in root}


def _xml(fields: Mapping[str, str]) -> str:
    return "<xml>" + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items()) + "</xml>"
