"""The small interface by which staff are told of what cannot wait: a chat, a mailbox, a web hook.

An `Addressee` is one configured address; every other file here is one way to reach it. What is told so is for staff
alone, and nothing that has to be proved: there are no receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Notice:
    """`text` names no person who signs, no number and no ticket, and ends with the address of the console."""

    title: str
    text: str


class NotTold(Exception):
    """The address did not take the notice, or gave no answer in time. The text holds nothing of the address."""


class Addressee(Protocol):
    @property
    def kind(self) -> str:
        """The sort of address (`dingtalk`, `mailto`), fit for logs and pages: addresses themselves hold secrets."""

    @property
    def mark(self) -> str:
        """Tells this address from others, also after a restart, without saying what it is."""

    async def tell(self, notice: Notice) -> None:
        """One attempt. Raises NotTold."""
