"""A mail server that demands a password, greylists, refuses, accepts mail and returns it."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from email.message import EmailMessage, MIMEPart
from typing import Any, cast
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from channels import CALL_TIMEOUT, CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted, Trouble

USERNAME, PASSWORD = "qianda", "a password of the mail server"
SECRET = "a-secret-piece-of-the-path"
SENDER = "sign@school.example"
TAKEN = (Trouble.LOSE_REPLY, Trouble.LATE_REPLY)
REPORT = """\
From: MAILER-DAEMON@mail.school.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_edge"

This is a MIME-encapsulated message.

--=_edge
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

Your message could not be delivered. Message-ID: <{lie}>

--=_edge
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.school.example
{envelope}X-Queue-ID: 4TzqX
Arrival-Date: Tue,  1 Dec 2026 10:00:00 +0800 (CST)

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: user unknown

--=_edge
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

{headers}

--=_edge--
"""


class Double:
    able = frozenset({Trouble.BAD_NUMBER, Trouble.BUSY, Trouble.ACCOUNT, *TAKEN})

    def __init__(self, context: ssl.SSLContext | None = None, implicit: bool = False) -> None:
        """Create the server. With `context` it offers STARTTLS, or speaks TLS from the start (`implicit`)."""
        self.accepted: list[Accepted] = []
        self.trouble: list[Trouble] = []
        self.mails: dict[str, bytes] = {}
        self.envelopes: dict[str, Envelope] = {}
        self._context = context
        self._implicit = implicit
        self._port = 0
        self._shut_out: set[Session] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self._context if self._implicit else None)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    def options(self) -> Mapping[str, Any]:
        return {
            "host": "127.0.0.1",
            "port": self._port,
            "security": "none",
            "username": USERNAME,
            "password": PASSWORD,
            "sender": f"签达 <{SENDER}>",
            "bounces": "bounces@school.example",
            "callback_secret": SECRET,
        }

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        return self.returned(message, place) if fate is Fate.UNDELIVERED else None

    def returned(
        self,
        message: Accepted,
        place: ChannelContext,
        action: str = "failed",
        status: str = "5.1.1",
        to: str = "bounces@x",
    ) -> CallbackRequest:
        """Return a delivery report, as a mail server forwards it."""
        headers = self.mails[message.reference].replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode()
        body = REPORT.format(
            to=to,
            lie="0" * 32 + "@school.example",
            envelope="",
            recipient=message.to,
            action=action,
            status=status,
            headers=headers,
        ).encode()
        return self.call(body, place)

    def call(self, body: bytes, place: ChannelContext) -> CallbackRequest:
        url = f"{place.callbacks}/{SECRET}"
        return CallbackRequest("POST", url, urlsplit(url).path, {"content-type": "message/rfc822"}, body)

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        return None

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        wrong = "another-secret-of-the-path"
        return replace(call, url=call.url.replace(SECRET, wrong), path=call.path.replace(SECRET, wrong))

    # ---- what aiosmtpd calls

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.school.example",
            ident="ESMTP",
            authenticator=self._authenticated,
            auth_require_tls=self._context is not None and not self._implicit,
            enable_SMTPUTF8=False,
            tls_context=None if self._implicit else self._context,
            loop=asyncio.get_running_loop(),
        )

    def _authenticated(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        if self._next() is Trouble.ACCOUNT:
            self.trouble.pop(0)
            self._shut_out.add(session)
        right = isinstance(given, LoginPassword) and given.login.decode() == USERNAME
        right = right and given.password.decode() == PASSWORD and session not in self._shut_out
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd names it so)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if self._next() is Trouble.BAD_NUMBER:
            self.trouble.pop(0)
            return f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
        if self._next() is Trouble.BUSY:
            self.trouble.pop(0)
            return "451 4.7.1 Greylisting in action, please come back later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        body = mail.get_body(("plain",))
        assert body is not None
        reference = str(mail["Message-ID"])
        self.mails[reference], self.envelopes[reference] = envelope.content, envelope
        self.accepted.append(Accepted(reference, envelope.rcpt_tos[0], _shown(body)))
        trouble = self.trouble.pop(0) if self._next() in TAKEN else None
        if trouble is Trouble.LOSE_REPLY:
            cast(asyncio.Transport, server.transport).abort()  # uvloop's is no subclass of it
        elif trouble is Trouble.LATE_REPLY:
            await asyncio.sleep(CALL_TIMEOUT + 1)  # ends when the client disconnects
        return "250 2.0.0 Ok: queued as 4TzqX"

    def _next(self) -> Trouble | None:
        return self.trouble[0] if self.trouble else None


def _shown(body: MIMEPart) -> str:
    return str(body.get_content()).replace("\r\n", "\n").removesuffix("\n")
