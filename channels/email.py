"""Send e-mails by SMTP (RFC 5321), with the link also as a QR code in the e-mail.

    [channels.email]
    host = "smtp.school.example"
    username = "qianda"
    password_file = "/run/secrets/smtp"
    sender = "签达 <sign@school.example>"
    bounces = "bounces@school.example"
    callback_secret_file = "/run/secrets/mail-callback"

A mail server cannot be asked about an e-mail. Delivery reports (RFC 3464) that arrive later at the `bounces` address
are forwarded unchanged by its server, for example by an alias that pipes them (in one line):

    bounces: "|curl -sS -H 'Content-Type: message/rfc822' --data-binary @-
              https://HUB/callbacks/email/SECRET"

without `--fail`, since the hub refuses other e-mails to that address, which is not an error. The recipient of an e-mail
could forge a failure report for it, but not for other e-mails, whose keys cannot be guessed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import html
import re
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from email.utils import format_datetime, parseaddr
from typing import Annotated, Any, Literal

import aiosmtplib
from pydantic import AfterValidator, Field, SecretStr, model_validator

from channels import (
    AccountTrouble,
    BadOptions,
    CallbackContent,
    CallbackRequest,
    CannotAsk,
    Channel,
    ChannelContext,
    ChannelError,
    Failure,
    Fate,
    MailPicture,
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
from channels.bounce import Bounce, convert_status, read_bounce, read_status
from channels.qr import png
from channels.secret_path import SecretPathOptions, check_path

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
KEY_HEADER = "Qianda-Key"
# The key is split into pieces of this length, so that no mail program folds it in its own way.
FOLDED = 60
QR_PIXELS, PICTURE_PIXELS = 185, 480
HERE = ("localhost", "127.0.0.1", "::1")
# Seconds to wait for the answer to QUIT. The e-mail has been accepted by then.
GOODBYE = 1.0
# Failures by the basic reply codes, for servers that give no enhanced status (RFC 5321, 4.2.3): no such mailbox, not
# local, mailbox full, invalid name.
BASIC = {550: Failure.ADDRESS, 551: Failure.ADDRESS, 552: Failure.TRANSIENT, 553: Failure.ADDRESS}
LOGIN_WANTED = (530, 535)


def _mailbox(text: str) -> str:
    if text and not (text.isprintable() and ADDRESS.fullmatch(parseaddr(text)[1])):
        raise ValueError("is not a mail address")
    return text


Mailbox = Annotated[str, AfterValidator(_mailbox)]


class EmailOptions(SecretPathOptions):
    """Options.

    `ca`: PEM of private authorities, in place of the system's. `verp`: put the hash of the key into the envelope sender
    as well (`bounces+HASH@…`), for servers that return no part of the e-mail. `deadline`: for the whole e-mail.
    """

    host: str = Field(min_length=1)
    port: int | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca: str = ""
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: Mailbox = Field(min_length=3)
    reply_to: Mailbox = ""
    bounces: Mailbox = ""
    verp: bool = False

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> EmailOptions:
        if self.username and self.security == "none" and self.host not in HERE:
            raise ValueError("a password needs security = starttls or tls")
        return self


def connect(options: Mapping[str, Any], context: ChannelContext) -> Channel:
    read = read_options(EmailOptions, options, context)
    try:
        tls = ssl.create_default_context(cadata=read.ca or None)
    except (ssl.SSLError, TypeError):  # a TypeError: not even ASCII
        raise BadOptions(f"channels.{context.name}: ca: is no PEM certificate") from None
    return Email(read, tls)


class Email:
    rules = Rules()

    def __init__(self, options: EmailOptions, tls: ssl.SSLContext) -> None:
        self._options = options
        self._tls = tls
        name, address = parseaddr(options.sender)
        self._sender = Address(name, addr_spec=address)
        self._bounces = parseaddr(options.bounces)[1] or address

    async def send(self, message: Message) -> Receipt:
        to, reference = _recipient(message.to), self._reference(message.key)
        raw = self._mail(message, to, reference).as_bytes()
        deadline = asyncio.get_running_loop().time() + self._options.deadline
        client = self._client()
        try:
            await self._before_data(client, to, _hash(message.key), deadline)
            await _data(client, raw, deadline)
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=GOODBYE)
        finally:
            client.close()
        return Receipt(Fate.ACCEPTED, reference)

    async def check(self) -> None:
        """Connect, encrypt and log in as for an e-mail, then disconnect."""
        client = self._client()
        try:
            async with asyncio.timeout(self._options.deadline):
                await client.connect()
                await client.noop()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _not_taken(error) from error
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=GOODBYE)
            client.close()

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        raise CannotAsk("a mail server cannot be asked about a mail")

    def read(self, call: CallbackRequest) -> CallbackContent:
        """Parse a delivery report. A report of a delay yields nothing."""
        if self._options.callback_secret is None:
            raise NotGenuine("no callback_secret is configured")
        check_path(call, self._options)
        if call.method != "POST":
            raise NotGenuine(f"method {call.method}")
        bounce = read_bounce(call.body)
        if bounce is None:
            return CallbackContent()
        reference = self._named_in(bounce)
        key = _key_in(bounce.headers.get(KEY_HEADER.lower(), ""))
        receipt = Receipt(Fate.UNDELIVERED, reference, convert_status(bounce.status), bounce.status)
        return CallbackContent(reports=(ReceiptReport(receipt, key if self._reference(key) == reference else ""),))

    def _client(self) -> aiosmtplib.SMTP:
        options = self._options
        return aiosmtplib.SMTP(
            hostname=options.host,
            port=options.port,
            timeout=options.deadline,
            local_hostname=self._sender.domain,
            use_tls=options.security == "tls",
            start_tls=options.security == "starttls",
            tls_context=self._tls,
            username=options.username or None,
            password=options.password.get_secret_value() or None,
        )

    async def _before_data(self, client: aiosmtplib.SMTP, to: str, mark: str, deadline: float) -> None:
        """Do everything that precedes DATA. If this fails, the server certainly did not take the e-mail."""
        try:
            async with asyncio.timeout_at(deadline):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    with contextlib.suppress(aiosmtplib.SMTPHeloError):  # a server that knows only HELO gets HELO later
                        await client.ehlo()
                reports = client.supports_extension("dsn")
                await client.mail(self._envelope(mark), options=["RET=HDRS", f"ENVID={mark}"] if reports else [])
                await client.rcpt(to, options=["NOTIFY=FAILURE"] if reports else [])
        except (aiosmtplib.SMTPException, OSError) as error:  # TimeoutError is an OSError
            raise _not_taken(error) from error

    def _mail(self, message: Message, to: str, reference: str) -> EmailMessage:
        mail = EmailMessage(policy=MAIL.clone(cte_type="7bit"))
        mail["From"], mail["To"] = self._sender, to
        if self._options.reply_to:
            mail["Reply-To"] = self._options.reply_to
        mail["Subject"] = " ".join(message.subject.split())
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = reference
        mail[KEY_HEADER] = _key_out(message.key)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
        mail["X-Auto-Response-Suppress"] = "All"  # … nor Exchange
        mail["Content-Language"] = message.language
        mail.set_content(message.text)
        pictures = {f"picture{number}": each for number, each in enumerate(message.pictures, 1)}
        if message.link:
            pictures["qr"] = MailPicture(png(message.link.upper()), message.link)
        ids = {name: f"<{name}.{reference[1:]}" for name in pictures}
        mail.add_alternative(_page(message, ids), subtype="html")
        for name, picture in pictures.items():
            page = list(mail.iter_parts())[1]
            assert isinstance(page, EmailMessage)
            file = f"{name}.png"
            page.add_related(picture.content, "image", "png", cid=ids[name], disposition="inline", filename=file)
        return mail

    def _reference(self, key: str) -> str:
        """Return the Message-ID, constant per message, so that mail programs show duplicates once."""
        return f"<{_hash(key)}@{self._sender.domain}>"

    def _envelope(self, mark: str) -> str:
        if not self._options.verp:
            return self._bounces
        local, _, domain = self._bounces.rpartition("@")
        return f"{local}+{mark}@{domain}"

    def _named_in(self, bounce: Bounce) -> str:
        """Return the Message-ID of our e-mail that a report is about. Raises NotGenuine if there is none."""
        domain, local = re.escape(self._sender.domain), re.escape(self._bounces.rpartition("@")[0])
        for text, pattern in (
            (bounce.headers.get("message-id", ""), rf"<([0-9a-f]{{32}})@{domain}>"),
            (bounce.envelope_id, r"([0-9a-f]{32})"),
            (parseaddr(bounce.to)[1], rf"{local}\+([0-9a-f]{{32}})@.+"),
        ):
            if found := re.fullmatch(pattern, text):
                return f"<{found[1]}@{self._sender.domain}>"
        raise NotGenuine("a report about no mail of ours")


async def _data(client: aiosmtplib.SMTP, raw: bytes, deadline: float) -> None:
    """Send DATA. Without the server's answer the outcome is unknown."""
    try:
        async with asyncio.timeout_at(deadline):
            await client.data(raw)
    except aiosmtplib.SMTPDataError as error:
        if 400 <= error.code < 500:
            raise NotNow(_code(error)) from error
        if 500 <= error.code < 600:
            raise MessageRefused(_code(error), _failure(error, {552: Failure.CONTENT})) from error
        raise ReplyLost(f"an answer without meaning: {error.code}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise ReplyLost(f"no answer: {type(error).__name__}") from error


def _not_taken(error: Exception) -> ChannelError:
    """Return the channel error for an error before DATA."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _said(error)
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return AccountTrouble("the server's certificate is not trusted")
    if isinstance(error, OSError):  # lost connections and time-outs of aiosmtplib are OSErrors as well
        return NotNow(f"no connection: {type(error).__name__}")
    return AccountTrouble(f"not what the server offers: {error}")  # no STARTTLS, no AUTH


def _said(error: aiosmtplib.SMTPResponseException) -> ChannelError:
    """Return the channel error for a negative reply of the server."""
    if not 500 <= error.code < 600:
        return NotNow(_code(error))
    if isinstance(error, aiosmtplib.SMTPRecipientRefused) and error.code not in LOGIN_WANTED:
        return MessageRefused(_code(error), _failure(error, BASIC))
    if read_status(error.message) == "5.3.4":
        return MessageRefused(_code(error), Failure.CONTENT)
    return AccountTrouble(_code(error))


def _failure(error: aiosmtplib.SMTPResponseException, basic: Mapping[int, Failure]) -> Failure:
    status = read_status(error.message)
    return convert_status(status) if status else basic.get(error.code, Failure.OTHER)


def _code(error: aiosmtplib.SMTPResponseException) -> str:
    """Return the codes of a reply, without its text, which may contain the address."""
    return f"{error.code} {read_status(error.message)}".strip()


def _recipient(address: str) -> str:
    """Check an address. Raises MessageRefused if it needs SMTPUTF8 or could inject an SMTP command."""
    local, _, domain = address.rpartition("@")
    with contextlib.suppress(UnicodeError):
        address = f"{local}@{domain.encode('idna').decode()}"
    if not ADDRESS.fullmatch(address):
        raise MessageRefused("not a mail address", Failure.ADDRESS)
    return address


def _hash(key: str) -> str:
    return hashlib.sha256(b"qianda-mail\0" + key.encode()).hexdigest()[:32]


def _key_out(key: str) -> str:
    packed = urlsafe_b64encode(key.encode()).decode()
    return " ".join(packed[start : start + FOLDED] for start in range(0, len(packed), FOLDED))


def _key_in(header: str) -> str:
    try:
        return urlsafe_b64decode("".join(header.split())).decode()
    except ValueError:
        return ""


def _page(message: Message, ids: Mapping[str, str]) -> str:
    """Return the text as HTML with a link, and below it its pictures and the QR code for readers on another screen.

    `ids`: the Content-ID of each picture by its name.
    """
    link = html.escape(message.link)
    text = html.escape(message.text)
    if link:
        text = text.replace(link, f'<a href="{link}">{link}</a>')
    body = "".join(f"<p>{each.strip().replace(chr(10), '<br>')}</p>" for each in text.split("\n\n") if each.strip())
    for number, picture in enumerate(message.pictures, 1):
        words, source = html.escape(picture.words), ids[f"picture{number}"][1:-1]
        body += f'<p><img src="cid:{source}" alt="{words}" width="{PICTURE_PIXELS}"></p>'
    if link:
        body += f'<p><img src="cid:{ids["qr"][1:-1]}" alt="{link}" width="{QR_PIXELS}" height="{QR_PIXELS}"></p>'
    return (
        f'<!doctype html><html lang="{html.escape(message.language)}"><head><meta charset="utf-8"></head>'
        f'<body style="font-family: sans-serif; line-height: 1.6; max-width: 36em">{body}</body></html>'
    )
