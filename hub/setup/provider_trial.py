"""Send a real message through the chosen provider to the person who sets up the hub, and report its outcome.

The message contains a code. Somebody who types it in has seen the message, so the provider need not confirm it. A
provider that can be asked is asked as well.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from pydantic import ValidationError

from channels import CannotAsk, Channel, ChannelContext, ChannelError, Fate, Message, Receipt
from hub.errors import BadInput
from hub.plugins import connect_provider
from hub.settings.sections import ChannelSettings

CODE_DIGITS = 6
MAX_GUESSES = 5
# How long a code is valid, and how soon the next message may be sent.
CODE_LIFE = timedelta(minutes=30)
SEND_PAUSE = timedelta(seconds=20)
MAX_SENT = 10
SUBJECTS = {"zh": "签达：试发", "en": "Qianda: a trial"}
TEXTS = {
    "zh": "这是签达安装时的试发消息。请在安装页面输入：{code}",
    "en": "This is a trial message of Qianda being set up. Type in on the set-up page: {code}",
}
PURPOSE = "code"


@dataclass(frozen=True)
class ProviderTrial:
    """One message that was sent. `fate`: its outcome, as the provider reports it. `seen`: the code was typed in."""

    message: Message
    code: str
    sent_at: datetime
    fate: Fate
    reference: str = ""
    guesses: int = 0
    seen: bool = False


async def send_trial(kind: str, entry: Mapping[str, Any], to: str, language: str) -> ProviderTrial:
    """Send the message. Raises BadInput with the provider's reason, or with what is wrong with its options."""
    code = "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))
    now = datetime.now(UTC)
    message = Message(
        key=f"setup-{secrets.token_hex(8)}",
        to=to,
        purpose=PURPOSE,
        language=language,
        text=TEXTS[language].format(code=code),
        template=PURPOSE,
        variables={"code": code},
        at=now,
        subject=SUBJECTS[language],
    )
    async with aiohttp.ClientSession() as http:
        try:
            receipt = await connect(kind, entry, http).send(message)
        except ChannelError as error:
            raise BadInput(f"the provider did not accept it: {error}", field="messages") from error
    return ProviderTrial(message, code, now, receipt.fate, receipt.reference)


async def ask_about_trial(kind: str, entry: Mapping[str, Any], trial: ProviderTrial) -> ProviderTrial:
    """Return the trial with the provider's present report; unchanged if the provider cannot be asked."""
    async with aiohttp.ClientSession() as http:
        try:
            found: Receipt | None = await connect(kind, entry, http).find(trial.message, trial.reference)
        except CannotAsk:
            return trial
    return replace(trial, fate=found.fate) if found else trial


def take_code(trial: ProviderTrial, typed: str, now: datetime) -> ProviderTrial:
    """Return the trial after a code was typed in. Raises BadInput for a wrong code, and after too many of them."""
    if trial.guesses >= MAX_GUESSES or now - trial.sent_at > CODE_LIFE:
        raise BadInput("this code is no longer valid: send another message", field="code")
    right = hmac.compare_digest("".join(typed.split()).encode(), trial.code.encode())
    return replace(trial, guesses=trial.guesses + 1, seen=trial.seen or right)


def check_pause(sent: int, last: datetime | None, now: datetime) -> None:
    """Raise BadInput if no further message may be sent now."""
    if sent >= MAX_SENT:
        raise BadInput("ten messages were sent already: start the set-up again to send more", field="messages")
    if last is not None and now - last < SEND_PAUSE:
        raise BadInput("one was sent just now: wait a moment", field="messages")


def connect(kind: str, entry: Mapping[str, Any], http: aiohttp.ClientSession) -> Channel:
    """Return the channel. Raises BadInput that names the options which it does not accept, but never their values."""
    place = ChannelContext(kind, "http://127.0.0.1/callbacks", http, _NoLedger(), lambda: datetime.now(UTC))
    try:
        return connect_provider(kind, ChannelSettings(**entry), place).channel
    except ValidationError as error:
        names = ", ".join(str(each["loc"][0]) for each in error.errors())
        raise BadInput(f"these options are wrong: {names}", field="messages") from None
    except ValueError as error:
        raise BadInput(str(error), field="messages") from None


class _NoLedger:
    """The ledger for the outbox, which no real hub has."""

    async def accept(self, key: str) -> None:
        raise BadInput("the outbox exists only in the demo", field="messages")

    async def accepted(self, key: str) -> bool:
        return False
