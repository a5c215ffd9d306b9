"""What is special about `email`. What it shares with every channel is in test_conformance."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import io
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zxingcpp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image

from channels import (
    AccountTrouble,
    BadOptions,
    ChannelContext,
    ChannelError,
    Failure,
    Fate,
    Message,
    MessageRefused,
    NotNow,
    ReplyLost,
)
from channels.email import Email, connect
from tests.channels.doubles.email import Double

MOMENT = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
KEY = "step-5f0c7a52-5c8e-4f9b-9d1e-0a4a4c6f2b11-2026-12-01T00:00:00+00:00-last-call-2026-12-09T00:00:00+08:00"
LINK = "https://sign.example.org/s/7F3KQ0ZC8M2XA"
TEXT = f"张伟您好:\n\n<英语> & 数学的合同待签署。\n请打开 {LINK}\n\n启明学校"
MESSAGE = Message(
    KEY,
    "parent@example.org",
    "last-call",
    "zh",
    TEXT,
    "last-call",
    {},
    MOMENT,
    "合同将于 12 月 9 日截止,请尽快签署",
    LINK,
)
WRONG_PASSWORD = {"password": "not the password"}


class Ledger:
    async def accept(self, key: str) -> None: ...

    async def accepted(self, key: str) -> bool:
        return False


@pytest.fixture
async def place() -> AsyncIterator[ChannelContext]:
    async with aiohttp.ClientSession() as http:
        yield ChannelContext("email", "https://hub.example.org/callbacks/email", http, Ledger(), lambda: MOMENT)


def connected(options: Mapping[str, Any], place: ChannelContext, **changes: Any) -> Email:
    channel = connect({**options, **changes}, place)
    assert isinstance(channel, Email)
    return channel


def received(double: Double) -> EmailMessage:
    mail = email.message_from_bytes(next(iter(double.mails.values())), policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


# ---- the mail


async def test_a_mail_has_the_text_a_page_and_the_code(double: Double, place: ChannelContext) -> None:
    receipt = await connected(double.options(), place, reply_to="启明学校 <office@school.example>").send(MESSAGE)
    mail = received(double)
    assert receipt.reference == mail["Message-ID"]
    assert str(mail["From"]) == "签达 <sign@school.example>" and str(mail["To"]) == MESSAGE.to
    assert str(mail["Reply-To"]) == "启明学校 <office@school.example>"
    assert mail["Subject"] == MESSAGE.subject and mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == MOMENT
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain and page and double.accepted[0].text == TEXT
    shown = page.get_content()
    assert (
        "&lt;英语&gt; &amp; 数学" in shown and f'<a href="{LINK}">{LINK}</a>' in shown and '<html lang="zh">' in shown
    )
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert f'src="cid:{picture["Content-ID"][1:-1]}"' in shown and picture.get_content_disposition() == "inline"
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture.get_content())))
    assert code.text == LINK.upper()


async def test_a_mail_without_link_has_no_code(double: Double, place: ChannelContext) -> None:
    await connected(double.options(), place).send(replace(MESSAGE, link="", text="验证码 123456"))
    assert {part.get_content_type() for part in received(double).walk()} == {
        "multipart/alternative",
        "text/plain",
        "text/html",
    }


async def test_the_same_message_has_the_same_id_which_tells_nothing(double: Double, place: ChannelContext) -> None:
    channel = connected(double.options(), place)
    first, second = [await channel.send(MESSAGE) for _ in range(2)]
    other = await channel.send(replace(MESSAGE, key="another"))
    assert first.reference == second.reference != other.reference
    assert first.reference.endswith("@school.example>") and "5f0c" not in first.reference


async def test_every_line_goes_through_an_old_server(double: Double, place: ChannelContext) -> None:
    await connected(double.options(), place).send(replace(MESSAGE, subject="很长的标题" * 40, text="很" * 3000))
    raw = next(iter(double.mails.values()))
    assert raw.isascii() and max(map(len, raw.splitlines())) <= 78
    assert received(double)["Subject"] == "很长的标题" * 40


async def test_nothing_becomes_another_header_or_command(double: Double, place: ChannelContext) -> None:
    channel = connected(double.options(), place)
    await channel.send(replace(MESSAGE, subject="a\r\nBcc: all@example.org"))
    assert received(double)["Bcc"] is None
    for to in ("a@b.cn\r\nRCPT TO:<c@d.cn>", "a@b.cn>", "a b@c.cn", "张伟@example.org", "no address", "a@b@c.cn"):
        with pytest.raises(MessageRefused) as refused:
            await channel.send(replace(MESSAGE, to=to))
        assert refused.value.failure is Failure.ADDRESS
    assert len(double.accepted) == 1


async def test_a_chinese_domain_is_written_as_servers_do(double: Double, place: ChannelContext) -> None:
    await connected(double.options(), place).send(replace(MESSAGE, to="li@启明.example"))
    assert double.accepted[0].to == "li@xn--drru92b.example"


# ---- keys and certificates


def authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return a server's TLS context, and the PEM that trusts it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem.decode()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_leaves_encrypted_to_a_server_that_is_trusted(
    place: ChannelContext, tmp_path: Path, security: str
) -> None:
    context, ca = authority(tmp_path)
    double = Double(context, implicit=security == "tls")
    async with double.serving():
        await connected(double.options(), place, security=security, ca=ca).send(MESSAGE)
        with pytest.raises(AccountTrouble, match="certificate"):
            await connected(double.options(), place, security=security).send(MESSAGE)
    assert len(double.accepted) == 1


async def test_where_no_encryption_is_offered_no_password_is_sent(double: Double, place: ChannelContext) -> None:
    with pytest.raises(AccountTrouble, match="STARTTLS"):
        await connected(double.options(), place, security="starttls").send(MESSAGE)
    with pytest.raises(AccountTrouble, match="535"):
        await connected(double.options(), place, **WRONG_PASSWORD).send(MESSAGE)
    with pytest.raises(AccountTrouble, match="530"):
        await connected(double.options(), place, username="").send(MESSAGE)
    assert not double.accepted


# ---- how servers answer


class Script:
    """A server that answers each command as it is told to. `None` makes it hang up."""

    GREETING, MAIL, RCPT, DATA, BODY = "greeting", "MAIL", "RCPT", "DATA", "body"

    def __init__(self, **replies: str | None) -> None:
        self._replies: dict[str, str | None] = {
            "greeting": "220 mail ESMTP",
            "EHLO": "250-mail\r\n250 DSN",
            "MAIL": "250 2.1.0 Ok",
            "RCPT": "250 2.1.5 Ok",
            "DATA": "354 go on",
            "body": "250 2.0.0 Ok",
            "QUIT": "221 bye",
            **replies,
        }
        self.commands: list[str] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[dict[str, Any]]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        try:
            yield {
                "host": "127.0.0.1",
                "port": server.sockets[0].getsockname()[1],
                "security": "none",
                "sender": "sign@school.example",
                "bounces": "bounces@school.example",
                "deadline": 0.5,
            }
        finally:
            server.close()
            await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            word = self.GREETING
            while (reply := self._replies[word]) is not None:
                writer.write(reply.encode() + b"\r\n")
                if word == self.DATA and reply.startswith("354"):
                    await reader.readuntil(b"\r\n.\r\n")
                    word = self.BODY
                    continue
                line = (await reader.readuntil(b"\n")).decode().strip()
                self.commands.append(line)
                word = line.split()[0]


SAYINGS: list[tuple[dict[str, str | None], type[ChannelError], Failure | None]] = [
    ({"greeting": "421 4.3.2 closing"}, NotNow, None),
    ({"greeting": "554 5.7.1 no service for you"}, AccountTrouble, None),
    ({"greeting": None}, NotNow, None),
    ({"MAIL": "451 4.3.0 later"}, NotNow, None),
    ({"MAIL": "553 5.7.1 not owned by user"}, AccountTrouble, None),
    ({"MAIL": "552 5.3.4 too big"}, MessageRefused, Failure.CONTENT),
    ({"RCPT": "550 no such user here"}, MessageRefused, Failure.ADDRESS),
    ({"RCPT": "550 5.7.1 <parent@example.org>: blocked"}, MessageRefused, Failure.FILTERED),
    ({"RCPT": "552 5.2.2 full"}, MessageRefused, Failure.TRANSIENT),
    ({"RCPT": "556 5.1.10 null MX"}, MessageRefused, Failure.ADDRESS),
    ({"RCPT": "452 4.2.2 full"}, NotNow, None),
    ({"RCPT": "530 5.7.0 login first"}, AccountTrouble, None),
    ({"RCPT": None}, NotNow, None),
    ({"DATA": "451 4.3.0 later"}, NotNow, None),
    ({"DATA": "554 5.6.0 no"}, MessageRefused, Failure.CONTENT),
    ({"DATA": None}, ReplyLost, None),
    ({"body": "451 4.3.0 later"}, NotNow, None),
    ({"body": "550 5.7.1 spam"}, MessageRefused, Failure.FILTERED),
    ({"body": "552 message too long"}, MessageRefused, Failure.CONTENT),
    ({"body": "554 transaction failed"}, MessageRefused, Failure.OTHER),
    ({"body": None}, ReplyLost, None),
    ({"body": "hello?"}, ReplyLost, None),
    ({"body": "299 who knows"}, ReplyLost, None),
]


@pytest.mark.parametrize(("replies", "error", "failure"), SAYINGS)
async def test_each_reply_means_what_it_says(
    place: ChannelContext, replies: dict[str, str | None], error: type[ChannelError], failure: Failure | None
) -> None:
    async with Script(**replies).serving() as options:
        with pytest.raises(ChannelError) as raised:
            await connected(options, place).send(MESSAGE)
    assert type(raised.value) is error and MESSAGE.to not in str(raised.value)
    if isinstance(raised.value, MessageRefused):
        assert raised.value.failure is failure


async def test_a_goodbye_that_gets_no_answer_changes_nothing(place: ChannelContext) -> None:
    async with Script(QUIT=None).serving() as options:
        assert (await connected(options, place).send(MESSAGE)).fate is Fate.ACCEPTED


async def test_a_server_that_can_is_told_what_to_return(place: ChannelContext) -> None:
    script = Script()
    async with script.serving() as options:
        receipt = await connected(options, place, verp=True).send(MESSAGE)
    mark = receipt.reference[1:].partition("@")[0]
    assert f"MAIL FROM:<bounces+{mark}@school.example> RET=HDRS ENVID={mark}" in script.commands
    assert f"RCPT TO:<{MESSAGE.to}> NOTIFY=FAILURE" in script.commands


async def test_a_server_that_knows_only_the_old_greeting_gets_it(place: ChannelContext) -> None:
    script = Script(EHLO="502 unknown", HELO="250 mail")
    async with script.serving() as options:
        await connected(options, place).send(MESSAGE)
    assert script.commands[2:4] == ["HELO school.example", "MAIL FROM:<bounces@school.example>"]


async def test_a_server_that_says_nothing_at_all_took_nothing(place: ChannelContext) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotNow):
            await connected(
                {"host": "127.0.0.1", "port": port, "security": "none", "sender": "a@b.cn", "deadline": 0.1}, place
            ).send(MESSAGE)


# ---- configuration


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"host": "smtp.example.org"}, "a password needs security"),
        ({"sender": "somebody"}, "sender: .*not a mail address"),
        ({"sender": ""}, "sender"),
        ({"bounces": "a@b.cn\r\nDATA"}, "bounces"),
        ({"reply_to": "a <a@b.cn>\nBcc: c@d.cn"}, "reply_to"),
        ({"ca": "not PEM"}, "ca: is no PEM certificate"),
        ({"ca": "不是证书"}, "ca: is no PEM certificate"),
        ({"callback_secret": "short"}, "callback_secret"),
    ],
)
async def test_wrong_options_are_named(
    double: Double, place: ChannelContext, wrong: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadOptions, match=rf"(?s)channels\.email: .*({reason})"):
        connect({**double.options(), **wrong}, place)
