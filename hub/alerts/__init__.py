"""The interface for notices to staff that cannot wait: to a chat, a mailbox or a webhook.

An `Addressee` is one configured address; every other file here is one way to reach it. Notices are only for staff and
prove nothing, so there are no receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Notice:
    """A notice to staff. `text` contains no signer's name, number or ticket, and ends with the console's address."""

    title: str
    text: str


class NotDelivered(Exception):
    """The address did not take the notice, or did not answer in time. The message contains no part of the address."""


class Addressee(Protocol):
    @property
    def kind(self) -> str:
        """The sort of address (`dingtalk`, `mailto`), which logs and pages may show; addresses themselves contain
        secrets."""

    @property
    def mark(self) -> str:
        """A mark that distinguishes this address from others, also after a restart, and does not reveal it."""

    async def tell(self, notice: Notice) -> None:
        """Try once to deliver the notice. Raises NotDelivered."""
