"""The words of a message: as they are kept, with placeholders for what is secret, and as they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from channels import Doorway, Message, Shape
from hub.model.messaging.delivery import Delivery
from hub.model.messaging.message import LATE, MessageTemplates, Purpose, render
from hub.model.signing.link import SignLink, pickup_code_for, short_code, ticket_for
from hub.model.signing.session import code_for
from hub.store.kernel.keys import Keys
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class Wording:
    """`origin` is the configured public one: no address is ever built from a request."""

    templates: MessageTemplates
    keys: Keys
    origin: str

    def kept(self, purpose: str, channel: str, language: str, shape: Shape | None, values: Mapping[str, str]) -> str:
        """Everything but link and codes, which are filled in when the message leaves and rest nowhere."""
        template = self.templates.get(Purpose(purpose), channel, language, shape or Shape.FULL)
        return render(template.text, values, late=LATE)

    async def message(self, tx: Transaction, delivery: Delivery) -> Message:
        """Return the message as it leaves."""
        return self.filled(delivery, await tx.links.get(delivery.link) if delivery.link else None)

    def filled(self, delivery: Delivery, link: SignLink | None) -> Message:
        """Return the message as it leaves, with this link."""
        late = self._of_link(link) if link else {}
        if delivery.code:
            late["code"] = code_for(self.keys.code, delivery.code)
        values = dict(delivery.variables) | late
        return Message(
            key=delivery.key,
            to=delivery.to,
            purpose=delivery.purpose,
            language=delivery.language,
            text=render(delivery.text, late, late=LATE - late.keys()),
            template=delivery.purpose,
            variables=values,
            at=delivery.created_at,
            subject=self._subject(delivery, values),
            link=late.get("link", ""),
            called_at=delivery.called_at,
        )

    def _subject(self, delivery: Delivery, values: Mapping[str, str]) -> str:
        if delivery.channel != "email":
            return ""
        template = self.templates.get(Purpose(delivery.purpose), delivery.channel, delivery.language)
        return render(template.subject, values)

    def _of_link(self, link: SignLink) -> dict[str, str]:
        ticket = ticket_for(self.keys.link, link.id, link.generation)
        return {
            "link": self.doorway(ticket).url,
            "ticket": ticket,
            "entry": self.entry,
            "pickup": pickup_code_for(self.keys.link, link.id, link.generation),
        }

    @property
    def entry(self) -> str:
        """Where a pickup code is typed."""
        return f"{self.origin}/s"

    def doorway(self, ticket: str) -> Doorway:
        return Doorway(f"{self.origin}/s/{ticket}", f"{self.origin}/S/{ticket}".upper(), ticket, short_code(ticket))
