"""Render messages: for storage with placeholders for secret values, and for sending with the values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from channels import Doorway, Message, Shape
from hub.model.contract.contract_copy import derive_copy_ticket, number_in_key
from hub.model.messaging.delivery import Delivery
from hub.model.messaging.message import COPIES, LATE, MessageTemplates, Purpose, render
from hub.model.signing.link import TICKET_LENGTH, SignLink, derive_pickup_code, derive_ticket, format_ticket
from hub.model.signing.session import code_for
from hub.store.encryption.keys import Keys
from hub.store.transaction import Transaction


@dataclass(frozen=True)
class Renderer:
    """The renderer of messages. `origin`: the configured public origin; no URL is ever built from a request."""

    templates: MessageTemplates
    keys: Keys
    origin: str

    def render_stored(
        self, purpose: str, channel: str, language: str, shape: Shape | None, values: Mapping[str, str]
    ) -> str:
        """Return the text to be stored. Its placeholders for link and codes are filled in when it is sent."""
        template = self.templates.get(Purpose(purpose), channel, language, shape or Shape.FULL)
        return render(template.text, values, late=LATE)

    async def render_message(self, tx: Transaction, delivery: Delivery) -> Message:
        """Return the message to be sent, with link and codes."""
        return self.render_with_link(delivery, await tx.links.get(delivery.link) if delivery.link else None)

    def render_with_link(self, delivery: Delivery, link: SignLink | None) -> Message:
        """Return the message to be sent, with this link."""
        late = self._render_link(link) if link else self._render_copy_link(delivery)
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
            subject=self._render_subject(delivery, values),
            link=late.get("link", ""),
            called_at=delivery.called_at,
        )

    def _render_subject(self, delivery: Delivery, values: Mapping[str, str]) -> str:
        if delivery.channel != "email":
            return ""
        template = self.templates.get(Purpose(delivery.purpose), delivery.channel, delivery.language)
        return render(template.subject, values)

    def _render_link(self, link: SignLink) -> dict[str, str]:
        ticket = derive_ticket(self.keys.link, link.id, link.generation)
        return {
            "link": self.build_doorway(ticket).url,
            "ticket": ticket,
            "entry": self.entry,
            "pickup": derive_pickup_code(self.keys.link, link.id, link.generation),
        }

    def _render_copy_link(self, delivery: Delivery) -> dict[str, str]:
        """Return the link of a copy. A link for the school leads to the console, where its reader logs in."""
        if delivery.contract is None or delivery.purpose not in COPIES:
            return {}
        if delivery.purpose == Purpose.OFFICE_COPY:
            return {"link": f"{self.origin}/staff/contracts/{delivery.contract}"}
        ticket = derive_copy_ticket(self.keys.link, delivery.contract, number_in_key(delivery.key))
        return {"link": f"{self.origin}/copy/{delivery.contract}/{ticket}"}

    @property
    def longest_addresses(self) -> dict[str, str]:
        """The longest addresses that messages can contain, by variable."""
        return {"link": self.build_doorway("0" * TICKET_LENGTH).url, "entry": self.entry}

    @property
    def entry(self) -> str:
        """The URL of the page on which a pickup code is typed."""
        return f"{self.origin}/s"

    def build_doorway(self, ticket: str) -> Doorway:
        """Return the URLs and the printed code for a ticket."""
        return Doorway(f"{self.origin}/s/{ticket}", f"{self.origin}/S/{ticket}".upper(), ticket, format_ticket(ticket))
