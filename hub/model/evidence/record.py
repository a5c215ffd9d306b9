"""Record: the append-only, hash-chained audit record of one contract.

Entries hold no personal values, only commitments: HMAC-SHA-256 with a salt of each person. The values are in a side
table. Erasing the values and the salt of a person leaves the chain intact and makes the commitments meaningless.
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
    """One entry of a record.

    `sequence`: counts from 1 per contract. `facts`: plain JSON. `previous`: digest of the entry before.
    `actor`: usually `hub`, `staff:<id>`, `signer:<id>` or `api:<id>`.
    """

    contract: UUID
    sequence: int
    at: datetime
    kind: str
    actor: str
    facts: Mapping[str, Any]
    previous: bytes
    digest: bytes = b""


def compute_entry_digest(entry: RecordEntry) -> bytes:
    """Return the SHA-256 of `entry_text`."""
    return hashlib.sha256(entry_text(entry).encode()).digest()


def entry_text(entry: RecordEntry) -> str:
    """Return the entry without its own digest as canonical JSON: sorted keys, no spaces, one line."""
    statement = {
        "contract": str(entry.contract),
        "sequence": entry.sequence,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": entry.kind,
        "actor": entry.actor,
        "facts": entry.facts,
        "previous": entry.previous.hex(),
    }
    return json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def compute_commitment(salt: bytes, value: str) -> str:
    """Return the commitment (hex) that an entry holds in place of a personal value."""
    return hmac.digest(salt, value.encode(), hashlib.sha256).hex()


def find_broken_entry(entries: Iterable[RecordEntry]) -> int | None:
    """Return the sequence number of the first entry that breaks the chain; None if the chain is intact."""
    previous, expected = GENESIS, 1
    for entry in entries:
        digest = compute_entry_digest(replace(entry, previous=previous))
        if entry.sequence != expected or entry.previous != previous or entry.digest != digest:
            return entry.sequence
        previous, expected = digest, expected + 1
    return None
