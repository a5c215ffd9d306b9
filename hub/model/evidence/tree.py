"""The hash tree of a day: over the head of each record that grew, each new version of a contract's file, each new
package, and the root of the tree before.

A version of a file stands in it as its SHA-256, so that a record of the tree proves the file alone. Its row was written
in the transaction of the act: of the issue, of each signature, and of the end.
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
    """What a leaf stands for: `tree` is the root of the tree before, so that no tree can be taken out."""

    TREE = "tree"
    RECORD = "record"
    PACKAGE = "package"
    FILE = "file"


@dataclass(frozen=True)
class TreeLeaf:
    """A leaf. `entries`: how long the record was; 0 for other kinds. `number`: of the contract, or `school`."""

    kind: LeafKind
    contract: UUID | None
    number: str
    entries: int
    leaf: bytes


@dataclass(frozen=True)
class StoredTree:
    """The tree of a day. `timestamps`: RFC 3161 tokens over its root, one or two."""

    day: date
    leaves: int
    root: bytes
    timestamps: Sequence[bytes]
    made_at: datetime


def record_leaf(contract: UUID, number: str, entries: int, digest: bytes) -> TreeLeaf:
    """Return the leaf of a record whose entry `entries` has this digest."""
    leaf = hashlib.sha256(head_text(number, contract, entries, digest).encode()).digest()
    return TreeLeaf(LeafKind.RECORD, contract, number, entries, leaf)


def previous_leaf(root: bytes) -> TreeLeaf:
    """Return the leaf that stands for the tree before."""
    return TreeLeaf(LeafKind.TREE, None, "", 0, hashlib.sha256(root).digest())
