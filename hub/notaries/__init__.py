"""Give the root of each day's hash tree to others: the interface of notaries and of services that write it to a chain.

An entry `[notaries.NAME]` of the configuration turns one on; every other file with a function `connect` is one kind.
The root reveals nothing about anybody. A receipt is checked when it arrives and whenever records are checked. Only the
later checks show that the hub's own database has not been changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import aiohttp

MAX_RECEIPT_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class NotaryReceipt:
    """A notary's receipt for a root. `reference`: by which the notary finds the deposit; `receipt`: its proof, as
    received.

    `is_final`: no better receipt will follow, so the notary need not be asked again.
    """

    reference: str
    receipt: bytes
    is_final: bool


class Notary(Protocol):
    async def deposit(self, root: bytes) -> NotaryReceipt:
        """Deposit a root (SHA-256) and return the receipt. Depositing it twice is harmless. Raises
        NotaryUnavailable."""
        ...

    async def complete(self, root: bytes, earlier: NotaryReceipt) -> NotaryReceipt | None:
        """Return the final receipt that follows an earlier one; None if it does not exist yet. Raises
        NotaryUnavailable."""
        ...

    def read(self, root: bytes, receipt: bytes) -> NotaryReceipt:
        """Check a stored receipt. Raises ValueError if it is not for this root."""
        ...


@dataclass(frozen=True)
class NotaryContext:
    """What a notary receives from the hub: the name of its entry, an HTTP client, and the clock."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
