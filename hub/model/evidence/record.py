"""Record: the append-only, hash-chained account of one contract.

An entry holds no personal value, only commitments: HMAC-SHA-256 with a salt of the person's own. The values stand in
a side table; erasing a person's values and salt keeps the chain whole and makes the commitments meaningless.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

GENESIS = bytes(32)


@dataclass(frozen=True)
class RecordEntry:
    """`sequence` counts from 1 per contract. `facts` is plain JSON. `actor` says who: `hub`, `staff:<id>`,
    `signer:<id>`, `api:<id>`."""

    contract: UUID
    sequence: int
    at: datetime
    kind: str
    actor: str
    facts: Mapping[str, Any]
    previous: bytes
    digest: bytes = b""


def entry_digest(entry: RecordEntry) -> bytes:
    """SHA-256 over canonical JSON (sorted keys, no spaces, UTF-8) of everything in the entry but its own digest."""
    statement = {
        "contract": str(entry.contract),
        "sequence": entry.sequence,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": entry.kind,
        "actor": entry.actor,
        "facts": entry.facts,
        "previous": entry.previous.hex(),
    }
    text = json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def commitment(salt: bytes, value: str) -> str:
    """What stands in an entry instead of a personal value (hex)."""
    return hmac.digest(salt, value.encode(), hashlib.sha256).hex()


def broken_at(entries: Iterable[RecordEntry]) -> int | None:
    """The sequence number of the first entry that does not fit the chain; None if all fit."""
    previous, expected = GENESIS, 1
    for entry in entries:
        digest = entry_digest(replace(entry, previous=previous))
        if entry.sequence != expected or entry.previous != previous or entry.digest != digest:
            return entry.sequence
        previous, expected = digest, expected + 1
    return None
