"""Roots of hash trees that are given to notaries, and the receipts for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

# A root without a receipt is a fault from this age on: a service may be away for a day.
RECEIPT_WITHIN: Final = timedelta(days=2)


@dataclass(frozen=True)
class DepositedRoot:
    """The root of a day's tree, with the receipt that a notary has given for it so far; both None before."""

    day: date
    root: bytes
    reference: str | None = None
    receipt: bytes | None = None


@dataclass(frozen=True)
class StoredReceipt:
    """A receipt of a notary. `is_final`: nothing better follows."""

    day: date
    notary: str
    is_final: bool
    reference: str
    receipt: bytes
    at: datetime


def is_overdue(day: date, now: datetime) -> bool:
    """Tell whether the root of this day should have a receipt by now."""
    return (now - RECEIPT_WITHIN).date() > day
