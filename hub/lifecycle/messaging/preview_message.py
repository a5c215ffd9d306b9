"""Show a message as its recipient will read it, without writing anything."""

from __future__ import annotations

from dataclasses import dataclass

from hub.lifecycle.messaging.send import NewMessage, general_words, get_channels
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer
from hub.model.messaging.message import render
from hub.model.messaging.sms_length import Size, measure_text
from hub.router.providers import Provider, can_send
from hub.store.transaction import Transaction

# Stand-ins for a real ticket and a real pickup code. They open nothing.
SAMPLE_TICKET, SAMPLE_PICKUP = "4J8Q2X7M3K9TB", "305816"


@dataclass(frozen=True)
class ReadableMessage:
    """A message as its recipient will read it.

    `text`: with the signature that the provider puts before it. `size`: the size of an SMS, else None. `provider`: the
    provider that is tried first.
    """

    channel: str
    language: str
    subject: str
    text: str
    size: Size | None
    provider: Provider


async def preview_message(
    services: Services, tx: Transaction, contract: Contract, signer: Signer, message: NewMessage
) -> ReadableMessage | None:
    """Return the message that `write_message` would write, with a sample in place of the link. None if no channel
    reaches the signer."""
    purpose = message.purpose
    await services.messaging.texts.refresh(tx)
    router, messages = services.messaging.router, services.messaging.messages
    channel = next(iter(await get_channels(services, tx, signer, purpose, message.first)), None)
    address = signer.address_for(channel) if channel else None
    able = router.providers.list_able(channel, address, signer.language) if channel and address else []
    able = can_send(able, purpose, signer.language)
    if not channel or not address or not able:
        return None
    words = general_words(services, contract, signer, await tx.school.get_campus(contract.campus))
    words = messages.shorten_values(purpose, signer.language, words | dict(message.variables)) | _samples(services)
    shape = router.choose_shape(channel, address)
    template = messages.get(purpose, channel, signer.language, shape.value if shape else "full")
    provider = able[0]
    text = provider.channel.rules.prefix + render(template.text, words)
    size = measure_text(text) if channel == "sms" else None
    return ReadableMessage(channel, template.language, render(template.subject, words), text, size, provider)


def _samples(services: Services) -> dict[str, str]:
    renderer = services.messaging.router.renderer
    return {
        "link": renderer.build_doorway(SAMPLE_TICKET).url,
        "entry": renderer.entry,
        "ticket": SAMPLE_TICKET,
        "pickup": SAMPLE_PICKUP,
    }
