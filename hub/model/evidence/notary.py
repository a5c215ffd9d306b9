"""Roots of hash trees that are given to notaries, and the receipts for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

# A root that has no receipt at this age is a fault. A service may be unavailable for a day.
RECEIPT_WITHIN: Final = timedelta(days=2)


@dataclass(frozen=True)
class DepositedRoot:
    """The root of a day's tree, with the reference and receipt that a notary has given for it; None while missing."""

    day: date
    root: bytes
    reference: str | None = None
    receipt: bytes | None = None


@dataclass(frozen=True)
class StoredReceipt:
    """A receipt of a notary. `is_final`: no better receipt follows."""

    day: date
    notary: str
    is_final: bool
    reference: str
    receipt: bytes
    at: datetime


def is_overdue(day: date, now: datetime) -> bool:
    """Return whether the root of this day should already have a receipt."""
    return (now - RECEIPT_WITHIN).date() > day
