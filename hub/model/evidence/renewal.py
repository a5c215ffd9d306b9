"""Renewal of evidence records, before a timestamp's certificate or a hash algorithm comes to its end. RFC 4998, 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

# A timestamp is renewed so long before its certificate, or the algorithm of its tree, comes to its end: long enough to
# find another service.
RENEW_BEFORE: Final = timedelta(days=180)
# What follows an algorithm that comes to its end.
NEXT_ALGORITHM: Final[Mapping[str, str]] = {"sha256": "sha512"}


@dataclass(frozen=True)
class CurrentTimestamp:
    """A timestamp that no other one renews yet: of the tree of `day`, or of the renewal `renewed`. `algorithm`: of the
    tree that it is over; `ends`: when its certificate does."""

    day: date | None
    renewed: int | None
    algorithm: str
    token: bytes
    ends: datetime


@dataclass(frozen=True)
class Renewal:
    """A timestamp over the root of a tree, whose leaves are timestamps, or (`is_tree`) packages hashed anew."""

    id: int
    algorithm: str
    is_tree: bool
    leaves: int
    root: bytes
    timestamp: bytes
    made_at: datetime


@dataclass(frozen=True)
class RenewalLeaf:
    """What a renewal is over: exactly one of `day`, `renewed` and `contract` is set."""

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
    """Return the timestamps that are to be renewed now, by the algorithm of their tree, which stays the same.

    One whose certificate has run out is not among them: nothing can renew it any more.
    """
    due: dict[str, list[CurrentTimestamp]] = {}
    for one in timestamps:
        if now < one.ends <= now + RENEW_BEFORE:
            due.setdefault(one.algorithm, []).append(one)
    return due


def choose_ended(timestamps: Iterable[CurrentTimestamp], now: datetime) -> Sequence[CurrentTimestamp]:
    """Return the timestamps whose certificate ran out before they were renewed."""
    return [one for one in timestamps if one.ends <= now]


def choose_ending(ends: Mapping[str, date], now: datetime) -> Mapping[str, str]:
    """Return which algorithm follows each that comes to its end soon. `ends`: the configured last days."""
    soon = (now + RENEW_BEFORE).date()
    return {name: NEXT_ALGORITHM[name] for name, last in ends.items() if last <= soon and name in NEXT_ALGORITHM}
