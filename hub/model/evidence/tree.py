"""The hash tree of a day. Its leaves are the head of each record that grew, each new version of a contract's file, each
new package, and the root of the previous tree.

The leaf of a file's version is its SHA-256, so that the tree proves the file by itself. The row of a version is written
in the same transaction as the issue, the signature or the end that creates the version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from hub.model.evidence.package import head_text


class LeafKind(StrEnum):
    """What a leaf stands for. `TREE`: the root of the previous tree, so that no tree can be removed unnoticed."""

    TREE = "tree"
    RECORD = "record"
    PACKAGE = "package"
    FILE = "file"


@dataclass(frozen=True)
class TreeLeaf:
    """A leaf. `entries`: the number of entries of the record; 0 for other kinds. `number`: the number of the contract,
    or `school`."""

    kind: LeafKind
    contract: UUID | None
    number: str
    entries: int
    leaf: bytes


@dataclass(frozen=True)
class StoredTree:
    """The tree of a day. `timestamps`: one or two RFC 3161 tokens over its root."""

    day: date
    leaves: int
    root: bytes
    timestamps: Sequence[bytes]
    made_at: datetime


def record_leaf(contract: UUID, number: str, entries: int, digest: bytes) -> TreeLeaf:
    """Return the leaf of a record whose last entry has the number `entries` and this digest."""
    leaf = hashlib.sha256(head_text(number, contract, entries, digest).encode()).digest()
    return TreeLeaf(LeafKind.RECORD, contract, number, entries, leaf)


def previous_leaf(root: bytes) -> TreeLeaf:
    """Return the leaf for the previous tree, whose root is `root`."""
    return TreeLeaf(LeafKind.TREE, None, "", 0, hashlib.sha256(root).digest())
