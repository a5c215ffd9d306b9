"""Who else has the root of a day's hash tree: the interface of notaries and of services that write it into a chain.

An entry `[notaries.NAME]` of the configuration turns one on; every other file with a function `connect` is one kind.
The root says nothing of anybody. A receipt is checked when it comes and whenever records are checked, since only then
it shows that the hub's own database is what it was.
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
    """What a notary gave for a root. `reference`: by which it finds the deposit again; `receipt`: its proof, as given.

    `is_final`: nothing better will follow, so the notary need not be asked again.
    """

    reference: str
    receipt: bytes
    is_final: bool


class Notary(Protocol):
    async def deposit(self, root: bytes) -> NotaryReceipt:
        """Give it a root (SHA-256) and return the receipt. Giving it twice does no harm. Raises NotaryUnavailable."""
        ...

    async def complete(self, root: bytes, earlier: NotaryReceipt) -> NotaryReceipt | None:
        """Return the final receipt that follows an earlier one; None if it is not there yet. Raises
        NotaryUnavailable."""
        ...

    def read(self, root: bytes, receipt: bytes) -> NotaryReceipt:
        """Check a stored receipt. Raises ValueError if it is none for this root."""
        ...


@dataclass(frozen=True)
class NotaryContext:
    """What a notary gets from the hub: the name of its entry, an HTTP client, and the clock."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
