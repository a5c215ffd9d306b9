"""The interface by which staff are told of what cannot wait: a chat, a mailbox, a web hook.

An `Addressee` is one configured address; every other file here is one way to reach it. Notices are for staff only, and
prove nothing: there are no receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Notice:
    """A notice to staff. `text` contains no signer's name, number or ticket, and ends with the address of the
    console."""

    title: str
    text: str


class NotTold(Exception):
    """The address did not take the notice, or did not answer in time. The message contains nothing of the address."""


class Addressee(Protocol):
    @property
    def kind(self) -> str:
        """The sort of address (`dingtalk`, `mailto`), which logs and pages may show; addresses themselves contain
        secrets."""

    @property
    def mark(self) -> str:
        """A mark that distinguishes this address from others, also after a restart, without revealing it."""

    async def tell(self, notice: Notice) -> None:
        """Try once to deliver the notice. Raises NotTold."""
