"""Check whether each provider answers, all at the same time, each with a deadline. No message is sent."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from channels import CannotAsk, Channel, ChannelError, Checkable, Message
from hub.router.providers import Provider

# How many seconds a provider has to answer.
PROVIDER_TIMEOUT = 10.0
# One of the numbers that the demo invents. Providers are asked about a message to it that does not exist.
NOBODYS_NUMBER = "+8619000000000"


async def ask_provider(provider: Provider) -> str:
    """Return what is known of the provider. Raises ValueError with the reason if it does not answer properly."""
    channel = provider.channel
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT):
            return await _ask(channel)
    except TimeoutError:
        raise ValueError(f"did not answer within {PROVIDER_TIMEOUT:.0f} s") from None
    except (ChannelError, CannotAsk) as error:
        raise ValueError(f"does not answer as it should: {error}") from error


async def _ask(channel: Channel) -> str:
    if isinstance(channel, Checkable):
        await channel.check()
        return "the login works"
    if not channel.rules.queryable:
        return "configured; its state cannot be checked"
    now = datetime.now(UTC)
    key = f"doctor-{secrets.token_hex(8)}"
    await channel.find(Message(key, NOBODYS_NUMBER, "code", "en", key, "code", {}, now))
    return "answers"
