"""Renew evidence records before a timestamp's certificate or a hash algorithm comes to its end (RFC 4998, 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

# A timestamp is renewed this long before its certificate expires or the algorithm of its tree becomes too weak. This
# leaves enough time to find another timestamp service.
RENEW_BEFORE: Final = timedelta(days=180)
# The successor of each hash algorithm.
NEXT_ALGORITHM: Final[Mapping[str, str]] = {"sha256": "sha512"}


@dataclass(frozen=True)
class CurrentTimestamp:
    """A timestamp that has not been renewed yet: over the tree of `day`, or of the renewal `renewed`. `algorithm`: the
    hash algorithm of the tree below it; `ends`: when its certificate expires."""

    day: date | None
    renewed: int | None
    algorithm: str
    token: bytes
    ends: datetime


@dataclass(frozen=True)
class Renewal:
    """A timestamp over the root of a tree. The leaves are timestamps or, if `is_tree`, packages hashed anew."""

    id: int
    algorithm: str
    is_tree: bool
    leaves: int
    root: bytes
    timestamp: bytes
    made_at: datetime


@dataclass(frozen=True)
class RenewalLeaf:
    """A leaf of a renewal's tree: the timestamp of the tree of `day`, the timestamp of the renewal `renewed`, or the
    package of `contract`. Exactly one of these is set."""

    leaf: bytes
    day: date | None = None
    renewed: int | None = None
    contract: UUID | None = None


@dataclass(frozen=True)
class RenewalStep:
    """A renewal of one evidence record, in which it is the leaf at `position`."""

    renewal: Renewal
    position: int


def choose_due(timestamps: Iterable[CurrentTimestamp], now: datetime) -> Mapping[str, Sequence[CurrentTimestamp]]:
    """Return the timestamps to renew now, by the hash algorithm of their tree, which stays the same.

    Timestamps with an expired certificate are left out, because they can no longer be renewed.
    """
    due: dict[str, list[CurrentTimestamp]] = {}
    for one in timestamps:
        if now < one.ends <= now + RENEW_BEFORE:
            due.setdefault(one.algorithm, []).append(one)
    return due


def choose_ended(timestamps: Iterable[CurrentTimestamp], now: datetime) -> Sequence[CurrentTimestamp]:
    """Return the timestamps whose certificate expired before they were renewed."""
    return [one for one in timestamps if one.ends <= now]


def choose_ending(ends: Mapping[str, date], now: datetime) -> Mapping[str, str]:
    """Return the successor of each hash algorithm that ends soon. `ends`: the configured last day of each algorithm."""
    soon = (now + RENEW_BEFORE).date()
    return {name: NEXT_ALGORITHM[name] for name, last in ends.items() if last <= soon and name in NEXT_ALGORITHM}
